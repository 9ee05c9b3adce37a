import { describe, expect, it } from 'vitest'
import type { SearchProgress } from '../../api/logSearch.ts'
import type { LogRow } from '../../api/loki.ts'
import { emptySearch, isHeld, searchReducer, shownRows, type SearchAction, type SearchState } from './search.ts'

const row = (ms: number, line = `at ${ms}`): LogRow => ({ ts: `${ms}000000`, ms, line, labels: {}, fields: {} })
const rows = (...ms: number[]) => ms.map((m) => row(m))
const progress = (fromMs: number, share: number): SearchProgress => ({
  share,
  fromMs,
  toMs: 1000,
  lines: 0,
  rowsScanned: 10,
  bytesScanned: 100,
  units: 4,
  unitsPruned: 0,
  elapsedMs: 5,
})
const span = { from: 0, to: 1000 }
const begin: SearchAction = { type: 'begin', span, keep: true }
const part = (ms: number[], fromMs: number, share: number, reason?: 'complete' | 'limit' | 'time'): SearchAction => ({
  type: 'part',
  part: { rows: rows(...ms), progress: progress(fromMs, share), end: reason && { reason, warnings: [] } },
})
const after = (...actions: SearchAction[]): SearchState => actions.reduce(searchReducer, emptySearch)
const times = (s: SearchState, limit = 100) => shownRows(s, limit)?.map((r) => r.ms)

describe('a search', () => {
  it('shows nothing before it knows anything, then what it finds', () => {
    expect(times(after(begin))).toBeUndefined()
    expect(times(after(begin, part([], 800, 0.2)))).toBeUndefined()
    expect(times(after(begin, part([], 800, 0.2), part([700, 650], 600, 0.4)))).toEqual([700, 650])
    expect(times(after(begin, part([], 0, 1, 'complete')))).toEqual([])
  })
  it('keeps the records of the one before below its own until it reaches them', () => {
    const first = [begin, part([900, 500, 100], 0, 1, 'complete')]
    expect(times(after(...first, begin))).toEqual([900, 500, 100])
    expect(times(after(...first, begin, part([950, 900], 800, 0.2)))).toEqual([950, 900, 500, 100])
    expect(times(after(...first, begin, part([950, 900], 800, 0.2), part([500], 300, 0.7)))).toEqual([
      950, 900, 500, 100,
    ])
    expect(times(after(...first, begin, part([950], 0, 1, 'complete')))).toEqual([950])
    expect(times(after(...first, begin, part([950], 940, 0.1)), 2)).toEqual([950, 900])
  })
  it('does not show one query under another', () => {
    const s = after(begin, part([900], 0, 1, 'complete'), { type: 'begin', span, keep: false })
    expect(times(s)).toBeUndefined()
    expect(s.last).toBeUndefined()
  })
  it('drops what has left the range', () => {
    const s = after(begin, part([900, 100], 0, 1, 'complete'), { ...begin, span: { from: 200, to: 1200 } })
    expect(times(s)).toEqual([900])
  })
  it('says that there is nothing while it looks again', () => {
    expect(times(after(begin, part([], 0, 1, 'complete'), begin))).toEqual([])
  })
  it('keeps what is there when it is stopped, and goes on from there', () => {
    const stopped = after(begin, part([900, 700], 700, 0.25), { type: 'stop' })
    expect(times(stopped)).toEqual([900, 700])
    expect(isHeld(stopped)).toBe(true)
    const on = searchReducer(stopped, { type: 'continue' })
    const done = searchReducer(on, part([650, 10], 0, 0.5))
    expect(times(done)).toEqual([900, 700, 650, 10])
    expect(done.progress?.share).toBeCloseTo(0.625)
    expect(done.progress?.rowsScanned).toBe(20)
  })
  it('does not show records twice that a continued search finds again', () => {
    const s = after(
      begin,
      part([900, 699], 700, 0.25),
      { type: 'stop' },
      { type: 'continue' },
      part([699], 0, 1, 'complete'),
    )
    expect(times(s)).toEqual([900, 699])
  })
  it('is repeated by the clock only when it has ended by itself', () => {
    expect(isHeld(after(begin))).toBe(true)
    expect(isHeld(after(begin, part([1], 500, 0.5, 'time')))).toBe(true)
    expect(isHeld(after(begin, part([1], 0, 1, 'complete')))).toBe(false)
    expect(isHeld(after(begin, { type: 'fail', error: new Error('x') }))).toBe(false)
  })
  it('keeps records and the error until it is clear how the next one does', () => {
    const s = after(begin, part([900], 0, 1, 'complete'), begin, { type: 'fail', error: 'lost' }, begin)
    expect(times(s)).toEqual([900])
    expect(s.error).toBe('lost')
    expect(searchReducer(s, part([900], 800, 0.2)).error).toBeUndefined()
  })
})
