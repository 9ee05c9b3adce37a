import { describe, expect, it } from 'vitest'
import { expressionOf, matcherText, parseMatchers } from './alertmanager.ts'

describe('matchers', () => {
  it('survive a round trip', () => {
    for (const line of ['a="b"', 'a!="b"', 'a=~"b|c"', 'a!~"x \\"y\\""']) {
      expect(parseMatchers(line)!.map(matcherText)).toEqual([line])
    }
    expect(parseMatchers('{a=b, c!=d}')!.map(matcherText)).toEqual(['a="b"', 'c!="d"'])
  })
  it('refuse what is none', () => {
    expect(parseMatchers('')).toBeNull()
    expect(parseMatchers('payment')).toBeNull()
    expect(parseMatchers('a=b nonsense')).toBeNull()
  })
  it('find the expression of an alert', () => {
    expect(expressionOf('http://h/graph?g0.expr=up+%3D%3D+0&g0.tab=1')).toBe('up == 0')
    expect(expressionOf(undefined)).toBe('')
  })
})
