import { getJSON } from './http.ts'
import type { Span as TimeSpan } from '../time/range.ts'

export interface FoundSpan {
  spanId: string
  startMs: number
  durationMs: number
  attributes: Record<string, string>
}

export interface FoundTrace {
  traceId: string
  service: string
  name: string
  startMs: number
  durationMs: number
  /** Spans that the query asked for. */
  matched: number
  spans: FoundSpan[]
  services: { name: string; spans: number; errors: number }[]
  spanCount: number
  errorCount: number
}

interface Value {
  stringValue?: string
  intValue?: string | number
  doubleValue?: number
  boolValue?: boolean
  bytesValue?: string
  arrayValue?: { values?: Value[] }
  kvlistValue?: { values?: { key: string; value: Value }[] }
}

type Attributes = { key: string; value: Value }[]

export function valueText(v: Value | undefined): string {
  if (!v) return ''
  if (v.arrayValue) return `[${(v.arrayValue.values ?? []).map(valueText).join(', ')}]`
  if (v.kvlistValue) return JSON.stringify(attributesOf(v.kvlistValue.values))
  return String(v.stringValue ?? v.intValue ?? v.doubleValue ?? v.boolValue ?? v.bytesValue ?? '')
}

export function attributesOf(list: Attributes | undefined): Record<string, string> {
  return Object.fromEntries((list ?? []).map((a) => [a.key, valueText(a.value)]))
}

/** Unix nanoseconds, as text, to milliseconds with their fraction. */
export function nanosToMs(nanos: string | undefined): number {
  if (!nanos) return 0
  return Number(nanos.slice(0, -6) || 0) + Number(nanos.slice(-6)) / 1e6
}

interface SearchAnswer {
  traces?: {
    traceID: string
    rootServiceName?: string
    rootTraceName?: string
    startTimeUnixNano: string
    durationMs?: number
    spanSets?: {
      matched?: number
      spans?: { spanID: string; startTimeUnixNano: string; durationNanos: string; attributes?: Attributes }[]
    }[]
    serviceStats?: Record<string, { spanCount?: number; errorCount?: number }>
  }[]
  metrics?: { inspectedTraces?: number; inspectedSpans?: string | number; inspectedBytes?: string | number }
}

export async function searchTraces(
  q: string,
  span: TimeSpan,
  limit: number,
  signal?: AbortSignal,
): Promise<FoundTrace[]> {
  const a = await getJSON<SearchAnswer>(
    '/tempo/api/search',
    { q, start: Math.floor(span.from / 1000), end: Math.ceil(span.to / 1000), limit, spss: 3 },
    signal,
  )
  return (a.traces ?? []).map((t) => {
    const services = Object.entries(t.serviceStats ?? {}).map(([name, s]) => ({
      name,
      spans: s.spanCount ?? 0,
      errors: s.errorCount ?? 0,
    }))
    return {
      traceId: t.traceID,
      service: t.rootServiceName ?? '',
      name: t.rootTraceName ?? '',
      startMs: nanosToMs(t.startTimeUnixNano),
      durationMs: t.durationMs ?? 0,
      matched: (t.spanSets ?? []).reduce((n, s) => n + (s.matched ?? 0), 0),
      spans: (t.spanSets ?? []).flatMap((s) =>
        (s.spans ?? []).map((x) => ({
          spanId: x.spanID,
          startMs: nanosToMs(x.startTimeUnixNano),
          durationMs: Number(x.durationNanos) / 1e6,
          attributes: attributesOf(x.attributes),
        })),
      ),
      services: services.toSorted((x, y) => y.spans - x.spans),
      spanCount: services.reduce((n, s) => n + s.spans, 0),
      errorCount: services.reduce((n, s) => n + s.errors, 0),
    }
  })
}

/** A series of a TraceQL metrics query. */
export interface TraceSeries {
  labels: Record<string, string>
  values: { ms: number; value: number }[]
  /** Spans behind the values. */
  exemplars: { ms: number; value: number; traceId: string }[]
}

// A zero is left out of the answer.
interface MetricsAnswer {
  series?: {
    labels?: Attributes
    samples?: { timestampMs: string; value?: number }[]
    exemplars?: { labels?: Attributes; timestampMs: string; value?: number }[]
  }[]
}

