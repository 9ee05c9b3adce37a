// What the list of patterns says about each of them, and how the query names them.

import type { LogPattern } from '../../api/loki.ts'
import { quote } from '../../api/prometheus.ts'
import type { Span } from '../../time/range.ts'
import { toLogql } from './query.ts'

export type Trend = 'new' | 'surging' | 'gone'

const trendOrder: Trend[] = ['new', 'surging', 'gone']
/** What is new comes first, what did not change last. */
export const trendRank = (trend?: Trend) => (trend ? trendOrder.indexOf(trend) : trendOrder.length)

export interface PatternRow {
  key: string
  pattern: string
  level: string
  count: number
  /** Of all lines that are listed. */
  share: number
  /** Lines in each interval of the range; null where the range has too little of it. */
  spark: (number | null)[]
  trend?: Trend
}

/** A pattern surges when the last quarter of the range has this many times the rate before. */
export const surge = 3
/** Fewer lines than this are chance: they neither surge nor are they missed. */
export const enoughLines = 5

/**
 * The patterns with their counts over the range, and what changed in its last
 * quarter. Nothing is said to have changed unless lines were there for at least
 * as long before it: when everything is new, nothing is.
 */
export function patternRows(patterns: readonly LogPattern[], span: Span, stepSeconds: number): PatternRow[] {
  const start = Math.floor(span.from / 1000 / stepSeconds) * stepSeconds
  const n = Math.max(1, Math.ceil((span.to / 1000 - start) / stepSeconds))
  const total = patterns.reduce((sum, p) => sum + countOf(p.samples), 0)
  const first = Math.min(...patterns.flatMap((p) => p.samples.map(([t]) => t)))
  const compare = comparison(span, stepSeconds, first)
  return patterns.map((p) => {
    const lines = new Array<number>(n).fill(0)
    for (const [t, count] of p.samples) {
      const i = Math.round((t - start) / stepSeconds)
      if (i >= 0 && i < n) lines[i]! += count
    }
    const count = countOf(p.samples)
    return {
      key: `${p.level} ${p.pattern}`,
      pattern: p.pattern,
      level: p.level,
      count,
      share: total > 0 ? count / total : 0,
      spark: lines.map((count, i) => whole(count, start + i * stepSeconds, span, stepSeconds)),
      trend: compare && trendOf(p.samples, compare),
    }
  })
}

/** The few patterns that say most about a service: what is new, and what there is most of. */
export function notable(rows: readonly PatternRow[], most: number): PatternRow[] {
  const fresh = rows.filter((r) => r.trend === 'new').slice(0, most / 2)
  const frequent = rows.filter((r) => !fresh.includes(r)).toSorted((a, b) => b.count - a.count)
  return [...fresh, ...frequent.slice(0, most - fresh.length)]
}

/**
 * The lines of an interval that the range's edge cuts, as they were over all of
 * it: otherwise each picture would end with a fall.
 */
function whole(count: number, start: number, span: Span, stepSeconds: number): number | null {
  const covered = Math.min(start + stepSeconds, span.to / 1000) - Math.max(start, span.from / 1000)
  return covered < stepSeconds / 2 ? null : (count * stepSeconds) / covered
}

const countOf = (samples: LogPattern['samples']) => samples.reduce((sum, [, count]) => sum + count, 0)

/** Two stretches of the range: from the first line on, and the last quarter. */
interface Comparison {
  /** Unix seconds; the interval that begins here is the first of the last quarter. */
  border: number
  beforeSeconds: number
  lastSeconds: number
}

/** Undefined when there is too little before the last quarter. Times in Unix seconds. */
export function comparison(span: Span, stepSeconds: number, firstSample: number): Comparison | undefined {
  const to = span.to / 1000
  const quarter = (span.to - span.from) / 4000
  // Whole intervals, so that every line is on one side.
  const border = Math.ceil((to - quarter) / stepSeconds) * stepSeconds
  const lastSeconds = to - border
  const beforeSeconds = border - Math.max(span.from / 1000, firstSample)
  return lastSeconds > 0 && beforeSeconds >= lastSeconds ? { border, beforeSeconds, lastSeconds } : undefined
}

