import { describe, expect, it } from 'vitest'
import { firstQuery, queriesOf, toSearch } from './queries.ts'

describe('queries', () => {
  it('live in the URL', () => {
    expect(queriesOf({})).toEqual([''])
    expect(queriesOf({ q: 'up', q2: 'down' })).toEqual(['up', 'down'])
    const search = toSearch(['a', ' ', 'b'])
    expect([search.q, search.q1, search.q2, search.q3]).toEqual(['a', undefined, 'b', undefined])
  })
  it('start from the type', () => {
    const meta = (type: string) => ({ type, help: '', unit: '' })
    expect(firstQuery('x_total', meta('counter'))).toBe('sum(rate(x_total[5m]))')
    expect(firstQuery('x_bucket', undefined)).toBe('histogram_quantile(0.99, sum by (le) (rate(x_bucket[5m])))')
    expect(firstQuery('x', meta('gauge'))).toBe('x')
  })
})
