import { describe, expect, it } from 'vitest'
import { bytes, compact, guessUnit, ms, none, num, rate, share, withUnit } from './units'

describe('units', () => {
  it('writes three digits', () => {
    expect(num(0, 'en')).toBe('0')
    expect(num(12.3456, 'en')).toBe('12.3')
    expect(num(123.456, 'en')).toBe('123')
    expect(num(12345.6, 'en')).toBe('12,346')
    expect(num(1e-9, 'en')).toBe('1.00e-9')
    expect(num(null, 'en')).toBe(none)
    expect(num(Infinity, 'en')).toBe('∞')
    expect(compact(12345, 'en')).toBe('12.3k')
  })
  it('chooses the unit of a duration', () => {
    expect(ms(0.0005, 'en')).toBe('500 ns')
    expect(ms(0.25, 'en')).toBe('250 µs')
    expect(ms(12.34, 'en')).toBe('12.3 ms')
    expect(ms(1234, 'en')).toBe('1.23 s')
    expect(ms(600_000, 'en')).toBe('10 min')
    expect(ms(0, 'en')).toBe('0 ms')
  })
  it('never rounds a failure away', () => {
    expect(share(0, 'en')).toBe('0 %')
    expect(share(0.00001, 'en')).toBe('<0.01 %')
    expect(share(0.0123, 'en')).toBe('1.2 %')
    expect(share(0.5, 'en')).toBe('50 %')
  })
  it('names the unit', () => {
    expect(rate(2.5, 'en')).toBe('2.5 req/s')
    expect(bytes(1536, 'en')).toBe('1.5 KiB')
    expect(withUnit(0.2, 'seconds', 'en')).toBe('200 ms')
    expect(withUnit(2048, 'bytesPerSecond', 'en')).toBe('2 KiB/s')
  })
  it('guesses units from expressions', () => {
    expect(guessUnit('rate(http_requests_total[5m])')).toBe('perSecond')
    expect(guessUnit('node_memory_MemFree_bytes')).toBe('bytes')
    expect(guessUnit('rate(node_network_receive_bytes_total[5m])')).toBe('bytesPerSecond')
    expect(guessUnit('histogram_quantile(0.9, sum by (le) (rate(x_seconds_bucket[5m])))')).toBe('seconds')
    expect(guessUnit('sum(rate(a_total[5m])) / sum(rate(b_total[5m]))')).toBe('none')
    expect(guessUnit('up')).toBe('none')
  })
})
