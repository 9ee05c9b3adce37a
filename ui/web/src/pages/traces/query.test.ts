import { describe, expect, it } from 'vitest'
import { isDuration, toTraceql } from './query.ts'

describe('trace form', () => {
  it('becomes TraceQL', () => {
    expect(toTraceql({})).toBe('{ }')
    expect(toTraceql({ service: 'a"b', status: 'error', min: '100ms', max: 'soon' })).toBe(
      '{ resource.service.name = "a\\"b" && status = error && duration >= 100ms }',
    )
    expect(toTraceql({ name: 'GET /', status: 'bad', where: 'span.city = "x"' })).toBe(
      '{ name = "GET /" && span.city = "x" }',
    )
  })
  it('knows durations', () => {
    expect(['1.5s', '10us', '5', 'ms', '3 s'].map(isDuration)).toEqual([true, true, false, false, false])
  })
})
