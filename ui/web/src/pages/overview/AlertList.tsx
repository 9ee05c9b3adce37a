import type { Alert, State } from '../../api/hinomi.ts'
import { PageLink } from '../../components/PageLink.tsx'
import { StateMark } from '../../components/StateMark.tsx'
import { Ago } from '../../components/When.tsx'
import { useText } from '../../i18n/index.ts'

/** What a severity says about the thing it is about. */
export function severityState(a: Pick<Alert, 'severity' | 'state'> & { silenced?: boolean }): State {
  if (a.state === 'pending' || a.silenced) return 'unknown'
  return a.severity === 'critical' || a.severity === 'page' ? 'broken' : 'risk'
}

/** Alerts, most urgent first. */
export function AlertList({ alerts, now, limit = 8 }: { alerts: Alert[]; now: number; limit?: number }) {
  const { t } = useText()
  return (
    <section className="panel">
      <div className="panel-head">
        <h2 className="grow">{t('overview.firing')}</h2>
        {alerts.length > limit && <span className="muted">{alerts.length}</span>}
      </div>
      <div className="panel-body">
        {alerts.length === 0 && <div className="muted">{t('overview.alertsNone')}</div>}
        <ul className="alert-list">
          {alerts.slice(0, limit).map((a) => (
            <li key={JSON.stringify(a.labels)}>
              <StateMark state={severityState(a)} label={false} />
              <div className="grow">
                <div className="alert-line">
                  <PageLink to="/alerts" search={{ alert: a.name }} className="name-link">
                    {a.name}
                  </PageLink>
                  <span className="muted nowrap">
                    {a.state === 'pending' && `${t('state.pending')} · `}
                    {a.silenced && `${t('state.suppressed')} · `}
                    <Ago ms={a.sinceMs} now={now} />
                  </span>
                </div>
                <div className="alert-summary">
                  {a.service && (
                    <PageLink to={`/services/${encodeURIComponent(a.service)}`} className="link">
                      {a.service}
                    </PageLink>
                  )}{' '}
                  <span className="muted">{withoutService(a)}</span>
                </div>
              </div>
            </li>
          ))}
        </ul>
      </div>
    </section>
  )
}

/** Summaries often begin with the service, which stands there already as a link. */
function withoutService(a: Alert): string {
  return a.service && a.summary.startsWith(`${a.service} `) ? a.summary.slice(a.service.length + 1) : a.summary
}
