import type { Service } from '../../api/hinomi.ts'
import { Sparkline } from '../../charts/Sparkline.tsx'
import { PageLink } from '../../components/PageLink.tsx'
import { StateMark } from '../../components/StateMark.tsx'
import { verdict } from '../../components/verdict.ts'
import { ms, rate, share } from '../../format/units.ts'
import { useText } from '../../i18n/index.ts'

/** Every service as a cell, worst first. */
export function ServiceGrid({ services }: { services: Service[] }) {
  const { t } = useText()
  return (
    <section aria-label={t('overview.services')} className="service-grid">
      {services.map((s) => (
        <Cell key={s.name} service={s} />
      ))}
    </section>
  )
}

function Cell({ service: s }: { service: Service }) {
  const { t, locale } = useText()
  const { headline, short } = verdict(s, t, locale)
  const bad = s.state === 'broken' || s.state === 'risk'
  return (
    <PageLink to={`/services/${encodeURIComponent(s.name)}`} className={`cell cell-${s.state}`}>
      <div className="cell-head">
        <StateMark state={s.state} />
        <span className="cell-name">{s.name}</span>
      </div>
      <Sparkline
        values={s.spark.requestsPerSecond}
        bad={s.spark.errorShare}
        height={30}
        label={`${t('red.requests')} ${rate(s.now.requestsPerSecond, locale)}`}
      />
      {bad || s.state === 'unknown' ? (
        <div className={`cell-verdict state-${s.state}`} title={headline}>
          {short}
        </div>
      ) : (
        <div className="cell-numbers">
          <span>{rate(s.now.requestsPerSecond, locale)}</span>
          <span>{share(s.now.errorShare, locale)}</span>
          <span>{ms(s.now.p99Ms, locale)}</span>
        </div>
      )}
    </PageLink>
  )
}
