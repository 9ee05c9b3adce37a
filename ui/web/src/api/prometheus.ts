import { getJSON } from './http.ts'
import type { Span } from '../time/range.ts'

export interface PromSeries {
  metric: Record<string, string>
  values?: [number, string][]
  histograms?: [number, unknown][]
}

interface Answer<T> {
  data: T
  warnings?: string[]
  infos?: string[]
}

export interface RangeAnswer {
  series: PromSeries[]
  warnings: string[]
}

export async function queryRange(query: string, span: Span, stepSeconds: number, signal?: AbortSignal) {
  const a = await getJSON<Answer<{ result: PromSeries[] }>>(
    '/api/v1/query_range',
    { query, start: span.from / 1000, end: span.to / 1000, step: stepSeconds },
    signal,
  )
  return { series: a.data.result, warnings: [...(a.warnings ?? []), ...(a.infos ?? [])] } satisfies RangeAnswer
}

export interface InstantResult {
  metric: Record<string, string>
  value?: [number, string]
  histogram?: [number, { count: string; sum: string }]
}

export async function queryInstant(query: string, at: number, signal?: AbortSignal) {
  const a = await getJSON<Answer<{ resultType: string; result: InstantResult[] | [number, string] }>>(
    '/api/v1/query',
    { query, time: at / 1000 },
    signal,
  )
  const { resultType, result } = a.data
  if (resultType === 'scalar' || resultType === 'string') {
    return [{ metric: {}, value: result as [number, string] }] satisfies InstantResult[]
  }
  return result as InstantResult[]
}

interface PromExemplar {
  labels: Record<string, string>
  value: string
  timestamp: number
}

export async function queryExemplars(query: string, span: Span, signal?: AbortSignal) {
  const a = await getJSON<Answer<{ seriesLabels: Record<string, string>; exemplars: PromExemplar[] }[]>>(
    '/api/v1/query_exemplars',
    { query, start: span.from / 1000, end: span.to / 1000 },
    signal,
  )
  return a.data.flatMap((s) =>
    s.exemplars.map((e) => ({
      ms: e.timestamp * 1000,
      value: Number(e.value),
      traceId: e.labels.trace_id ?? e.labels.traceID ?? '',
      labels: s.seriesLabels,
    })),
  )
}

export interface PromRule {
  type: 'alerting' | 'recording'
  name: string
  query: string
  duration?: number
  keepFiringFor?: number
  labels?: Record<string, string>
  annotations?: Record<string, string>
  alerts?: { state: string; activeAt: string; value: string; labels: Record<string, string> }[]
  health: string
  lastError?: string
  state?: 'firing' | 'pending' | 'inactive'
  evaluationTime: number
  lastEvaluation: string
}

export interface RuleGroup {
  name: string
  file: string
  interval: number
  rules: PromRule[]
}

export async function rules(signal?: AbortSignal): Promise<RuleGroup[]> {
  return (await getJSON<Answer<{ groups: RuleGroup[] | null }>>('/api/v1/rules', {}, signal)).data.groups ?? []
}

export interface Metadata {
  type: string
  help: string
  unit: string
}

export async function metadata(signal?: AbortSignal): Promise<Record<string, Metadata[]>> {
  return (await getJSON<Answer<Record<string, Metadata[]>>>('/api/v1/metadata', {}, signal)).data
}

/** A string as PromQL and LogQL write it. */
export function quote(text: string): string {
  return JSON.stringify(text)
}
