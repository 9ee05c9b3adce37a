import { useQuery, type UseQueryResult } from '@tanstack/react-query'
import type { Span } from '../time/range.ts'

/**
 * Data for a time span. While the span moves on, the answer for the one before
 * stays on screen, so that nothing jumps; for another key it does not, so that
 * nobody reads one service's numbers under another's name.
 */
export function useLive<T>(
  key: readonly unknown[],
  span: Span,
  fn: (span: Span, signal: AbortSignal) => Promise<T>,
  enabled = true,
): UseQueryResult<T> {
  const identity = JSON.stringify(key)
  return useQuery<T>({
    queryKey: [identity, span.from, span.to],
    queryFn: ({ signal }) => fn(span, signal),
    placeholderData: (previous, query) => (query?.queryKey[0] === identity ? previous : undefined),
    enabled,
  })
}
