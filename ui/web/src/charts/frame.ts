import type { PromSeries } from '../api/prometheus.ts'
import type { Span } from '../time/range.ts'

/** Series of one query on one time grid, with null where there is no value. */
export interface Frame {
  times: number[]
  rows: { metric: Record<string, string>; values: (number | null)[] }[]
}

export function toFrame(series: readonly PromSeries[], span: Span, stepSeconds: number): Frame {
  const start = span.from / 1000
  const n = Math.max(0, Math.floor((span.to - span.from) / 1000 / stepSeconds + 1e-6) + 1)
  const times = Array.from({ length: n }, (_, i) => start + i * stepSeconds)
  const rows = series.map((s) => {
    const values = new Array<number | null>(n).fill(null)
    for (const [t, v] of s.values ?? []) {
      const i = Math.round((t - start) / stepSeconds)
      const value = Number(v)
      if (i >= 0 && i < n && Number.isFinite(value)) values[i] = value
    }
    return { metric: s.metric, values }
  })
  return { times, rows }
}

/** {a="b", c="d"} with the metric's name before it, as PromQL writes it. */
export function seriesName(metric: Record<string, string>): string {
  const { __name__: name = '', ...labels } = metric
  const keys = Object.keys(labels)
  if (keys.length === 0) return name || '{}'
  return `${name}{${keys.map((k) => `${k}=${JSON.stringify(labels[k])}`).join(', ')}}`
}

/** What tells the series apart: the labels that differ between them. */
export function shortNames(rows: readonly { metric: Record<string, string> }[]): string[] {
  const keys = new Set(rows.flatMap((r) => Object.keys(r.metric)))
  const differing = [...keys].filter((k) => new Set(rows.map((r) => r.metric[k])).size > 1)
  if (rows.length < 2 || differing.length === 0) return rows.map((r) => seriesName(r.metric))
  if (differing.length === 1) return rows.map((r) => r.metric[differing[0]!] ?? '')
  return rows.map((r) =>
    seriesName(Object.fromEntries(differing.flatMap((k) => (r.metric[k] ? [[k, r.metric[k]]] : [])))),
  )
}

export interface Summary {
  last: number | null
  min: number | null
  max: number | null
  mean: number | null
}

export function summarize(values: readonly (number | null)[]): Summary {
  const present = values.filter((v): v is number => v !== null)
  if (present.length === 0) return { last: null, min: null, max: null, mean: null }
  let min = Infinity
  let max = -Infinity
  let sum = 0
  for (const v of present) {
    min = Math.min(min, v)
    max = Math.max(max, v)
    sum += v
  }
  return { last: present.at(-1)!, min, max, mean: sum / present.length }
}