export function trendOf(samples: LogPattern['samples'], c: Comparison): Trend | undefined {
  const last = countOf(samples.filter(([t]) => t >= c.border))
  const before = countOf(samples) - last
  if (before === 0) return last > 0 ? 'new' : undefined
  const expected = (before / c.beforeSeconds) * c.lastSeconds
  if (last === 0) return expected >= enoughLines ? 'gone' : undefined
  return last >= enoughLines && last >= surge * expected ? 'surging' : undefined
}

/** A pattern cut where lines vary: the odd parts are <_>. */
export function patternParts(pattern: string): string[] {
  return pattern.split(/(<_>)/)
}

/** A pattern as |> takes it: only unnamed captures, and text between them. */
export function filterText(pattern: string): string {
  return pattern.replace(/<[A-Za-z_]\w*>/g, '<_>').replace(/<_>(?:<_>)+/g, '<_>')
}

const literal = '"(?:[^"\\\\]|\\\\.)*"|`[^`]*`'
// A text is passed over whole, so that operators in it are not found.
const patternFilter = new RegExp(`\\s*([|!]>)\\s*("(?:[^"\\\\]|\\\\.)*")(?!\\s*or\\b)|(?:${literal})`, 'g')

/** The pattern filters of a query. */
export function patternFilters(logql: string): { pattern: string; exclude: boolean }[] {
  return [...logql.matchAll(patternFilter)].flatMap(([, op, text]) => {
    const pattern = text && unquote(text)
    return op && pattern !== undefined ? [{ pattern, exclude: op === '!>' }] : []
  })
}

function unquote(text: string): string | undefined {
  try {
    return JSON.parse(text) as string
  } catch {
    // Go has escapes that JSON has not: such a filter is somebody's own.
    return undefined
  }
}

/**
 * The search line with a filter for a pattern, or without it when it was there.
 * Lines have one pattern, so a second one to keep replaces the first. Only LogQL
 * can say this: other lines become LogQL.
 */
export function togglePattern(line: string, pattern: string, exclude: boolean): string {
  const logql = toLogql(line)
  const text = filterText(pattern)
  const had = patternFilters(logql).some((f) => f.exclude === exclude && f.pattern === text)
  const rest = logql.replace(patternFilter, (all, op?: string, value?: string) => {
    if (!op || !value) return all
    return unquote(value) === text || (!exclude && op === '|>') ? '' : all
  })
  return had ? rest : `${rest} ${exclude ? '!>' : '|>'} ${quote(text)}`
}

/** What of a query narrows its patterns, and whether something of it does not. */
export interface PatternScope {
  selector: string
  /** Filters of the level, which patterns have. */
  levels: { level: string; exclude: boolean }[]
  /** The query has filters that patterns cannot follow. */
  partly: boolean
}

const levelFilter = /\|\s*(?:detected_level|level)\s*(!?=)\s*"([^"\\]*)"\s*(?=$|[|!])/g

export function patternScope(logql: string): PatternScope {
  const end = selectorEnd(logql)
  const pipeline = logql
    .slice(end)
    .replace(patternFilter, (all, op?: string) => (op ? '' : all))
    .trim()
  const levels = [...pipeline.matchAll(levelFilter)].map(([, op, level]) => ({ level: level!, exclude: op === '!=' }))
  return { selector: logql.slice(0, end).trim(), levels, partly: pipeline.replace(levelFilter, '').trim() !== '' }
}

/** Where the selector at the start of a query ends. */
function selectorEnd(logql: string): number {
  for (const m of logql.matchAll(new RegExp(`${literal}|\\}`, 'g'))) {
    if (m[0] === '}') return m.index + 1
  }
  return logql.length
}

export const inScope = (level: string, scope: PatternScope) =>
  scope.levels.every((f) => (f.level === level) !== f.exclude)
