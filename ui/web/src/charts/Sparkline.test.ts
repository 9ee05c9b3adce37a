import { describe, expect, it } from 'vitest'
import { areaPath, linePath } from './Sparkline.tsx'

describe('sparkline', () => {
  it('breaks at gaps', () => {
    expect(linePath([0, 1, null, 1], 30, 10, 1)).toBe('M0.0 9.0L10.0 1.0M30.0 1.0')
  })
  it('closes every stretch at the bottom', () => {
    expect(areaPath([1, 1, null, 1], 30, 10, 1)).toBe('M0.0 1.0L10.0 1.0L10.0 10L0.0 10ZM30.0 1.0L30.0 10L30.0 10Z')
  })
  it('draws zeros on the ground', () => {
    expect(linePath([0, 0], 10, 10, 0)).toBe('M0.0 9.0L10.0 9.0')
  })
})
