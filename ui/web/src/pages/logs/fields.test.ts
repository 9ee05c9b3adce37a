import { describe, expect, it } from 'vitest'
import { fieldsOfRows } from './fields.ts'

describe('fields', () => {
  it('counts values, most frequent first', () => {
    const row = (labels: Record<string, string>, fields: Record<string, string>) => ({
      ts: '1',
      ms: 0,
      line: '',
      labels,
      fields,
    })
    const fields = fieldsOfRows([
      row({ service_name: 'a' }, { zone: 'x' }),
      row({ service_name: 'b' }, { detected_level: 'info' }),
      row({ service_name: 'b' }, {}),
    ])
    expect(fields.map((f) => f.name)).toEqual(['detected_level', 'service_name', 'zone'])
    expect(fields[1]).toEqual({
      name: 'service_name',
      distinct: 2,
      rows: 3,
      values: [
        { value: 'b', count: 2 },
        { value: 'a', count: 1 },
      ],
    })
  })
})
