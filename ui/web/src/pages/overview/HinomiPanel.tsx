import type { Overview } from '../../api/hinomi.ts'
import { StateMark } from '../../components/StateMark.tsx'
import { durationText } from '../../components/When.tsx'
import { shortTime, utc } from '../../format/time.ts'
import { bytes, compact } from '../../format/units.ts'
import { useText } from '../../i18n/index.ts'

const units = { metrics: 'samples', logs: 'records', traces: 'spans' } as const

/** What Hinomi says about itself: its health, and what comes in. */
export function HinomiPanel({ overview }: { overview: Overview }) {
  const { t, locale } = useText()
  const h = overview.health
  const text = t(`health.${h.code}`, {
    store: h.store ?? '',
    reason: h.reason ?? '',
    source: h.source ?? '',
    count: h.count ?? 0,
    time: h.sinceMs ? shortTime(h.sinceMs, locale) : '',
  })
  return (
    <section className="panel">
      <div className="panel-head">
        <StateMark state={h.state} />
        <h2 className="grow">{t('overview.hinomi')}</h2>
        <span className="muted">{overview.version}</span>
      </div>
      <div className="panel-body">
        <div className={h.state === 'ok' ? 'muted' : `state-${h.state}`}>{text}</div>
        <dl className="intake">
          {overview.intake.map((i) => (
            <div key={i.signal} title={i.lastSeenMs ? utc(i.lastSeenMs) : undefined}>
              <dt>{t(`overview.${i.signal}`)}</dt>
              <dd>
                <strong>{compact(i.storedPerSecond, locale)}</strong>{' '}
                <span className="muted">{t(`overview.${units[i.signal]}`)}</span>
                {i.rejected > 0 && <div className="warn">{t('overview.rejected', { count: i.rejected })}</div>}
              </dd>
            </div>
          ))}
        </dl>
        <div className="muted">
          {t('overview.stored', { bytes: bytes(overview.storedBytes, locale) })} ·{' '}
          {t('overview.uptime', { duration: durationText(overview.uptimeSeconds * 1000, t) })}
        </div>
      </div>
    </section>
  )
}
