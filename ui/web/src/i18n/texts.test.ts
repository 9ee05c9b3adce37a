import { describe, expect, it } from 'vitest'
import { en } from './en.ts'
import { ja } from './ja.ts'

function flat(texts: object, prefix = ''): Record<string, string> {
  return Object.assign(
    {},
    ...Object.entries(texts).map(([k, v]) => (typeof v === 'string' ? { [prefix + k]: v } : flat(v, `${prefix}${k}.`))),
  )
}

const variables = (text: string) => [...new Set(text.match(/\{\{\w+\}\}/g) ?? [])].toSorted()

describe('texts', () => {
  const english = flat(en)
  const japanese = flat(ja)
  it('exist in both languages, with the same variables', () => {
    expect(Object.keys(japanese).toSorted()).toEqual(Object.keys(english).toSorted())
    for (const [key, text] of Object.entries(english)) {
      // A form for one thing may leave the number out, or name the thing.
      if (key.endsWith('_one')) continue
      expect([key, variables(japanese[key]!)]).toEqual([key, variables(text)])
    }
  })
  it('are not empty', () => {
    for (const text of [...Object.values(english), ...Object.values(japanese)]) expect(text.trim()).not.toBe('')
  })
})
