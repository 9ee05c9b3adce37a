import { parseDuration } from '../../time/range.ts'
import type { Search } from '../../url/search.ts'
import { maxQueries, toSearch } from './queries.ts'

/** g0.expr, g0.range_input, g0.end_input and g0.tab of Prometheus' own pages as ours. */
export function fromPrometheus(search: Search): Record<string, string | undefined> {
  const queries: string[] = []
  for (let i = 0; i < maxQueries; i++) if (search[`g${i}.expr`]) queries.push(search[`g${i}.expr`]!)
  const range = search['g0.range_input']
  const length = range ? parseDuration(range) : null
  const end = search['g0.end_input'] ? Date.parse(`${search['g0.end_input'].replace(' ', 'T')}Z`) : NaN
  const out: Record<string, string | undefined> = { ...toSearch(queries) }
  if (!Number.isNaN(end)) {
    out.to = String(end)
    out.from = String(end - (length ?? 3600_000))
  } else if (length && range) {
    out.from = `now-${range}`
    out.to = 'now'
  }
  return out
}
