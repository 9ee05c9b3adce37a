import type { Overview, State } from '../../api/hinomi.ts'
import { PageLink } from '../../components/PageLink.tsx'
import { StateMark } from '../../components/StateMark.tsx'
import { verdict } from '../../components/verdict.ts'
import { useText } from '../../i18n/index.ts'

/** The verdict on everything, and on the worst service. */
export function Headline({ overview }: { overview: Overview }) {
  const { t, locale } = useText()
  const { counts, services, alerts } = overview
  const total = services.length
  const worst = services[0]
  const state: State = counts.broken ? 'broken' : counts.risk ? 'risk' : counts.ok ? 'ok' : 'unknown'
  const name = worst?.name ?? ''
  const title = !total
    ? t('overview.none')
    : counts.broken
      ? t('overview.broken', { count: counts.broken, total, name })
      : counts.risk
        ? t('overview.risk', { count: counts.risk, total, name })
        : t('overview.allFine', { count: total })
  const firing = alerts.filter((a) => a.state === 'firing').length
  const bad = worst && (worst.state === 'broken' || worst.state === 'risk') ? verdict(worst, t, locale) : null
  return (
    <section className="verdict-line">
      <StateMark state={state} size={18} label={false} />
      <div>
        <h1>{title}</h1>
        <p>
          {bad && worst && (
            <>
              <PageLink className="link" to={`/services/${encodeURIComponent(worst.name)}`}>
                {worst.name}
              </PageLink>{' '}
              {[bad.headline, ...bad.details].join(', ')}
              {' · '}
            </>
          )}
          {firing ? t('overview.alerts', { count: firing }) : t('overview.alertsNone')}
        </p>
      </div>
    </section>
  )
}
