import { describe, expect, it } from 'vitest'
import { slice } from './sample.ts'

describe('slice', () => {
  it('covers the range', () => {
    expect(slice({ from: 0, to: 30 }, 3)).toEqual([
      { from: 0, to: 10 },
      { from: 10, to: 20 },
      { from: 20, to: 30 },
    ])
  })
})
