import { describe, expect, it } from 'vitest'
import { href, joinList, parseSearch, splitList, stringifySearch } from './search'

describe('search', () => {
  it('survives a round trip', () => {
    const search = { q: '{service_name="a b"} |= "x&y=z+1"', from: 'now-1h', note: '火の見' }
    expect(parseSearch(stringifySearch(search))).toEqual(search)
  })
  it('leaves empty values out', () => {
    expect(stringifySearch({ a: '', b: undefined, c: '1' })).toBe('?c=1')
    expect(stringifySearch({})).toBe('')
  })
  it('carries the time range to other pages', () => {
    expect(href('/services', { q: 'x' }, { from: 'now-6h', to: 'now', tab: '2' })).toBe(
      '/services?from=now-6h&to=now&q=x',
    )
    expect(href('/', { from: '1' }, { from: '2' })).toBe('/?from=1')
  })
  it('keeps lists', () => {
    const values = ['a,b', 'c\\d', '']
    expect(splitList(joinList(values))).toEqual(values)
    expect(splitList(undefined)).toEqual([])
  })
})
