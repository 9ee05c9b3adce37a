import type { LogRow } from '../../api/loki.ts'

export interface Field {
  name: string
  /** Most frequent first. */
  values: { value: string; count: number }[]
  distinct: number
  /** How many of the rows have it. */
  rows: number
}

const shownValues = 8

// First what people filter by, then the rest by name.
const first = ['detected_level', 'service_name', 'team', 'http_route', 'http_response_status_code', 'error', 'city']

/** The fields of the rows with their most frequent values. */
export function fieldsOfRows(rows: readonly LogRow[]): Field[] {
  const counts = new Map<string, Map<string, number>>()
  for (const row of rows) {
    for (const part of [row.labels, row.fields]) {
      for (const k in part) {
        let values = counts.get(k)
        if (!values) counts.set(k, (values = new Map()))
        const v = part[k]!
        values.set(v, (values.get(v) ?? 0) + 1)
      }
    }
  }
  const rank = (name: string) => {
    const i = first.indexOf(name)
    return i < 0 ? first.length : i
  }
  return [...counts]
    .map(([name, values]) => ({
      name,
      distinct: values.size,
      rows: [...values.values()].reduce((a, b) => a + b, 0),
      values: [...values]
        .map(([value, count]) => ({ value, count }))
        .toSorted((a, b) => b.count - a.count || a.value.localeCompare(b.value))
        .slice(0, shownValues),
    }))
    .toSorted((a, b) => rank(a.name) - rank(b.name) || a.name.localeCompare(b.name))
}
