import { logPatterns } from '../../api/loki.ts'
import { useLive } from '../../api/live.ts'
import { niceStep } from '../../time/range.ts'
import { useRange } from '../../time/useRange.tsx'

const points = 60
/** The server counts no shorter intervals. */
const minStep = 10

/** The patterns of the streams of a selector, with the span and the step of their counts. */
export function usePatterns(selector: string) {
  const { span } = useRange()
  const step = niceStep(span, points, minStep)
  return useLive(['log patterns', selector, step], span, async (s, signal) => ({
    patterns: await logPatterns(selector, s, step, signal),
    span: s,
    step,
  }))
}
