import type { Service, State } from '../api/hinomi.ts'
import { ms, num, rate, share } from '../format/units.ts'
import { shortTime } from '../format/time.ts'
import type { T } from '../i18n/index.ts'

/** The service's verdict in the reader's words: a headline and what adds to it. */
export function verdict(s: Service, t: T, locale: string): { headline: string; short: string; details: string[] } {
  const v = s.verdict
  const details: string[] = []
  const time = v.sinceMs ? shortTime(v.sinceMs, locale) : ''
  const said = (short: string) => ({ short, headline: withSince(short, time, t, locale), details })
  const addDependency = () => {
    if (v.dependency) {
      details.push(t('verdict.dependency', { dependency: v.dependency, share: share(v.dependencyShare, locale) }))
    }
  }
  switch (v.code) {
    case 'errors':
      if (v.operation) details.push(t('verdict.mostIn', { operation: v.operation }))
      addDependency()
      return said(t('verdict.errors', { share: share(v.errorShare, locale) }))
    case 'slow': {
      const p99 = ms(v.p99Ms, locale)
      const was = ms(v.p99BeforeMs, locale)
      const factor = v.p99BeforeMs ? num(Math.round(((v.p99Ms ?? 0) / v.p99BeforeMs) * 10) / 10, locale) : ''
      const usual = v.comparedWith === 'range' ? 'verdict.timesUsual' : 'verdict.timesHourAgo'
      details.push(t(usual, { factor, was }))
      addDependency()
      return { ...said(t('verdict.slow', { p99 })), short: t('verdict.slowShort', { p99, was }) }
    }
    case 'alert':
      return said(t('verdict.alert', { alert: v.alert ?? '' }))
    case 'noTraffic': {
      const text = time ? t('verdict.noTrafficSince', { time }) : t('verdict.noTraffic')
      return { headline: text, short: text, details }
    }
    case 'noSpans':
      return { headline: t('verdict.noSpans'), short: t('verdict.noSpans'), details }
    default: {
      const text = t('verdict.ok', { rate: rate(v.requestsPerSecond ?? 0, locale), p99: ms(v.p99Ms, locale) })
      return { headline: text, short: text, details }
    }
  }
}

function withSince(text: string, time: string, t: T, locale: string): string {
  if (!time) return text
  const since = t('verdict.since', { time })
  return locale === 'ja' ? `${since}、${text}` : `${text} ${since}`
}

export const stateOrder: State[] = ['broken', 'risk', 'unknown', 'ok']
