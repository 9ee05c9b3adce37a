// The query string is flat: every value is a string, so that links are short,
// readable, and the same after a round trip.

export type Search = Record<string, string>

/** The keys that every page shares and every link carries along. */
export const sharedKeys = ['from', 'to', 'refresh'] as const

export function parseSearch(text: string): Search {
  const out: Search = {}
  for (const [k, v] of new URLSearchParams(text)) out[k] = v
  return out
}

/** Keys in order, empty ones left out; "?a=b", or "" when there is none. */
export function stringifySearch(search: Record<string, unknown>): string {
  const params = new URLSearchParams()
  for (const k of Object.keys(search)) {
    const v = search[k]
    if (v !== undefined && v !== null && v !== '') params.set(k, String(v))
  }
  // Braces, quotes and the like are allowed in a query string and keep it readable.
  const text = params.toString().replace(/%2F/g, '/').replace(/%3A/g, ':').replace(/%2C/g, ',')
  return text ? `?${text}` : ''
}

/** The address of a page, with what pages share taken from the current one. */
export function href(path: string, own: Record<string, string | undefined> = {}, current: Search = {}): string {
  const search: Record<string, string | undefined> = {}
  for (const k of sharedKeys) search[k] = current[k]
  return path + stringifySearch({ ...search, ...own })
}

/** A list in one value: values are joined with commas, commas in them escaped. */
export function joinList(values: readonly string[]): string {
  return values.map((v) => v.replace(/[\\,]/g, '\\$&')).join(',')
}

export function splitList(text: string | undefined): string[] {
  if (!text) return []
  const out = ['']
  for (let i = 0; i < text.length; i++) {
    const c = text[i]!
    if (c === '\\' && i + 1 < text.length) out[out.length - 1] += text[++i]!
    else if (c === ',') out.push('')
    else out[out.length - 1] += c
  }
  return out
}
