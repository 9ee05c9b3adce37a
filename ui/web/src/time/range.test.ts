import { describe, expect, it } from 'vitest'
import { align, formatDuration, niceStep, parseDuration, parseTime, preset, resolve, shift, zoomOut } from './range'

const now = Date.UTC(2026, 0, 2, 12)

describe('times', () => {
  it('reads what stands in links', () => {
    expect(parseTime('now', now)).toBe(now)
    expect(parseTime('now-15m', now)).toBe(now - 900_000)
    expect(parseTime('1767355200', now)).toBe(1767355200000)
    expect(parseTime('1767355200123', now)).toBe(1767355200123)
    expect(parseTime('2026-01-02T12:00:00Z', now)).toBe(now)
    expect(parseTime('yesterday-ish', now)).toBeNull()
  })
  it('reads and writes durations', () => {
    expect(parseDuration('90s')).toBe(90_000)
    expect(parseDuration('1.5h')).toBe(5_400_000)
    expect(parseDuration('h')).toBeNull()
    expect(formatDuration(5_400_000)).toBe('90m')
    expect(formatDuration(3_600_000)).toBe('1h')
    expect(formatDuration(250)).toBe('250ms')
  })
})

describe('ranges', () => {
  it('falls back to the last hour', () => {
    expect(resolve({ from: 'x', to: 'now' }, now)).toEqual({ from: now - 36e5, to: now })
    expect(resolve({ from: 'now', to: 'now-1h' }, now)).toEqual({ from: now - 36e5, to: now })
  })
  it('names presets', () => {
    expect(preset({ from: 'now-6h', to: 'now' })).toBe('6h')
    expect(preset({ from: '1', to: '2' })).toBeNull()
  })
  it('never zooms or moves beyond now', () => {
    expect(zoomOut({ from: now - 10, to: now }, now)).toEqual({ from: now - 20, to: now })
    expect(zoomOut({ from: now - 100, to: now - 90 }, now)).toEqual({ from: now - 105, to: now - 85 })
    expect(shift({ from: now - 10, to: now }, 1, now)).toEqual({ from: now - 10, to: now })
    expect(shift({ from: now - 10, to: now }, -1, now)).toEqual({ from: now - 15, to: now - 5 })
  })
  it('chooses round steps', () => {
    expect(niceStep({ from: 0, to: 3600_000 }, 240)).toBe(15)
    expect(niceStep({ from: 0, to: 3600_000 }, 240, 60)).toBe(60)
    expect(niceStep({ from: 0, to: 300 * 864e5 }, 100)).toBe(3 * 86400)
    expect(align({ from: 61_000, to: 125_000 }, 60)).toEqual({ from: 60_000, to: 120_000 })
  })
})
