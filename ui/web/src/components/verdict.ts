import type { Service, State } from '../api/hinomi.ts'
import { ms, num, rate, share } from '../format/units.ts'
import { shortTime } from '../format/time.ts'
import type { T } from '../i18n/index.ts'

/** The service's verdict in the reader's words: a headline and what adds to it. */
export function verdict(s: Service, t: T, locale: string): { headline: string; details: string[] } {
  const v = s.verdict
  const details: string[] = []
  const time = v.sinceMs ? shortTime(v.sinceMs, locale) : ''
  const addDependency = () => {
    if (v.dependency) {
      details.push(t('verdict.dependency', { dependency: v.dependency, share: share(v.dependencyShare, locale) }))
    }
  }
  switch (v.code) {
    case 'errors':
      if (v.operation) details.push(t('verdict.mostIn', { operation: v.operation }))
      addDependency()
      return {
        headline: withSince(t('verdict.errors', { share: share(v.errorShare, locale) }), time, t, locale),
        details,
      }
    case 'slow': {
      const factor = v.p99BeforeMs ? num(Math.round(((v.p99Ms ?? 0) / v.p99BeforeMs) * 10) / 10, locale) : ''
      details.push(t('verdict.was', { value: ms(v.p99BeforeMs, locale) }))
      addDependency()
      return {
        headline: withSince(t('verdict.slow', { p99: ms(v.p99Ms, locale), factor }), time, t, locale),
        details,
      }
    }
    case 'alert':
      return { headline: withSince(t('verdict.alert', { alert: v.alert ?? '' }), time, t, locale), details }
    case 'noTraffic':
      return { headline: time ? t('verdict.noTrafficSince', { time }) : t('verdict.noTraffic'), details }
    case 'noSpans':
      return { headline: t('verdict.noSpans'), details }
    default:
      return {
        headline: t('verdict.ok', { rate: rate(v.requestsPerSecond ?? 0, locale), p99: ms(v.p99Ms, locale) }),
        details,
      }
  }
}

function withSince(text: string, time: string, t: T, locale: string): string {
  if (!time) return text
  const since = t('verdict.since', { time })
  return locale === 'ja' ? `${since}、${text}` : `${text} ${since}`
}

export const stateOrder: State[] = ['broken', 'risk', 'unknown', 'ok']
