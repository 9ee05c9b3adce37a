// Numbers with their units, three significant digits, in the reader's locale.

const formats = new Map<string, Intl.NumberFormat>()

function format(locale: string, options: Intl.NumberFormatOptions): Intl.NumberFormat {
  const key = locale + JSON.stringify(options)
  let f = formats.get(key)
  if (!f) formats.set(key, (f = new Intl.NumberFormat(locale, options)))
  return f
}

/** What stands where there is no value. */
export const none = '–'

type Maybe = number | null | undefined

const missing = (v: Maybe): v is null | undefined => v == null || Number.isNaN(v)

/** 12,345 and 0.0123: at most three digits unless it is a whole number. */
export function num(v: Maybe, locale: string): string {
  if (missing(v)) return none
  if (!Number.isFinite(v)) return v > 0 ? '∞' : '-∞'
  const a = Math.abs(v)
  if (a !== 0 && (a >= 1e15 || a < 1e-6)) return v.toExponential(2)
  if (a >= 100) return format(locale, { maximumFractionDigits: 0 }).format(v)
  return format(locale, { maximumSignificantDigits: 3 }).format(v)
}

/** 12.3k: for counts where the size matters, not the last digit. */
export function compact(v: Maybe, locale: string): string {
  if (missing(v)) return none
  const a = Math.abs(v)
  for (const [size, suffix] of [
    [1e12, 'T'],
    [1e9, 'G'],
    [1e6, 'M'],
    [1e3, 'k'],
  ] as const) {
    if (a >= size) return format(locale, { maximumSignificantDigits: 3 }).format(v / size) + suffix
  }
  return num(v, locale)
}

/** Milliseconds as µs, ms, s, min, h. */
export function ms(v: Maybe, locale: string): string {
  if (missing(v)) return none
  const a = Math.abs(v)
  if (a === 0) return '0 ms'
  if (a < 0.001) return `${num(v * 1e6, locale)} ns`
  if (a < 1) return `${num(v * 1e3, locale)} µs`
  if (a < 1000) return `${num(v, locale)} ms`
  if (a < 120_000) return `${num(v / 1e3, locale)} s`
  if (a < 7_200_000) return `${num(v / 6e4, locale)} min`
  if (a < 172_800_000) return `${num(v / 36e5, locale)} h`
  return `${num(v / 864e5, locale)} d`
}

/** A fraction as per cent. */
export function share(v: Maybe, locale: string): string {
  if (missing(v)) return none
  const p = v * 100
  if (p !== 0 && Math.abs(p) < 0.01) return '<0.01 %'
  const digits = Math.abs(p) >= 10 ? 0 : Math.abs(p) >= 1 ? 1 : 2
  return `${format(locale, { maximumFractionDigits: digits }).format(p)} %`
}

/** Things per second. */
export function rate(v: Maybe, locale: string, what = 'req/s'): string {
  if (missing(v)) return none
  if (v >= 10000) return `${compact(v, locale)} ${what}`
  return `${v < 10 ? format(locale, { maximumSignificantDigits: 2 }).format(v) : num(v, locale)} ${what}`
}

export function bytes(v: Maybe, locale: string): string {
  if (missing(v)) return none
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB']
  let i = 0
  let n = v
  while (Math.abs(n) >= 1024 && i < units.length - 1) {
    n /= 1024
    i++
  }
  return `${num(n, locale)} ${units[i]}`
}

export type Unit = 'none' | 'seconds' | 'ms' | 'bytes' | 'share' | 'perSecond' | 'bytesPerSecond'

export function withUnit(v: Maybe, unit: Unit, locale: string): string {
  switch (unit) {
    case 'seconds':
      return missing(v) ? none : ms(v * 1000, locale)
    case 'ms':
      return ms(v, locale)
    case 'bytes':
      return bytes(v, locale)
    case 'share':
      return share(v, locale)
    case 'perSecond':
      return missing(v) ? none : `${compact(v, locale)}/s`
    case 'bytesPerSecond':
      return missing(v) ? none : `${bytes(v, locale)}/s`
    default:
      return compact(v, locale)
  }
}

/** The unit that an expression's result most likely has, from the names in it. */
export function guessUnit(expr: string): Unit {
  const perSecond = /\b(rate|irate|deriv)\s*\(/.test(expr)
  if (/histogram_quantile|histogram_avg/.test(expr)) return /bytes/.test(expr) ? 'bytes' : 'seconds'
  if (/\/[^/]*_(count|total)\b/.test(expr) && /_sum\b/.test(expr))
    return /seconds|latency|duration/.test(expr) ? 'seconds' : 'none'
  if (/\)\s*\/\s*(sum|rate|ignoring|on|\()/.test(expr)) return 'none'
  if (/_bytes(_total)?\b/.test(expr)) return perSecond ? 'bytesPerSecond' : 'bytes'
  if (/_seconds(_total)?\b/.test(expr) && !/_(count|bucket)\b/.test(expr)) return perSecond ? 'none' : 'seconds'
  return perSecond ? 'perSecond' : 'none'
}
