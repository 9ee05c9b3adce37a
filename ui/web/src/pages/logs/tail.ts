// What a live tail has brought, without the connection that brings it.

import { newestFirst, type LogRow } from '../../api/loki.ts'

/** More than a reader scrolls back through, and little for a browser to hold. */
export const maxTailRows = 5000

export interface TailState {
  /** What is shown, newest first. */
  rows: LogRow[]
  /** What came while the reader paused, newest first. */
  held: LogRow[]
  paused: boolean
  connected: boolean
  /** Older rows were given up for newer ones. */
  full: boolean
  /** Lines that the server could not send in time. */
  dropped: number
}

export type TailEvent =
  | { type: 'rows'; rows: LogRow[]; dropped: number; again: boolean }
  | { type: 'connected'; connected: boolean }
  | { type: 'pause'; paused: boolean }
  | { type: 'reset' }

export const emptyTail: TailState = { rows: [], held: [], paused: false, connected: false, full: false, dropped: 0 }

export function tailReducer(s: TailState, e: TailEvent): TailState {
  switch (e.type) {
    case 'reset':
      return emptyTail
    case 'connected':
      return { ...s, connected: e.connected }
    case 'pause':
      return e.paused ? { ...s, paused: true } : { ...s, ...add(s.rows, s.held, s.full), paused: false, held: [] }
    case 'rows': {
      const fresh = e.again ? unseen(e.rows, [s.rows, s.held]) : e.rows
      const dropped = s.dropped + e.dropped
      if (!s.paused) return { ...s, ...add(s.rows, fresh, s.full), dropped }
      const { rows: held, full } = add(s.held, fresh, s.full)
      return { ...s, held, full, dropped }
    }
  }
}

function add(old: LogRow[], fresh: LogRow[], full: boolean): { rows: LogRow[]; full: boolean } {
  if (fresh.length === 0) return { rows: old, full }
  const rows = [...fresh, ...old].sort(newestFirst)
  return { rows: rows.slice(0, maxTailRows), full: full || rows.length > maxTailRows }
}

/** A new connection repeats what the one before has sent last. */
function unseen(rows: LogRow[], known: LogRow[][]): LogRow[] {
  const key = (r: LogRow) => JSON.stringify([r.ts, r.line, r.labels, r.fields.span_id])
  const seen = new Set(known.flat().map(key))
  return rows.filter((r) => !seen.has(key(r)))
}
