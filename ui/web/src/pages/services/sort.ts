import type { Service } from '../../api/hinomi.ts'

export type SortKey = 'worst' | 'name' | 'rate' | 'errors' | 'p50' | 'p99'

const values: Record<Exclude<SortKey, 'worst' | 'name'>, (s: Service) => number | null> = {
  rate: (s) => s.now.requestsPerSecond,
  errors: (s) => s.now.errorShare,
  p50: (s) => s.now.p50Ms,
  p99: (s) => s.now.p99Ms,
}

/** Largest first unless up; what has no value stands last in both. The server's order is "worst". */
export function sortServices(services: Service[], key: SortKey, up: boolean): Service[] {
  if (key === 'worst') return up ? services.toReversed() : services
  const sign = up ? 1 : -1
  if (key === 'name') return services.toSorted((a, b) => -sign * a.name.localeCompare(b.name))
  const value = values[key] ?? values.rate
  return services.toSorted((a, b) => {
    const x = value(a)
    const y = value(b)
    if (x === null || y === null) return x === y ? 0 : x === null ? 1 : -1
    return sign * (x - y) || a.name.localeCompare(b.name)
  })
}
