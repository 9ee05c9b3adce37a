// Time ranges as they stand in the URL: each end is "now", "now-15m" or Unix
// milliseconds. Relative ends move with the clock, absolute ones make a link
// that shows the same thing tomorrow.

export interface Range {
  from: string
  to: string
}

export interface Span {
  from: number
  to: number
}

export const defaultRange: Range = { from: 'now-15m', to: 'now' }

/** The ranges offered in the header. */
export const presets = ['5m', '15m', '30m', '1h', '3h', '6h', '12h', '24h', '2d', '7d', '30d'] as const

const unitMs: Record<string, number> = { s: 1e3, m: 6e4, h: 36e5, d: 864e5, w: 6048e5 }

/** Milliseconds of "90s", "15m", "1h", "7d"; null when it is none. */
export function parseDuration(text: string): number | null {
  const m = /^(\d+(?:\.\d+)?)(ms|s|m|h|d|w)$/.exec(text.trim())
  if (!m) return null
  return Number(m[1]) * (m[2] === 'ms' ? 1 : (unitMs[m[2]!] ?? 0))
}

/** The shortest way to write a duration: 5400000 is "90m", 3600000 is "1h". */
export function formatDuration(ms: number): string {
  for (const unit of ['d', 'h', 'm', 's']) {
    const size = unitMs[unit]!
    if (ms >= size && ms % size === 0) return `${ms / size}${unit}`
  }
  return `${Math.round(ms)}ms`
}

/** Unix milliseconds of one end of a range; null when it is not readable. */
export function parseTime(text: string, now: number): number | null {
  const t = text.trim()
  if (t === 'now') return now
  if (t.startsWith('now-')) {
    const d = parseDuration(t.slice(4))
    return d === null ? null : now - d
  }
  if (/^\d{10}$/.test(t)) return Number(t) * 1000
  if (/^\d{11,14}$/.test(t)) return Number(t)
  const parsed = Date.parse(t)
  return Number.isNaN(parsed) ? null : parsed
}

export function isRelative(range: Range): boolean {
  return range.to.startsWith('now') || range.from.startsWith('now')
}

/** Both ends in Unix milliseconds. An unreadable or empty range is the default one. */
export function resolve(range: Range, now: number): Span {
  const from = parseTime(range.from, now)
  const to = parseTime(range.to, now)
  if (from === null || to === null || from >= to) {
    return { from: now - 36e5, to: now }
  }
  return { from, to }
}

export function absolute(span: Span): Range {
  return { from: String(Math.round(span.from)), to: String(Math.round(span.to)) }
}

/** Twice the range around its middle, never beyond now. */
export function zoomOut(span: Span, now: number): Span {
  const width = span.to - span.from
  const to = Math.min(span.to + width / 2, now)
  return { from: to - 2 * width, to }
}

/** The range moved by half its width. */
export function shift(span: Span, direction: -1 | 1, now: number): Span {
  const half = (span.to - span.from) / 2
  const to = Math.min(span.to + direction * half, now)
  return { from: to - (span.to - span.from), to }
}

/** The "1h" of "now-1h … now"; null for every other range. */
export function preset(range: Range): string | null {
  return range.to === 'now' && range.from.startsWith('now-') ? range.from.slice(4) : null
}

const niceSteps = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400]

/** A round number of seconds that makes at most `points` steps of the span. */
export function niceStep(span: Span, points: number, minSeconds = 1): number {
  const wanted = (span.to - span.from) / 1000 / points
  return niceSteps.find((s) => s >= wanted && s >= minSeconds) ?? Math.ceil(wanted / 86400) * 86400
}

/** The span widened to whole steps, so that points stay put when a page refreshes. */
export function align(span: Span, stepSeconds: number): Span {
  const step = stepSeconds * 1000
  return { from: Math.floor(span.from / step) * step, to: Math.floor(span.to / step) * step }
}

/** Some time around a moment: what a click on a chart opens. */
export function around(ms: number, halfWidthMs: number): Range {
  return absolute({ from: ms - halfWidthMs, to: ms + halfWidthMs })
}
