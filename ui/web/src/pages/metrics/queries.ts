// The queries of the metrics explorer stand in the URL as q, q1, q2, …

import type { Metadata } from '../../api/prometheus.ts'
import type { Search } from '../../url/search.ts'

export const maxQueries = 6

const key = (i: number) => (i === 0 ? 'q' : `q${i}`)

/** At least one, which may be empty. */
export function queriesOf(search: Search): string[] {
  const out: string[] = []
  for (let i = 0; i < maxQueries; i++) {
    const v = search[key(i)]
    if (v !== undefined) out.push(v)
  }
  return out.length ? out : ['']
}

export function toSearch(queries: readonly string[]): Record<string, string | undefined> {
  const out: Record<string, string | undefined> = {}
  for (let i = 0; i < maxQueries; i++) out[key(i)] = queries[i]?.trim() || undefined
  return out
}

/** What to ask a metric first, by its type. */
export function firstQuery(name: string, meta: Metadata | undefined): string {
  const type = meta?.type ?? ''
  if (type === 'histogram' || name.endsWith('_bucket')) {
    const base = name.replace(/_(bucket|count|sum)$/, '')
    return `histogram_quantile(0.99, sum by (le) (rate(${base}_bucket[5m])))`
  }
  if (type === 'counter' || /_(total|count|sum)$/.test(name)) return `sum(rate(${name}[5m]))`
  return name
}
