import { describe, expect, it } from 'vitest'
import {
  addFilter,
  histogramQuery,
  isLogql,
  isMetricQuery,
  parseTerms,
  termsToLogql,
  toLogql,
  writeTerms,
} from './query.ts'

describe('search line', () => {
  it('tells LogQL from words', () => {
    expect(isLogql(' {a="b"} |= "x"')).toBe(true)
    expect(isLogql('sum by (level) (count_over_time({a="b"}[1m]))')).toBe(true)
    expect(isLogql('rate limit exceeded')).toBe(false)
    expect(isLogql('timeout')).toBe(false)
    expect(isMetricQuery('rate({a="b"}[1m])')).toBe(true)
  })
  it('becomes LogQL', () => {
    expect(toLogql('')).toBe('{service_name=~".+"}')
    expect(toLogql('service=payment level=error card declined')).toBe(
      '{service_name="payment"} | detected_level="error" |~ "(?i)card" |~ "(?i)declined"',
    )
    expect(toLogql('-debug "a (b" http.route!=/v1')).toBe(
      '{service_name=~".+"} !~ "(?i)debug" |~ "(?i)a \\\\(b" | http_route!="/v1"',
    )
    expect(toLogql('service_name!=eta')).toBe('{service_name=~".+", service_name!="eta"}')
  })
  it('survives a round trip', () => {
    for (const line of ['a b', '-x key=v', 'k="a b" "c d"', 'k!="say \\"hi\\""', '-"a-b c"']) {
      expect(parseTerms(writeTerms(parseTerms(line)))).toEqual(parseTerms(line))
      expect(writeTerms(parseTerms(line))).toBe(line)
    }
  })
  it('cannot be broken out of', () => {
    expect(termsToLogql([{ kind: 'field', exclude: false, key: 'a', value: '"} | x="' }])).toBe(
      '{service_name=~".+"} | a="\\"} | x=\\""',
    )
  })
})

describe('clicked filters', () => {
  it('are written into the line', () => {
    expect(addFilter('boom', 'team', 'money', false)).toBe('boom team=money')
    expect(addFilter('team=money', 'team', 'money', true)).toBe('team!=money')
    expect(addFilter('level=info', 'detected_level', 'error', false)).toBe('detected_level=error')
    expect(addFilter('team!=a', 'team', 'b', true)).toBe('team!=a team!=b')
    expect(addFilter('{a="b"}', 'c', 'd', true)).toBe('{a="b"} | c!="d"')
  })
  it('count by level', () => {
    expect(histogramQuery('{a="b"}', 10)).toBe('sum by (detected_level) (count_over_time({a="b"} [10s]))')
  })
})
