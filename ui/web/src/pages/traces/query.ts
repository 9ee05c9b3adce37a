// The form of the trace explorer as TraceQL.

import { quote } from '../../api/prometheus.ts'

export interface Form {
  service?: string
  name?: string
  status?: string
  min?: string
  max?: string
  /** More conditions in TraceQL, such as span.city = "tokyo". */
  where?: string
}

const duration = /^\d+(\.\d+)?(ns|us|µs|ms|s|m|h)$/

export function isDuration(text: string): boolean {
  return duration.test(text.trim())
}

export function toTraceql(f: Form): string {
  const parts: string[] = []
  if (f.service) parts.push(`resource.service.name = ${quote(f.service)}`)
  if (f.name) parts.push(`name = ${quote(f.name)}`)
  if (f.status === 'error' || f.status === 'ok' || f.status === 'unset') parts.push(`status = ${f.status}`)
  if (f.min && isDuration(f.min)) parts.push(`duration >= ${f.min.trim()}`)
  if (f.max && isDuration(f.max)) parts.push(`duration <= ${f.max.trim()}`)
  if (f.where) parts.push(f.where)
  return parts.length ? `{ ${parts.join(' && ')} }` : '{ }'
}
