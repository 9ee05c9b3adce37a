// Times in the reader's zone. The UTC form is for titles.

const formats = new Map<string, Intl.DateTimeFormat>()

function format(locale: string, key: string, options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  const k = `${locale} ${key}`
  let f = formats.get(k)
  if (!f) formats.set(k, (f = new Intl.DateTimeFormat(locale, { hourCycle: 'h23', ...options })))
  return f
}

const clock = { hour: '2-digit', minute: '2-digit' } as const

/** 14:02, with the date when it is not today. */
export function shortTime(ms: number, locale: string, now = Date.now()): string {
  if (sameDay(ms, now)) return format(locale, 'hm', clock).format(ms)
  return format(locale, 'mdhm', { month: 'short', day: 'numeric', ...clock }).format(ms)
}

/** A time in a search: 14:02, with seconds where the range is short, with the date when it is not today. */
export function searchTime(ms: number, span: { from: number; to: number }, locale: string, now = Date.now()): string {
  if (span.to - span.from > 7_200_000 || !sameDay(ms, now)) return shortTime(ms, locale, now)
  return format(locale, 'hms', { ...clock, second: '2-digit' }).format(ms)
}

/** 14:02:11.123 */
export function preciseTime(ms: number, locale: string): string {
  return format(locale, 'hmsS', { ...clock, second: '2-digit', fractionalSecondDigits: 3 }).format(ms)
}

/** 2026-01-02 14:02:11, in the reader's zone. */
export function fullTime(ms: number, locale: string): string {
  return format(locale, 'full', {
    year: 'numeric',
    month: 'short',
    day: 'numeric',
    ...clock,
    second: '2-digit',
  }).format(ms)
}

/** 2026-01-02 14:02:11.123 UTC */
export function utc(ms: number): string {
  const d = new Date(ms)
  return Number.isNaN(d.getTime()) ? '' : `${d.toISOString().replace('T', ' ').replace('Z', '')} UTC`
}

export function sameDay(a: number, b: number): boolean {
  return new Date(a).toDateString() === new Date(b).toDateString()
}
