import { describe, expect, it } from 'vitest'
import type { LogPattern } from '../../api/loki.ts'
import { quote } from '../../api/prometheus.ts'
import {
  comparison,
  filterText,
  inScope,
  notable,
  patternFilters,
  patternParts,
  patternRows,
  patternScope,
  togglePattern,
} from './patterns.ts'

// Sixteen minutes in steps of one: the last quarter begins with minute 12.
const span = { from: 0, to: 960_000 }
const minutes = (counts: Record<number, number>): LogPattern['samples'] =>
  Object.entries(counts).map(([m, n]) => [Number(m) * 60, n])
const everyMinute = (n: number, from = 0, to = 16) =>
  minutes(Object.fromEntries(Array.from({ length: to - from }, (_, i) => [from + i, n])))
const trends = (...samples: LogPattern['samples'][]) =>
  patternRows(
    samples.map((s, i) => ({ pattern: `p${i}`, level: 'info', samples: s })),
    span,
    60,
  ).map((r) => r.trend)

describe('trend of a pattern', () => {
  const steady = everyMinute(10)
  it('is new when its first line is in the last quarter', () => {
    expect(trends(steady, minutes({ 12: 1 }), minutes({ 11: 1, 12: 1 }))).toEqual([undefined, 'new', undefined])
  })
  it('is surging from three times the rate before', () => {
    // Before: 12 lines in 12 minutes, so 4 are expected in the last 4.
    const before = Object.fromEntries(Array.from({ length: 12 }, (_, i) => [i, 1]))
    expect(trends(steady, minutes({ ...before, 13: 12 }), minutes({ ...before, 13: 11 }))).toEqual([
      undefined,
      'surging',
      undefined,
    ])
    // One line among few proves nothing.
    expect(trends(steady, minutes({ 0: 1, 13: 4 }), minutes({ 0: 1, 13: 5 }))).toEqual([
      undefined,
      undefined,
      'surging',
    ])
  })
  it('is gone when lines were to be expected and none came', () => {
    // 15 in 12 minutes are 5 in 4 minutes; 14 are less.
    expect(trends(steady, minutes({ 0: 15 }), minutes({ 0: 14 }))).toEqual([undefined, 'gone', undefined])
  })
  it('says nothing when there is too little before', () => {
    // All lines begin with minute 9: three minutes before, four after.
    expect(trends(everyMinute(1, 9), minutes({ 13: 100 }))).toEqual([undefined, undefined])
    expect(trends(everyMinute(1, 8), minutes({ 13: 100 }))).toEqual([undefined, 'new'])
    expect(trends()).toEqual([])
  })
  it('measures the rate before from the first line of all', () => {
    // From minute 4 on there are 8 minutes before: 8 lines make 4 expected.
    const late = everyMinute(1, 4, 12)
    expect(trends(late, [...late, ...minutes({ 12: 12 })])).toEqual([undefined, 'surging'])
  })
  it('puts whole intervals on one side', () => {
    // The quarter begins at 750 s, the first whole interval in it at 780 s.
    expect(comparison({ from: 30_000, to: 990_000 }, 60, 0)).toEqual({
      border: 780,
      beforeSeconds: 750,
      lastSeconds: 210,
    })
  })
})

describe('rows', () => {
  it('count lines, their share, and each interval', () => {
    const rows = patternRows(
      [
        { pattern: 'a <_>', level: 'info', samples: minutes({ 0: 2, 15: 4 }) },
        { pattern: 'b', level: 'warn', samples: minutes({ 1: 2 }) },
      ],
      span,
      60,
    )
    expect(rows.map((r) => [r.count, r.share, r.spark.length])).toEqual([
      [6, 0.75, 16],
      [2, 0.25, 16],
    ])
    expect(rows[0]!.spark[0]).toBe(2)
    expect(rows[0]!.spark[15]).toBe(4)
  })
  it('are drawn whole where the edge of the range cuts an interval', () => {
    // 45 of the first 60 seconds are in the range, and 15 of the last.
    const [row] = patternRows(
      [{ pattern: 'a', level: 'info', samples: minutes({ 0: 3, 1: 4, 2: 1 }) }],
      { from: 15_000, to: 135_000 },
      60,
    )
    expect(row!.spark).toEqual([4, 4, null])
    expect(row!.count).toBe(8)
  })
  it('show what varies', () => {
    expect(patternParts('took <_> ms for <_>')).toEqual(['took ', '<_>', ' ms for ', '<_>', ''])
  })
})

