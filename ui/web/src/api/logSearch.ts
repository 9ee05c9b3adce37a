// A search of logs whose records come while it runs.

import type { components } from './gen/schema.d.ts'
import { ApiError, errorFrom, toParams } from './http.ts'
import { toMs, type LogRow } from './loki.ts'
import type { Span } from '../time/range.ts'

type Schemas = components['schemas']
export type SearchProgress = Schemas['SearchProgress']
export type SearchEnd = Schemas['SearchEnd']
type SearchEvent = Schemas['SearchEvent']

/** What came together: records that follow those before, and how far the search is. */
export interface SearchPart {
  rows: LogRow[]
  progress?: SearchProgress
  end?: SearchEnd
  error?: ApiError
}

/** Newest records first, each part as it arrives. It ends with the last part, or throws. */
export async function searchLogs(
  query: string,
  span: Span,
  limit: number,
  signal: AbortSignal,
  onPart: (part: SearchPart) => void,
): Promise<void> {
  const params = toParams({ query, from: Math.round(span.from), to: Math.round(span.to), limit })
  let response: Response
  try {
    response = await fetch(`/api/hinomi/v1/logs/search?${params}`, {
      signal,
      headers: { Accept: 'application/x-ndjson, application/problem+json' },
    })
    if (!response.ok) throw errorFrom(response.status, await response.text())
    const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader()
    let rest = ''
    for (;;) {
      const { done, value } = await reader.read()
      if (done) throw new ApiError('offline', 'the connection was lost before the search had ended', 0)
      const lines = (rest + value).split('\n')
      rest = lines.pop()!
      const part = partOf(lines.map((line) => JSON.parse(line) as SearchEvent))
      if (part) onPart(part)
      if (part?.error) throw part.error
      if (part?.end) return
    }
  } catch (err) {
    if (signal.aborted || err instanceof ApiError) throw err
    throw new ApiError('offline', String(err), 0)
  }
}

/** Events that arrived together as one; undefined when there are none. */
export function partOf(events: SearchEvent[]): SearchPart | undefined {
  if (events.length === 0) return undefined
  const part: SearchPart = { rows: [] }
  for (const e of events) {
    if (e.error) part.error = errorFrom(e.error.status ?? 500, JSON.stringify(e.error))
    for (const l of e.lines ?? []) part.rows.push(rowOf(l))
    part.progress = e.progress ?? part.progress
    part.end = e.end
  }
  return part
}

const rowOf = (l: Schemas['LogLine']): LogRow => ({
  ts: l.ts,
  ms: toMs(l.ts),
  line: l.line,
  labels: l.labels,
  fields: { ...l.metadata, ...l.parsed },
})
