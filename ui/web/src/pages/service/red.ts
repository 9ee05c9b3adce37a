import { quote, queryExemplars, queryRange } from '../../api/prometheus.ts'
import { toFrame } from '../../charts/frame.ts'
import type { Exemplar } from '../../charts/TimeChart.tsx'
import { align, niceStep, type Span } from '../../time/range.ts'

const points = 180
const minStep = 10

export interface RedCharts {
  times: number[]
  rate: (number | null)[]
  errors: (number | null)[]
  p50: (number | null)[]
  p90: (number | null)[]
  p99: (number | null)[]
  exemplars: Exemplar[]
}

/** The RED series of one service, and the traces to open from them. */
export async function redCharts(service: string, span: Span, signal: AbortSignal): Promise<RedCharts> {
  const step = niceStep(span, points, minStep)
  const grid = align(span, step)
  const window = `${Math.max(60, step * 2)}s`
  const match = `service=${quote(service)}, span_kind=~"SPAN_KIND_SERVER|SPAN_KIND_CONSUMER"`
  const calls = (more = '') => `sum(rate(traces_spanmetrics_calls_total{${match}${more}}[${window}]))`
  const quantile = (q: number) =>
    `histogram_quantile(${q}, sum by (le) (rate(traces_spanmetrics_latency_bucket{${match}}[${window}])))`
  const run = async (query: string) => {
    const { series } = await queryRange(query, grid, step, signal)
    return toFrame(series, grid, step)
  }
  const [rate, failed, p50, p90, p99, exemplars] = await Promise.all([
    run(calls()),
    run(calls(', status_code="STATUS_CODE_ERROR"')),
    run(quantile(0.5)),
    run(quantile(0.9)),
    run(quantile(0.99)),
    queryExemplars(`traces_spanmetrics_latency_bucket{${match}}`, span, signal),
  ])
  const of = (f: Awaited<ReturnType<typeof run>>) => f.rows[0]?.values ?? f.times.map(() => null)
  const all = of(rate)
  const bad = of(failed)
  return {
    times: rate.times,
    rate: all,
    errors: all.map((v, i) => (v ? Math.min(1, (bad[i] ?? 0) / v) : null)),
    p50: of(p50),
    p90: of(p90),
    p99: of(p99),
    exemplars: slowest(exemplars, span, 36),
  }
}

/** The slowest exemplar of each of `n` equal stretches: few dots, the ones to look at. */
export function slowest(all: readonly Exemplar[], span: Span, n: number): Exemplar[] {
  const best = new Map<number, Exemplar>()
  for (const e of all) {
    if (!e.traceId) continue
    const slot = Math.floor(((e.ms - span.from) / (span.to - span.from)) * n)
    if (slot < 0 || slot >= n) continue
    const old = best.get(slot)
    if (!old || e.value > old.value) best.set(slot, e)
  }
  return [...best.values()].toSorted((a, b) => a.ms - b.ms)
}
