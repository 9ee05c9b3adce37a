import { logs } from '../../api/loki.ts'
import { useLive } from '../../api/live.ts'
import { quote } from '../../api/prometheus.ts'
import { ErrorBox, Skeleton } from '../../components/Feedback.tsx'
import { PageLink } from '../../components/PageLink.tsx'
import { LogList } from '../../components/LogList.tsx'
import { useText } from '../../i18n/index.ts'
import { useRange } from '../../time/useRange.tsx'

const shown = 8

/** The newest error records of the service. */
export function RecentErrors({ service }: { service: string }) {
  const { t } = useText()
  const { span, tick } = useRange()
  const query = `{service_name=${quote(service)}} | detected_level=~"error|fatal|critical"`
  const { data, error } = useLive(['errors', service], span, (s, signal) => logs(query, s, shown, signal))
  return (
    <section className="panel">
      <div className="panel-head">
        <h2 className="grow">{t('service.recentErrors')}</h2>
        <PageLink className="link" to="/explore/logs" search={{ q: `service_name=${service} level=error` }}>
          {t('action.all')}
        </PageLink>
      </div>
      <div className="panel-body">
        {error && !data ? (
          <ErrorBox error={error} onRetry={tick} />
        ) : !data ? (
          <Skeleton height={80} />
        ) : data.rows.length === 0 ? (
          <span className="muted">{t('service.noErrors')}</span>
        ) : (
          <LogList rows={data.rows} showService={false} />
        )}
      </div>
    </section>
  )
}
