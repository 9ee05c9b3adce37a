import { describe, expect, it } from 'vitest'
import { fromPrometheus } from './prometheusLink.ts'

describe('links of Prometheus', () => {
  it('keep query and range', () => {
    expect(fromPrometheus({ 'g0.expr': 'up', 'g0.range_input': '2h', 'g1.expr': 'down', 'g0.tab': '1' })).toMatchObject(
      {
        ...{ q: 'up', q1: 'down', from: 'now-2h', to: 'now' },
      },
    )
    expect(fromPrometheus({ 'g0.expr': 'up', 'g0.end_input': '2026-01-02 12:00:00' })).toMatchObject({
      from: String(Date.UTC(2026, 0, 2, 11)),
      to: String(Date.UTC(2026, 0, 2, 12)),
    })
  })
})
