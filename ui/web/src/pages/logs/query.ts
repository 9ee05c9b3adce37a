// The search line: words and key=value, or LogQL when it starts with one. Both
// become LogQL; filters that are clicked are written into the line, so that the
// line always says what is shown.

import { quote } from '../../api/prometheus.ts'

export interface Term {
  kind: 'word' | 'field'
  exclude: boolean
  /** Only of fields. */
  key: string
  value: string
}

/** Labels that a LogQL selector can name. */
export const streamLabels = ['service_name', 'service_namespace', 'team', 'deployment_environment_name']

// Short names that people type.
const aliases: Record<string, string> = { service: 'service_name', level: 'detected_level', trace: 'trace_id' }

export function isLogql(text: string): boolean {
  const t = text.trim()
  return (
    t.startsWith('{') ||
    /^(sum|avg|min|max|count|topk|bottomk|rate|stddev|quantile\w*|\w+_over_time|bytes_rate)\b.*[({]/.test(t)
  )
}

export function parseTerms(text: string): Term[] {
  const terms: Term[] = []
  // -key="a value", key!=value, "a phrase", -word
  const pattern = /(-?)(?:([A-Za-z_][\w.]*)(!?=)(?:"((?:[^"\\]|\\.)*)"|(\S*))|"((?:[^"\\]|\\.)*)"|(\S+))/g
  for (const m of text.matchAll(pattern)) {
    const [, minus, key, op, quotedValue, value, phrase, word] = m
    if (key) {
      terms.push({
        kind: 'field',
        exclude: (minus === '-') !== (op === '!='),
        key,
        value: unescape(quotedValue) ?? value ?? '',
      })
    } else {
      terms.push({ kind: 'word', exclude: minus === '-', key: '', value: unescape(phrase) ?? word ?? '' })
    }
  }
  return terms
}

function unescape(text: string | undefined): string | undefined {
  return text?.replace(/\\(.)/g, '$1')
}

export function writeTerms(terms: readonly Term[]): string {
  return terms
    .map((t) => {
      const plain = t.kind === 'field' ? /^[^\s"]*$/ : /^[^\s"=-][^\s"=]*$/
      const value = plain.test(t.value) ? t.value : `"${t.value.replace(/["\\]/g, '\\$&')}"`
      if (t.kind === 'word') return (t.exclude ? '-' : '') + value
      return `${t.key}${t.exclude ? '!=' : '='}${value}`
    })
    .join(' ')
}

/** The log selector and pipeline of a search line that is no LogQL. */
export function termsToLogql(terms: readonly Term[]): string {
  const matchers: string[] = []
  const pipeline: string[] = []
  for (const t of terms) {
    const op = t.exclude ? '!=' : '='
    if (t.kind === 'word') {
      pipeline.push(`${t.exclude ? '!~' : '|~'} ${quote(`(?i)${escapeRegex(t.value)}`)}`)
      continue
    }
    const key = (aliases[t.key] ?? t.key).replace(/[^A-Za-z0-9_]/g, '_')
    if (streamLabels.includes(key)) matchers.push(`${key}${op}${quote(t.value)}`)
    else pipeline.push(`| ${key}${op}${quote(t.value)}`)
  }
  // A selector needs one matcher that an empty value does not satisfy.
  if (
    !terms.some((t) => t.kind === 'field' && !t.exclude && t.value && streamLabels.includes(aliases[t.key] ?? t.key))
  ) {
    matchers.unshift('service_name=~".+"')
  }
  return [`{${matchers.join(', ')}}`, ...pipeline].join(' ')
}

export function toLogql(text: string): string {
  return isLogql(text) ? text.trim() : termsToLogql(parseTerms(text))
}

/** Whether LogQL gives numbers instead of records. */
export function isMetricQuery(logql: string): boolean {
  return !logql.trim().startsWith('{')
}

/** The line with one more filter; the same filter turned round is replaced. */
export function addFilter(text: string, key: string, value: string, exclude: boolean): string {
  if (isLogql(text)) return `${text.trim()} | ${key}${exclude ? '!=' : '='}${quote(value)}`
  const name = aliases[key] ?? key
  const others = parseTerms(text).filter(
    (t) => t.kind !== 'field' || (aliases[t.key] ?? t.key) !== name || (t.value !== value && (exclude || t.exclude)),
  )
  return writeTerms([...others, { kind: 'field', exclude, key, value }])
}

/** The histogram of a log query. */
export function histogramQuery(logql: string, stepSeconds: number): string {
  return `sum by (detected_level) (count_over_time(${logql} [${stepSeconds}s]))`
}

function escapeRegex(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
}