describe('pattern filters', () => {
  it('stand in the search line, which becomes LogQL', () => {
    expect(togglePattern('service=payment', 'card <_> "declined"', false)).toBe(
      '{service_name="payment"} |> "card <_> \\"declined\\""',
    )
    expect(togglePattern('{a="b"}', 'x', true)).toBe('{a="b"} !> "x"')
  })
  it('go when clicked again, and turn round', () => {
    const excluded = togglePattern('{a="b"} |= "y"', 'x <_>', true)
    expect(togglePattern(excluded, 'x <_>', true)).toBe('{a="b"} |= "y"')
    expect(togglePattern(excluded, 'x <_>', false)).toBe('{a="b"} |= "y" |> "x <_>"')
    expect(togglePattern('{a="b"} !> "p" |> "q"', 'r', false)).toBe('{a="b"} !> "p" |> "r"')
    expect(togglePattern('{a="b"} !> "p"', 'r', true)).toBe('{a="b"} !> "p" !> "r"')
  })
  it('are told from texts that look like them', () => {
    const line = `{a="b"} |= ${quote('|> "x"')} |= \`!> "y"\` |> "z" or "w"`
    expect(patternFilters(line)).toEqual([])
    expect(patternFilters(`${line} !> "v"`)).toEqual([{ pattern: 'v', exclude: true }])
  })
  it('have unnamed captures with text between', () => {
    expect(filterText('<_><_> is <name> <br/>')).toBe('<_> is <_> <br/>')
  })
})

describe('what narrows patterns', () => {
  it('is the selector and the level', () => {
    const scope = patternScope('{a="}", b="c"} | detected_level="error" !> "x"')
    expect(scope).toEqual({ selector: '{a="}", b="c"}', levels: [{ level: 'error', exclude: false }], partly: false })
    expect(inScope('error', scope)).toBe(true)
    expect(inScope('info', scope)).toBe(false)
  })
  it('and nothing else', () => {
    expect(patternScope('{a="b"} |= "x" | level!="debug"')).toEqual({
      selector: '{a="b"}',
      levels: [{ level: 'debug', exclude: true }],
      partly: true,
    })
    // Two levels in one condition are not taken apart.
    expect(patternScope('{a="b"} | level="debug" or level="info"').levels).toEqual([])
  })
})

describe('notable', () => {
  const patterns = (counts: [string, LogPattern['samples']][]) =>
    notable(
      patternRows(
        counts.map(([pattern, samples]) => ({ pattern, level: 'info', samples })),
        span,
        60,
      ),
      4,
    ).map((r) => r.pattern)
  it('is what is new, then what there is most of', () => {
    expect(
      patterns([
        ['much', everyMinute(9)],
        ['more', everyMinute(10)],
        ['little', everyMinute(1)],
        ['fresh', minutes({ 14: 1 })],
        ['some', everyMinute(2)],
      ]),
    ).toEqual(['fresh', 'more', 'much', 'some'])
  })
  it('leaves room for the frequent ones', () => {
    expect(
      patterns([
        ['old', everyMinute(1)],
        ['a', minutes({ 13: 1 })],
        ['b', minutes({ 13: 2 })],
        ['c', minutes({ 13: 30 })],
        ['older', everyMinute(2)],
      ]),
    ).toEqual(['a', 'b', 'older', 'c'])
  })
})
