import { expect, it } from 'vitest'
import { settleMs, settling } from './settling.ts'

it('asks for a trace again until half a minute after its end', () => {
  const end = 1_700_000_000_000
  expect(settling(end, end + 500)).toBeGreaterThan(0)
  expect(settling(end, end + settleMs - 1)).toBeGreaterThan(0)
  expect(settling(end, end + settleMs)).toBe(false)
  // A sender's clock may be ahead of ours.
  expect(settling(end, end - 5_000)).toBeGreaterThan(0)
})
