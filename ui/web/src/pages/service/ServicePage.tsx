import { useParams } from '@tanstack/react-router'
import { ListFilter, Waypoints, LineChart } from 'lucide-react'
import * as api from '../../api/hinomi.ts'
import { ApiError } from '../../api/http.ts'
import { useLive } from '../../api/live.ts'
import { quote } from '../../api/prometheus.ts'
import { Empty, ErrorBox, Skeleton } from '../../components/Feedback.tsx'
import { PageLink } from '../../components/PageLink.tsx'
import { StateMark } from '../../components/StateMark.tsx'
import { verdict } from '../../components/verdict.ts'
import { ms, rate, share } from '../../format/units.ts'
import { useText } from '../../i18n/index.ts'
import { useRange } from '../../time/useRange.tsx'
import { AlertList } from '../overview/AlertList.tsx'
import { Dependencies } from './Dependencies.tsx'
import { Operations } from './Operations.tsx'
import { RecentErrors } from './RecentErrors.tsx'
import { RedPanel } from './RedPanel.tsx'
import { ServicePatterns } from './ServicePatterns.tsx'
import '../overview/overview.css'
import './service.css'

/** One service: the verdict, what proves it, and where to look next. */
export function ServicePage() {
  const { t } = useText()
  const { name } = useParams({ strict: false }) as { name: string }
  const { span, now, tick } = useRange()
  const { data, error } = useLive(['service', name], span, (s, signal) => api.service(name, s, signal))
  if (error && !data) {
    if (error instanceof ApiError && error.status === 404) {
      return <Empty title={t('service.unknown', { name })}>{t('service.unknownHint')}</Empty>
    }
    return <ErrorBox error={error} onRetry={tick} />
  }
  return (
    <>
      {data ? <Verdict service={data} /> : <Skeleton height={52} width="55%" />}
      <RedPanel service={name} />
      <div className="columns service-columns">
        <div className="stack">
          <Operations service={name} operations={data?.operations} />
          <RecentErrors service={name} />
          <ServicePatterns service={name} />
        </div>
        <div className="stack">
          {data && data.alerts.length > 0 && <AlertList alerts={data.alerts} now={now} />}
          <Dependencies title={t('service.calls')} none={t('service.noCalls')} list={data?.calls} />
          <Dependencies title={t('service.calledBy')} none={t('service.noCallers')} list={data?.calledBy} />
        </div>
      </div>
    </>
  )
}

function Verdict({ service: s }: { service: api.ServiceDetail }) {
  const { t, locale } = useText()
  const { headline, details } = verdict(s, t, locale)
  const usual = t('verdict.usual', {
    rate: rate(s.now.requestsPerSecond, locale),
    errors: share(s.now.errorShare, locale),
    p99: ms(s.now.p99Ms, locale),
  })
  const title =
    s.state === 'ok' ? t('verdict.okLong', { service: s.name }) : `${s.name}${locale === 'ja' ? ':' : ': '}${headline}`
  const more = s.now.requestsPerSecond === null ? details : [...details, usual]
  return (
    <section className="verdict-line">
      <StateMark state={s.state} size={18} />
      <div className="grow">
        <h1>{title}</h1>
        <p>{more.join(' · ')}</p>
      </div>
      <nav className="row wrap page-links">
        <PageLink className="button" to="/explore/logs" search={{ q: `service_name=${s.name}` }}>
          <ListFilter size={14} />
          {t('action.seeLogs')}
        </PageLink>
        <PageLink className="button" to="/explore/traces" search={{ service: s.name }}>
          <Waypoints size={14} />
          {t('action.seeTraces')}
        </PageLink>
        <PageLink
          className="button"
          to="/explore/metrics"
          search={{
            q: `sum by (span_name) (rate(traces_spanmetrics_calls_total{service=${quote(s.name)}, span_kind="SPAN_KIND_SERVER"}[1m]))`,
          }}
        >
          <LineChart size={14} />
          {t('action.seeMetrics')}
        </PageLink>
      </nav>
    </section>
  )
}