export async function traceMetrics(
  q: string,
  span: TimeSpan,
  stepSeconds: number,
  signal?: AbortSignal,
): Promise<TraceSeries[]> {
  const params = { q, start: span.from / 1000, end: span.to / 1000, step: `${stepSeconds}s` }
  const a = await getJSON<MetricsAnswer>('/tempo/api/metrics/query_range', params, signal)
  return (a.series ?? []).map((s) => ({
    labels: attributesOf(s.labels),
    values: (s.samples ?? []).map((x) => ({ ms: Number(x.timestampMs), value: x.value ?? 0 })),
    exemplars: (s.exemplars ?? []).map((e) => ({
      ms: Number(e.timestampMs),
      value: e.value ?? 0,
      traceId: attributesOf(e.labels)['trace:id'] ?? '',
    })),
  }))
}

export interface TraceSpan {
  spanId: string
  parentId: string
  service: string
  name: string
  kind: string
  startMs: number
  durationMs: number
  error: boolean
  statusMessage: string
  attributes: Record<string, string>
  resource: Record<string, string>
  scope: string
  events: { name: string; ms: number; attributes: Record<string, string> }[]
  links: { traceId: string; spanId: string }[]
}

interface TraceAnswer {
  trace?: {
    resourceSpans?: {
      resource?: { attributes?: Attributes }
      scopeSpans?: {
        scope?: { name?: string }
        spans?: {
          spanId: string
          parentSpanId?: string
          name?: string
          kind?: string
          startTimeUnixNano?: string
          endTimeUnixNano?: string
          attributes?: Attributes
          status?: { code?: string | number; message?: string }
          events?: { name?: string; timeUnixNano?: string; attributes?: Attributes }[]
          links?: { traceId: string; spanId: string }[]
        }[]
      }[]
    }[]
  }
}

/** Tempo writes ids in base64; everything else writes them in hexadecimal. */
export function hexId(id: string | undefined): string {
  if (!id) return ''
  if (/^[0-9a-f]{16}$|^[0-9a-f]{32}$/.test(id)) return id
  let text: string
  try {
    text = atob(id)
  } catch {
    return id
  }
  return [...text].map((c) => c.charCodeAt(0).toString(16).padStart(2, '0')).join('')
}

export async function trace(id: string, signal?: AbortSignal): Promise<TraceSpan[]> {
  const a = await getJSON<TraceAnswer>(`/tempo/api/v2/traces/${encodeURIComponent(id)}`, {}, signal)
  return (a.trace?.resourceSpans ?? []).flatMap((r) => {
    const resource = attributesOf(r.resource?.attributes)
    return (r.scopeSpans ?? []).flatMap((s) =>
      (s.spans ?? []).map((x) => {
        const startMs = nanosToMs(x.startTimeUnixNano)
        return {
          spanId: hexId(x.spanId),
          parentId: hexId(x.parentSpanId),
          service: resource['service.name'] ?? '',
          name: x.name ?? '',
          kind: (x.kind ?? '').replace('SPAN_KIND_', '').toLowerCase(),
          startMs,
          durationMs: Math.max(0, nanosToMs(x.endTimeUnixNano) - startMs),
          error: x.status?.code === 'STATUS_CODE_ERROR' || x.status?.code === 2,
          statusMessage: x.status?.message ?? '',
          attributes: attributesOf(x.attributes),
          resource,
          scope: s.scope?.name ?? '',
          events: (x.events ?? []).map((e) => ({
            name: e.name ?? '',
            ms: nanosToMs(e.timeUnixNano),
            attributes: attributesOf(e.attributes),
          })),
          links: (x.links ?? []).map((l) => ({ traceId: hexId(l.traceId), spanId: hexId(l.spanId) })),
        }
      }),
    )
  })
}

export async function tagNames(signal?: AbortSignal): Promise<string[]> {
  const a = await getJSON<{ scopes?: { name: string; tags?: string[] }[] }>('/tempo/api/v2/search/tags', {}, signal)
  return (a.scopes ?? []).flatMap((s) =>
    (s.tags ?? []).map((tag) => (s.name === 'intrinsic' ? tag : `${s.name}.${tag}`)),
  )
}

export async function tagValues(name: string, signal?: AbortSignal): Promise<string[]> {
  const path = `/tempo/api/v2/search/tag/${encodeURIComponent(name)}/values`
  const a = await getJSON<{ tagValues?: { value: string }[] }>(path, {}, signal)
  return (a.tagValues ?? []).map((v) => v.value)
}
