import { searchTraces, type FoundTrace } from '../../api/tempo.ts'
import type { Span } from '../../time/range.ts'

const slices = 6
const perSlice = 40
export const limit = slices * perSlice

/** Equal parts of a range, whole seconds, oldest first. */
export function slice(span: Span, n: number): Span[] {
  const edges = Array.from({ length: n + 1 }, (_, i) => span.from + ((span.to - span.from) * i) / n)
  return edges.slice(1).map((to, i) => ({ from: edges[i]!, to }))
}

/**
 * Traces from all over the range: a search answers the newest ones first, which
 * in a busy system are all of the last seconds.
 */
export async function sampleTraces(query: string, span: Span, signal: AbortSignal): Promise<FoundTrace[]> {
  const parts = span.to - span.from < 60_000 ? [span] : slice(span, slices)
  const found = await Promise.all(parts.map((s) => searchTraces(query, s, Math.ceil(limit / parts.length), signal)))
  // A trace that crosses an edge is found on both sides of it.
  return [...new Map(found.flat().map((t) => [t.traceId, t])).values()]
}
