import { getJSON, requestJSON, toParams } from './http.ts'
import type { Span } from '../time/range.ts'
import { quote } from './prometheus.ts'

export interface LogRow {
  /** Unix nanoseconds, as text: it does not fit a number. */
  ts: string
  ms: number
  line: string
  /** Stream labels: what a selector can name. */
  labels: Record<string, string>
  /** Everything else that is known about the record. */
  fields: Record<string, string>
}

interface Stats {
  summary: { totalBytesProcessed: number; totalLinesProcessed: number; execTime: number }
}

interface Stream {
  stream: Record<string, string>
  values: [string, string, { structuredMetadata?: Record<string, string>; parsed?: Record<string, string> }?][]
}

export interface MatrixSeries {
  metric: Record<string, string>
  values: [number, string][]
}

interface Answer {
  data: { resultType: string; result: unknown; stats?: Stats }
}

export interface LogAnswer {
  rows: LogRow[]
  scanned: { rows: number; bytes: number; seconds: number }
}

const scanned = (stats?: Stats) => ({
  rows: stats?.summary.totalLinesProcessed ?? 0,
  bytes: stats?.summary.totalBytesProcessed ?? 0,
  seconds: stats?.summary.execTime ?? 0,
})

// Numbers of this size lose their last digits: nanoseconds are written out.
const nanos = (ms: number) => `${Math.round(ms)}000000`

/** Unix nanoseconds, as text, to milliseconds with their fraction. */
export const toMs = (ts: string) => Number(ts.slice(0, -6)) + Number(ts.slice(-6, -3)) / 1000

export function newestFirst(x: LogRow, y: LogRow): number {
  if (x.ts.length !== y.ts.length) return y.ts.length - x.ts.length
  return y.ts < x.ts ? -1 : y.ts > x.ts ? 1 : 0
}

/** Log records, newest first. */
export function logs(query: string, span: Span, limit: number, signal?: AbortSignal): Promise<LogAnswer> {
  return logRange({ query, start: nanos(span.from), end: nanos(span.to), limit, direction: 'backward' }, signal)
}

async function logRange(params: Record<string, string | number>, signal?: AbortSignal): Promise<LogAnswer> {
  const a = await getJSONCategorized('/loki/api/v1/query_range', params, signal)
  if (a.data.resultType !== 'streams') return { rows: [], scanned: scanned(a.data.stats) }
  const rows = (a.data.result as Stream[]).flatMap((s) =>
    s.values.map(([ts, line, more]) => ({
      ts,
      ms: toMs(ts),
      line,
      labels: s.stream,
      fields: { ...more?.structuredMetadata, ...more?.parsed },
    })),
  )
  return { rows: rows.sort(newestFirst), scanned: scanned(a.data.stats) }
}

/** How far from a record its context is looked for, as in Grafana. */
const contextReach = 2n * 3600n * 1_000_000_000n

/** The records of a stream before and after one of its records, oldest first. */
export async function logsAround(row: LogRow, count: number, signal?: AbortSignal) {
  const query = streamOf(row.labels)
  const at = BigInt(row.ts)
  const [before, after] = await Promise.all([
    logRange({ query, start: `${at - contextReach}`, end: row.ts, limit: count, direction: 'backward' }, signal),
    // The record itself is the first of these.
    logRange({ query, start: row.ts, end: `${at + contextReach}`, limit: count + 1, direction: 'forward' }, signal),
  ])
  return { before: before.rows.toReversed(), after: withoutRow(after.rows.toReversed(), row).slice(0, count) }
}

/** The selector of exactly one stream. */
export function streamOf(labels: Record<string, string>): string {
  return `{${Object.entries(labels)
    .map(([k, v]) => `${k}=${quote(v)}`)
    .join(', ')}}`
}

function withoutRow(rows: LogRow[], row: LogRow): LogRow[] {
  const i = rows.findIndex((r) => r.ts === row.ts && r.line === row.line && r.fields.span_id === row.fields.span_id)
  return i < 0 ? rows : rows.toSpliced(i, 1)
}

/** The form of many lines, <_> standing for what varies. */
export interface LogPattern {
  pattern: string
  level: string
  /** Start of each interval that has lines, in Unix seconds, and how many. */
  samples: [number, number][]
}

/** The patterns of the streams that a selector matches, most frequent first. */
export async function logPatterns(selector: string, span: Span, stepSeconds: number, signal?: AbortSignal) {
  const params = { query: selector, start: nanos(span.from), end: nanos(span.to), step: stepSeconds }
  return (await getJSON<{ data: LogPattern[] | null }>('/loki/api/v1/patterns', params, signal)).data ?? []
}

export interface TailMessage {
  streams?: { stream: Record<string, string>; values: [string, string][] }[] | null
  dropped_entries?: unknown[] | null
}

/** Where lines come as they arrive, after the newest `limit` since `fromMs`. */
export function tailUrl(query: string, fromMs: number, limit: number): string {
  const params = toParams({ query, start: nanos(fromMs), limit })
  return `${location.origin.replace(/^http/, 'ws')}/loki/api/v1/tail?${params}`
}

/**
 * The records of a message of a tail, newest first. A browser cannot ask a
 * websocket to tell stream labels from the rest, so their names are given.
 */
export function tailRows(message: TailMessage, streamLabels: ReadonlySet<string>): LogRow[] {
  return (message.streams ?? [])
    .flatMap(({ stream, values }) => {
      const labels: Record<string, string> = {}
      const fields: Record<string, string> = {}
      for (const [k, v] of Object.entries(stream)) (streamLabels.has(k) ? labels : fields)[k] = v
      return values.map(([ts, line]) => ({ ts, ms: toMs(ts), line, labels, fields }))
    })
    .sort(newestFirst)
}

function getJSONCategorized(path: string, params: Record<string, string | number>, signal?: AbortSignal) {
  return requestJSON<Answer>(`${path}?${toParams(params)}`, {
    signal,
    headers: { Accept: 'application/json', 'X-Loki-Response-Encoding-Flags': 'categorize-labels' },
  })
}

export async function logMatrix(query: string, span: Span, stepSeconds: number, signal?: AbortSignal) {
  const a = await getJSON<Answer>(
    '/loki/api/v1/query_range',
    { query, start: nanos(span.from), end: nanos(span.to), step: stepSeconds },
    signal,
  )
  return { series: a.data.result as MatrixSeries[], scanned: scanned(a.data.stats) }
}

export async function labelNames(span: Span, signal?: AbortSignal) {
  const params = { start: nanos(span.from), end: nanos(span.to) }
  return (await getJSON<{ data: string[] | null }>('/loki/api/v1/labels', params, signal)).data ?? []
}

export async function labelValues(name: string, span: Span, signal?: AbortSignal) {
  const params = { start: nanos(span.from), end: nanos(span.to) }
  const path = `/loki/api/v1/label/${encodeURIComponent(name)}/values`
  return (await getJSON<{ data: string[] | null }>(path, params, signal)).data ?? []
}
