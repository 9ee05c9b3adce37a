// What a search has found until now, without the connection that brings it.

import type { SearchEnd, SearchPart, SearchProgress } from '../../api/logSearch.ts'
import type { LogRow } from '../../api/loki.ts'
import type { Span } from '../../time/range.ts'

export interface SearchState {
  span: Span
  /** Found by this search, newest first. */
  rows: LogRow[]
  /** Of the search before it, for times that this one has not reached. */
  before: LogRow[]
  /** Something was known of these records before this search began. */
  known: boolean
  running: boolean
  stopped: boolean
  progress?: SearchProgress
  /** How the search before it has ended, while this one has not. */
  last?: SearchProgress
  /** What an earlier part of a search that was continued has done. */
  base?: SearchProgress
  end?: SearchEnd
  error?: unknown
}

export type SearchAction =
  | { type: 'begin'; span: Span; keep: boolean }
  | { type: 'part'; part: SearchPart }
  | { type: 'stop' }
  | { type: 'continue' }
  | { type: 'fail'; error: unknown }

export const emptySearch: SearchState = {
  span: { from: 0, to: 0 },
  rows: [],
  before: [],
  known: false,
  running: false,
  stopped: false,
}

export function searchReducer(s: SearchState, a: SearchAction): SearchState {
  switch (a.type) {
    case 'begin':
      return {
        ...emptySearch,
        span: a.span,
        before: a.keep ? foundRows(s) : [],
        known: a.keep && (s.known || s.progress !== undefined),
        last: a.keep ? (s.end ? s.progress : s.last) : undefined,
        error: a.keep ? s.error : undefined,
        running: true,
      }
    case 'part': {
      const { rows, progress, end } = a.part
      const whole = end?.reason === 'complete' || end?.reason === 'limit'
      return {
        ...s,
        rows: rows.length > 0 ? [...s.rows, ...rows] : s.rows,
        progress: progress ? sum(s.base, progress) : s.progress,
        running: !end,
        end,
        error: undefined,
        before: whole ? [] : s.before,
      }
    }
    case 'stop':
      return { ...s, running: false, stopped: true }
    case 'continue': {
      const from = searchedBackTo(s)
      return {
        ...s,
        // Records of the millisecond that the search was in come again.
        rows: s.rows.filter((r) => r.ms >= from),
        running: true,
        stopped: false,
        base: s.progress,
        end: undefined,
        error: undefined,
      }
    }
    case 'fail':
      return { ...s, running: false, error: a.error }
  }
}

/** The progress of both parts of a search that was continued. */
function sum(base: SearchProgress | undefined, p: SearchProgress): SearchProgress {
  if (!base) return p
  return {
    ...p,
    toMs: base.toMs,
    share: base.share + (1 - base.share) * p.share,
    rowsScanned: base.rowsScanned + p.rowsScanned,
    bytesScanned: base.bytesScanned + p.bytesScanned,
    elapsedMs: base.elapsedMs + p.elapsedMs,
  }
}

/** Unix milliseconds from which on all records are there. */
export const searchedBackTo = (s: SearchState): number => s.progress?.fromMs ?? s.span.to

/**
 * What is known, newest first: what the search has found, and below it what the one
 * before had found, so that a search that is repeated does not empty the page.
 */
export function foundRows(s: SearchState): LogRow[] {
  if (s.before.length === 0) return s.rows
  // What was found beyond the searched part is right as well.
  const reached = Math.min(searchedBackTo(s), s.rows.at(-1)?.ms ?? Infinity)
  const older = s.before.filter((r) => r.ms < reached && r.ms >= s.span.from)
  return older.length > 0 ? [...s.rows, ...older] : s.rows
}

/** What is shown; undefined while nobody can say that there is nothing. */
export function shownRows(s: SearchState, limit: number): LogRow[] | undefined {
  const rows = foundRows(s)
  if (rows.length === 0 && !s.known && (s.running || !s.progress)) return undefined
  return rows.length > limit ? rows.slice(0, limit) : rows
}

/** A search that ended early stays as it is until somebody asks again. */
export const isHeld = (s: SearchState): boolean =>
  s.running || s.stopped || ['time', 'rows', 'bytes'].includes(s.end?.reason ?? '')
