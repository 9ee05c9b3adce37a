import { describe, expect, it } from 'vitest'
import { slowest } from './red.ts'

describe('slowest', () => {
  it('keeps one trace per stretch', () => {
    const e = (ms: number, value: number, traceId = 't') => ({ ms, value, traceId })
    const all = [e(1, 5), e(2, 9), e(60, 1), e(61, 0.5), e(-1, 99), e(100, 99), e(70, 9, '')]
    expect(slowest(all, { from: 0, to: 100 }, 2)).toEqual([e(2, 9), e(60, 1)])
  })
})
