import { describe, expect, it } from 'vitest'
import { assignColors, levelOf, seriesColor } from './colors.ts'

describe('colours', () => {
  const names = ['gateway', 'auth', 'rider', 'driver', 'matching', 'pricing', 'maps', 'eta', 'trip', 'payment']
  it('are shared only when there are too few', () => {
    expect(new Set(assignColors(names).values()).size).toBe(names.length)
    const many = Array.from({ length: 40 }, (_, i) => `s${i}`)
    expect(new Set(assignColors(many).values()).size).toBe(16)
  })
  it('do not depend on the order', () => {
    expect(assignColors(names)).toEqual(assignColors(names.toReversed()))
    expect(seriesColor(0, 'light')).toBe(seriesColor(16, 'light'))
  })
})

describe('levels', () => {
  it('have one name each', () => {
    expect(['WARNING', 'Error', 'err', 'emerg', 'INFO', undefined].map((l) => levelOf(l))).toEqual([
      'warn',
      'error',
      'error',
      'critical',
      'info',
      'unknown',
    ])
  })
})
