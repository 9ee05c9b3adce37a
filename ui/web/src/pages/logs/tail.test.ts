import { describe, expect, it } from 'vitest'
import { tailRows, type LogRow } from '../../api/loki.ts'
import { emptyTail, maxTailRows, tailReducer, type TailEvent, type TailState } from './tail.ts'

const row = (n: number, line = `line ${n}`): LogRow => ({
  ts: String(10n ** 18n + BigInt(n)),
  ms: n,
  line,
  labels: { service_name: 'a' },
  fields: {},
})
const came = (...rows: LogRow[]): TailEvent => ({ type: 'rows', rows, dropped: 0, again: false })
const after = (...events: TailEvent[]): TailState => events.reduce(tailReducer, emptyTail)
const lines = (rows: LogRow[]) => rows.map((r) => r.line)

describe('live tail', () => {
  it('puts the newest first, late lines too', () => {
    const s = after(came(row(2), row(1)), came(row(4)), came(row(3)))
    expect(lines(s.rows)).toEqual(['line 4', 'line 3', 'line 2', 'line 1'])
  })
  it('holds what comes while it is paused', () => {
    const paused = after(came(row(1)), { type: 'pause', paused: true }, came(row(3)), came(row(2)))
    expect(lines(paused.rows)).toEqual(['line 1'])
    expect(lines(paused.held)).toEqual(['line 3', 'line 2'])
    const going = tailReducer(paused, { type: 'pause', paused: false })
    expect(lines(going.rows)).toEqual(['line 3', 'line 2', 'line 1'])
    expect(going.held).toEqual([])
  })
  it('keeps the newest lines only, and says so', () => {
    const many = Array.from({ length: maxTailRows }, (_, i) => row(i))
    const full = after(came(...many))
    expect(full.full).toBe(false)
    const more = tailReducer(full, came(row(maxTailRows)))
    expect(more.rows.length).toBe(maxTailRows)
    expect(more.rows[0]!.line).toBe(`line ${maxTailRows}`)
    expect(more.rows.at(-1)!.line).toBe('line 1')
    expect(more.full).toBe(true)
  })
  it('shows nothing twice after a lost connection', () => {
    const s = after(
      came(row(2), row(1)),
      { type: 'connected', connected: false },
      { type: 'rows', rows: [row(3), row(2)], dropped: 2, again: true },
    )
    expect(lines(s.rows)).toEqual(['line 3', 'line 2', 'line 1'])
    expect(s.dropped).toBe(2)
  })
})

describe('a message of a tail', () => {
  it('has stream labels and fields', () => {
    const rows = tailRows(
      {
        streams: [
          { stream: { service_name: 'a', detected_level: 'info' }, values: [['1000000000000000001', 'x']] },
          { stream: { service_name: 'b' }, values: [['1000000000000000002', 'y']] },
        ],
      },
      new Set(['service_name']),
    )
    expect(rows.map((r) => [r.line, r.labels, r.fields])).toEqual([
      ['y', { service_name: 'b' }, {}],
      ['x', { service_name: 'a' }, { detected_level: 'info' }],
    ])
    expect(tailRows({ streams: null }, new Set())).toEqual([])
  })
})
