import { describe, expect, it } from 'vitest'
import { seriesName, shortNames, summarize, toFrame } from './frame.ts'

describe('frame', () => {
  it('puts series on one grid', () => {
    const f = toFrame(
      [
        {
          metric: { a: '1' },
          values: [
            [10, '1'],
            [30, 'NaN'],
            [40, '4'],
          ],
        },
      ],
      { from: 10_000, to: 40_000 },
      10,
    )
    expect(f.times).toEqual([10, 20, 30, 40])
    expect(f.rows[0]!.values).toEqual([1, null, null, 4])
  })
  it('names series by what differs', () => {
    const rows = [
      { metric: { __name__: 'up', job: 'a', zone: 'x' } },
      { metric: { __name__: 'up', job: 'b', zone: 'x' } },
    ]
    expect(shortNames(rows)).toEqual(['a', 'b'])
    expect(seriesName(rows[0]!.metric)).toBe('up{job="a", zone="x"}')
    expect(shortNames([{ metric: {} }])).toEqual(['{}'])
  })
  it('summarizes what is there', () => {
    expect(summarize([null, 1, 3, null])).toEqual({ last: 3, min: 1, max: 3, mean: 2 })
    expect(summarize([null]).last).toBeNull()
  })
})
