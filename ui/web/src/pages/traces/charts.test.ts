import { describe, expect, it } from 'vitest'
import type { TraceSeries } from '../../api/tempo.ts'
import { chartsOf } from './charts.ts'

const series = (labels: Record<string, string>, values: Record<number, number>): TraceSeries => ({
  labels,
  values: Object.entries(values).map(([s, value]) => ({ ms: Number(s) * 1000, value })),
  exemplars: [],
})

describe('charts of a trace query', () => {
  it('add up the statuses and leave durations out where no span was', () => {
    const charts = chartsOf(
      [
        series({ status: 'unset' }, { 60: 2, 120: 1, 180: 0 }),
        series({ status: 'error' }, { 60: 0.5, 120: 0, 180: 0 }),
      ],
      [series({ p: '0.5' }, { 60: 0.1, 120: 0.2, 180: 0 }), series({ p: '0.99' }, { 60: 1, 120: 2, 180: 0 })],
      { from: 60_000, to: 180_000 },
      60,
    )
    expect(charts).toEqual({
      times: [60, 120, 180],
      rate: [2.5, 1, 0],
      errors: [0.2, 0, null],
      p50: [0.1, 0.2, null],
      p99: [1, 2, null],
    })
  })
  it('are flat without spans', () => {
    expect(chartsOf([], [], { from: 0, to: 60_000 }, 60)).toEqual({
      times: [0, 60],
      rate: [0, 0],
      errors: [null, null],
      p50: [null, null],
      p99: [null, null],
    })
  })
})
