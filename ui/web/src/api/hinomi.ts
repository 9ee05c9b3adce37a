import { getJSON } from './http.ts'
import type { components } from './gen/schema.d.ts'
import type { Span } from '../time/range.ts'

type Schemas = components['schemas']
export type Service = Schemas['Service']
export type ServiceDetail = Schemas['ServiceDetail']
export type Verdict = Schemas['Verdict']
export type Overview = Schemas['OverviewOutputBody']
export type Alert = Schemas['Alert']
export type Red = Schemas['RED']
export type State = Service['state']
export type Spark = Schemas['Spark']
export type Operation = Schemas['Operation']
export type Dependency = Schemas['Dependency']

const base = '/api/hinomi/v1'

const ends = (span: Span) => ({ from: Math.round(span.from), to: Math.round(span.to) })

export const overview = (span: Span, signal?: AbortSignal) => getJSON<Overview>(`${base}/overview`, ends(span), signal)

export const services = (span: Span, signal?: AbortSignal) =>
  getJSON<Schemas['ServicesOutputBody']>(`${base}/services`, ends(span), signal)

export const service = (name: string, span: Span, signal?: AbortSignal) =>
  getJSON<ServiceDetail>(`${base}/services/${encodeURIComponent(name)}`, ends(span), signal)
