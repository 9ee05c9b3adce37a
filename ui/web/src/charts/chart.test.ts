import { describe, expect, it } from 'vitest'
import { hash, levelOf, seriesColor, serviceColor } from './colors.ts'

describe('colours', () => {
  it('are the same for a service on every page', () => {
    expect(serviceColor('payment', 'light')).toBe(serviceColor('payment', 'light'))
    expect(seriesColor(0, 'light')).toBe(seriesColor(12, 'light'))
  })
  it('differ for most services of a small company', () => {
    const names = ['gateway', 'auth', 'rider', 'driver', 'matching', 'pricing', 'maps', 'eta', 'trip', 'payment']
    expect(new Set(names.map((n) => hash(n) % 12)).size).toBeGreaterThanOrEqual(6)
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
