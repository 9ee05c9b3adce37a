import { getJSON, requestJSON, toParams } from './http.ts'
import type { Span } from '../time/range.ts'

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

/** Log records, newest first. */
export async function logs(query: string, span: Span, limit: number, signal?: AbortSignal): Promise<LogAnswer> {
  const url = '/loki/api/v1/query_range'
  const params = { query, start: nanos(span.from), end: nanos(span.to), limit, direction: 'backward' }
  const a = await getJSONCategorized(url, params, signal)
  if (a.data.resultType !== 'streams') return { rows: [], scanned: scanned(a.data.stats) }
  const rows = (a.data.result as Stream[]).flatMap((s) =>
    s.values.map(([ts, line, more]) => ({
      ts,
      ms: Number(ts.slice(0, -6)) + Number(ts.slice(-6, -3)) / 1000,
      line,
      labels: s.stream,
      fields: { ...more?.structuredMetadata, ...more?.parsed },
    })),
  )
  rows.sort((x, y) =>
    x.ts.length !== y.ts.length ? y.ts.length - x.ts.length : y.ts < x.ts ? -1 : y.ts > x.ts ? 1 : 0,
  )
  return { rows, scanned: scanned(a.data.stats) }
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
