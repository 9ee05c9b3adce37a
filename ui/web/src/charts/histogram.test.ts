import { describe, expect, it } from 'vitest'
import { toBuckets } from './LevelHistogram.tsx'

describe('histogram', () => {
  it('counts by level in the time before each value', () => {
    const b = toBuckets(
      [
        { metric: { detected_level: 'error' }, values: [[20, '3']] },
        {
          metric: { detected_level: 'warning' },
          values: [
            [10, '1'],
            [20, '2'],
            [99, '5'],
          ],
        },
      ],
      { from: 0, to: 20_000 },
      10,
    )
    expect(b.map((x) => [x.ms, x.counts, x.total])).toEqual([
      [0, { warn: 1 }, 1],
      [10_000, { error: 3, warn: 2 }, 5],
    ])
  })
})
