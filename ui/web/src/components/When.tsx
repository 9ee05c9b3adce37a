import { fullTime, shortTime, utc } from '../format/time.ts'
import { useText } from '../i18n/index.ts'
import type { T } from '../i18n/index.ts'

/** A time in the reader's zone, in UTC on hover. */
export function When({ ms, full = false }: { ms: number; full?: boolean }) {
  const { locale } = useText()
  return (
    <time dateTime={new Date(ms).toISOString()} title={utc(ms)}>
      {full ? fullTime(ms, locale) : shortTime(ms, locale)}
    </time>
  )
}

/** "3 hours": the largest unit that fits. */
export function durationText(ms: number, t: T): string {
  const s = Math.max(0, Math.round(ms / 1000))
  if (s >= 172_800 || s === 86_400) return t('time.days', { count: Math.floor(s / 86_400) })
  if (s >= 7200 || s === 3600) return t('time.hours', { count: Math.floor(s / 3600) })
  if (s >= 120 || s === 60) return t('time.minutes', { count: Math.floor(s / 60) })
  return t('time.seconds', { count: s })
}

export function Ago({ ms, now }: { ms: number; now: number }) {
  const { t } = useText()
  return (
    <time dateTime={new Date(ms).toISOString()} title={utc(ms)}>
      {t('time.ago', { duration: durationText(now - ms, t) })}
    </time>
  )
}
