// Rate, errors and durations of the spans that a TraceQL filter finds.

import { traceMetrics, type TraceSeries } from '../../api/tempo.ts'
import type { Exemplar } from '../../charts/TimeChart.tsx'
import { align, niceStep, type Span } from '../../time/range.ts'
import { slowest } from '../service/red.ts'

const points = 120
const minStep = 10
const exemplars = 36

export interface TraceCharts {
  /** Unix seconds. */
  times: number[]
  /** Spans per second. */
  rate: number[]
  /** Share of the spans that failed; null where no span was. */
  errors: (number | null)[]
  /** Seconds; null where no span was. */
  p50: (number | null)[]
  p99: (number | null)[]
  exemplars: Exemplar[]
}

export async function traceCharts(query: string, span: Span, signal: AbortSignal): Promise<TraceCharts> {
  const step = niceStep(span, points, minStep)
  const grid = align(span, step)
  const [counted, durations] = await Promise.all([
    traceMetrics(`${query} | rate() by (status)`, grid, step, signal),
    traceMetrics(`${query} | quantile_over_time(duration, .5, .99)`, grid, step, signal),
  ])
  return { ...chartsOf(counted, durations, grid, step), exemplars: slowestOf(durations, span) }
}

// Those of p50 are what is usual: nobody looks for them.
const slowestOf = (durations: readonly TraceSeries[], span: Span) =>
  slowest(
    durations.filter((s) => Number(s.labels.p) === 0.99).flatMap((s) => s.exemplars),
    span,
    exemplars,
  )

/** `counted` by status, `durations` by quantile p; both on the grid. */
export function chartsOf(
  counted: readonly TraceSeries[],
  durations: readonly TraceSeries[],
  grid: Span,
  stepSeconds: number,
): Omit<TraceCharts, 'exemplars'> {
  const n = Math.round((grid.to - grid.from) / 1000 / stepSeconds) + 1
  const times = Array.from({ length: n }, (_, i) => grid.from / 1000 + i * stepSeconds)
  const sum = (series: readonly TraceSeries[]) => {
    const out = new Array<number>(n).fill(0)
    for (const { ms, value } of series.flatMap((s) => s.values)) {
      const i = Math.round((ms - grid.from) / 1000 / stepSeconds)
      if (i >= 0 && i < n) out[i]! += value
    }
    return out
  }
  const rate = sum(counted)
  const failed = sum(counted.filter((s) => s.labels.status === 'error'))
  const quantile = (p: number) =>
    sum(durations.filter((s) => Number(s.labels.p) === p)).map((v, i) => (v > 0 && rate[i]! > 0 ? v : null))
  return {
    times,
    rate,
    errors: rate.map((v, i) => (v > 0 ? failed[i]! / v : null)),
    p50: quantile(0.5),
    p99: quantile(0.99),
  }
}
