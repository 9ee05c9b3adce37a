import { BellOff, LineChart } from 'lucide-react'
import { alertGroups, expressionOf, matcherText, type AmAlert } from '../../api/alertmanager.ts'
import * as api from '../../api/hinomi.ts'
import { useLive } from '../../api/live.ts'
import { Empty, ErrorBox, Skeleton } from '../../components/Feedback.tsx'
import { PageLink } from '../../components/PageLink.tsx'
import { StateMark } from '../../components/StateMark.tsx'
import { Ago } from '../../components/When.tsx'
import { useText } from '../../i18n/index.ts'
import { useRange } from '../../time/useRange.tsx'
import { useSearch } from '../../url/useSearch.ts'
import { severityState } from '../overview/AlertList.tsx'

/** Firing alerts as they are grouped for notification, then pending ones. */
export function FiringTab() {
  const { t } = useText()
  const { span, now, tick } = useRange()
  const { search, setSearch } = useSearch()
  const groups = useLive(['alert groups'], span, (_, signal) => alertGroups(signal))
  const overview = useLive(['overview'], span, api.overview)
  if (groups.error && !groups.data) return <ErrorBox error={groups.error} onRetry={tick} />
  if (!groups.data) return <Skeleton height={240} />
  const wanted = (a: { labels: Record<string, string> }) => !search.alert || a.labels.alertname === search.alert
  const shown = groups.data
    .map((g) => ({ ...g, alerts: g.alerts.filter(wanted) }))
    .filter((g) => g.alerts.length > 0)
    .toSorted((a, b) => rank(a.alerts) - rank(b.alerts))
  const pending = (overview.data?.alerts ?? []).filter((a) => a.state === 'pending' && wanted(a))
  return (
    <>
      {search.alert && (
        <div className="row">
          <strong>{search.alert}</strong>
          <button type="button" className="button" onClick={() => setSearch({ alert: undefined })}>
            {t('alerts.showAll')}
          </button>
          <PageLink className="link" to="/alerts" search={{ tab: 'rules', rule: search.alert }}>
            {t('alerts.toRule')}
          </PageLink>
        </div>
      )}
      {shown.length === 0 && (
        <section className="panel">
          <Empty title={t('overview.alertsNone')}>{t('alerts.noneHint')}</Empty>
        </section>
      )}
      {shown.map((g) => (
        <section key={JSON.stringify([g.labels, g.receiver])} className="panel">
          <div className="panel-head">
            <h2 className="grow">
              {Object.entries(g.labels)
                .map(([k, v]) => `${k}=${v}`)
                .join(', ') || t('alerts.ungrouped')}
            </h2>
            <span className="muted">{t('alerts.receiver', { name: g.receiver.name })}</span>
          </div>
          <div className="panel-body">
            <ul className="alert-cards">
              {g.alerts.map((a) => (
                <FiringAlert key={a.fingerprint} alert={a} now={now} />
              ))}
            </ul>
          </div>
        </section>
      ))}
      {pending.length > 0 && (
        <section className="panel">
          <div className="panel-head">
            <h2>{t('state.pending')}</h2>
            <span className="muted">{t('alerts.pendingHint')}</span>
          </div>
          <div className="panel-body">
            <ul className="alert-cards">
              {pending.map((a) => (
                <li key={JSON.stringify(a.labels)}>
                  <StateMark state="unknown" label={false} />
                  <div className="grow">
                    <PageLink className="name-link" to="/alerts" search={{ tab: 'rules', rule: a.name }}>
                      {a.name}
                    </PageLink>{' '}
                    <span className="muted">{a.summary}</span>
                  </div>
                  <span className="muted nowrap">
                    <Ago ms={a.sinceMs} now={now} />
                  </span>
                </li>
              ))}
            </ul>
          </div>
        </section>
      )}
    </>
  )
}

function rank(alerts: AmAlert[]): number {
  return Math.min(
    ...alerts.map((a) => (a.labels.severity === 'critical' ? 0 : a.labels.severity === 'warning' ? 1 : 2)),
  )
}

function FiringAlert({ alert: a, now }: { alert: AmAlert; now: number }) {
  const { t } = useText()
  const { setSearch } = useSearch()
  const { alertname = '', severity = '', service = '', ...rest } = a.labels
  const expression = expressionOf(a.generatorURL)
  const muted = a.status.state === 'suppressed'
  const silence = Object.entries(a.labels)
    .map(([name, value]) => matcherText({ name, value, isRegex: false, isEqual: true }))
    .join(', ')
  return (
    <li className={muted ? 'muted-alert' : ''}>
      <StateMark state={muted ? 'unknown' : severityState({ severity, state: 'firing' })} label={false} />
      <div className="grow">
        <div className="row wrap">
          <PageLink className="name-link" to="/alerts" search={{ tab: 'rules', rule: alertname }}>
            {alertname}
          </PageLink>
          {service && (
            <PageLink className="link" to={`/services/${encodeURIComponent(service)}`}>
              {service}
            </PageLink>
          )}
          <span className="tag">{severity}</span>
          {muted && (
            <span className="tag">{a.status.silencedBy.length > 0 ? t('alerts.silenced') : t('alerts.inhibited')}</span>
          )}
          <span className="muted">
            <Ago ms={Date.parse(a.startsAt)} now={now} />
          </span>
        </div>
        <div className="alert-text">{a.annotations.summary}</div>
        {a.annotations.description && <div className="muted">{a.annotations.description}</div>}
        {a.annotations.runbook && <Runbook text={a.annotations.runbook} />}
        <div className="alert-labels mono muted">
          {Object.entries(rest)
            .map(([k, v]) => `${k}=${v}`)
            .join('  ')}
        </div>
      </div>
      <div className="row wrap alert-actions">
        {expression && (
          <PageLink className="button" to="/explore/metrics" search={{ q: expression }}>
            <LineChart size={14} />
            {t('alerts.query')}
          </PageLink>
        )}
        {!muted && (
          <button type="button" className="button" onClick={() => setSearch({ silence: silence })}>
            <BellOff size={14} />
            {t('alerts.silence')}
          </button>
        )}
      </div>
    </li>
  )
}

/** A runbook is an address or a sentence. */
export function Runbook({ text }: { text: string }) {
  const { t } = useText()
  if (/^https?:\/\//.test(text)) {
    return (
      <a className="link" href={text} target="_blank" rel="noreferrer">
        {t('alerts.runbook')}
      </a>
    )
  }
  return (
    <div className="runbook">
      <b>{t('alerts.runbook')}</b> {text}
    </div>
  )
}
