import { describe, expect, it } from 'vitest'
import { hexId, nanosToMs, type TraceSpan } from '../../api/tempo.ts'
import { layout, subtree, visibleRows } from './layout.ts'

function span(
  spanId: string,
  parentId: string,
  startMs: number,
  durationMs: number,
  more: Partial<TraceSpan> = {},
): TraceSpan {
  return {
    ...{ spanId, parentId, startMs, durationMs, service: 'a', name: spanId, kind: 'server', error: false },
    ...{ statusMessage: '', attributes: {}, resource: {}, scope: '', events: [], links: [] },
    ...more,
  }
}

describe('waterfall', () => {
  it('puts children under their parents, by start', () => {
    const w = layout([span('c', 'b', 30, 10), span('b', 'a', 20, 40), span('a', '', 0, 100), span('d', 'a', 70, 20)])
    expect(w.rows.map((r) => [r.span.spanId, r.depth, r.selfMs, r.descendants])).toEqual([
      ['a', 0, 40, 3],
      ['b', 1, 30, 1],
      ['c', 2, 10, 0],
      ['d', 1, 20, 0],
    ])
    expect([w.startMs, w.durationMs]).toEqual([0, 100])
  })
  it('knows what is below a span', () => {
    const w = layout([span('c', 'b', 30, 10), span('b', 'a', 20, 40), span('a', '', 0, 100), span('d', 'a', 70, 20)])
    expect([...subtree(w.rows, 'a')]).toEqual(['a', 'b', 'c', 'd'])
    expect([...subtree(w.rows, 'b')]).toEqual(['b', 'c'])
    expect([...subtree(w.rows, 'd')]).toEqual(['d'])
    expect(subtree(w.rows, 'gone').size + subtree(w.rows, undefined).size).toBe(0)
  })
  it('counts overlapping children once', () => {
    const w = layout([span('a', '', 0, 100), span('b', 'a', 10, 50), span('c', 'a', 20, 20), span('d', 'a', 50, 100)])
    expect(w.rows[0]!.selfMs).toBe(10)
  })
  it('follows what was waited for', () => {
    const w = layout([
      span('a', '', 0, 100),
      span('fast', 'a', 0, 20),
      span('slow', 'a', 0, 90),
      span('late', 'a', 95, 50, { kind: 'consumer' }),
      span('in slow', 'slow', 10, 70),
    ])
    expect(w.rows.filter((r) => r.critical).map((r) => r.span.spanId)).toEqual(['a', 'slow', 'in slow'])
  })
  it('shows spans without their parents, twice sent spans once, and circles', () => {
    const w = layout([
      span('a', '', 0, 10),
      span('x', 'gone', 5, 1),
      span('x', 'gone', 5, 1),
      span('p', 'q', 1, 1),
      span('q', 'p', 1, 1),
    ])
    expect(w.rows.map((r) => r.span.spanId).toSorted()).toEqual(['a', 'p', 'q', 'x'])
    expect(w.orphans).toBe(1)
    expect(layout([]).durationMs).toBe(0)
  })
  it('shares the time between services', () => {
    const w = layout([span('a', '', 0, 100), span('b', 'a', 0, 75, { service: 'b', error: true })])
    expect(w.services.map((s) => [s.name, s.share, s.errors])).toEqual([
      ['b', 0.75, 1],
      ['a', 0.25, 0],
    ])
  })
  it('lays out ten thousand spans in one chain', () => {
    const spans = Array.from({ length: 10_000 }, (_, i) => span(String(i), i ? String(i - 1) : '', i, 20_000 - 2 * i))
    expect(layout(spans).rows.at(-1)!.depth).toBe(9999)
  })
  it('folds', () => {
    const w = layout([span('a', '', 0, 9), span('b', 'a', 1, 3), span('c', 'b', 2, 1), span('d', 'a', 5, 1)])
    expect(visibleRows(w.rows, new Set(['b'])).map((r) => r.span.spanId)).toEqual(['a', 'b', 'd'])
  })
})

describe('ids and times', () => {
  it('reads what Tempo writes', () => {
    expect(hexId('WITz9cmuFQg=')).toBe('5884f3f5c9ae1508')
    expect(hexId('5884f3f5c9ae1508')).toBe('5884f3f5c9ae1508')
    expect(nanosToMs('1795232865240298130')).toBeCloseTo(1795232865240.298, 3)
  })
})
