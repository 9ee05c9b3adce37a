import { useQuery } from '@tanstack/react-query'
import { useMemo } from 'react'
import { logs } from '../../api/loki.ts'
import { quote } from '../../api/prometheus.ts'
import { ErrorBox, Skeleton } from '../../components/Feedback.tsx'
import { LogList } from '../../components/LogList.tsx'
import { PageLink } from '../../components/PageLink.tsx'
import { useText } from '../../i18n/index.ts'
import { absolute } from '../../time/range.ts'
import { useSearch } from '../../url/useSearch.ts'
import { subtree, type Waterfall } from './layout.ts'
import { settling } from './settling.ts'

const most = 500
/** Clocks differ, and records may be written after their span ended. */
const margin = 60_000

/** What the trace logged; of the selected span and what it called when one is selected. */
export function TraceLogs({
  traceId,
  waterfall: w,
  spanId,
}: {
  traceId: string
  waterfall: Waterfall
  spanId?: string
}) {
  const { t } = useText()
  const { search, setSearch } = useSearch()
  const endMs = w.startMs + w.durationMs
  const span = { from: Math.floor(w.startMs - margin), to: Math.ceil(endMs + margin) }
  const query = `{service_name=~".+"} | trace_id=${quote(traceId)}`
  const { data, error, refetch } = useQuery({
    queryKey: ['trace logs', traceId],
    queryFn: ({ signal }) => logs(query, span, most, signal),
    staleTime: 60_000,
    refetchInterval: () => settling(endMs),
  })
  const all = (data?.rows ?? []).toReversed()
  const below = useMemo(() => subtree(w.rows, spanId), [w.rows, spanId])
  const own = all.filter((r) => below.has(r.fields.span_id ?? ''))
  const ofSpan = spanId !== undefined && search.logs !== 'all'
  const rows = ofSpan ? own : all
  return (
    <section className="panel">
      <div className="panel-head">
        <h2 className="grow">{t('nav.logs')}</h2>
        {spanId && (
          <button
            type="button"
            className="button"
            aria-pressed={ofSpan}
            onClick={() => setSearch({ logs: ofSpan ? 'all' : undefined }, { replace: true })}
          >
            {t('trace.ofSpan', { count: own.length })}
          </button>
        )}
        <PageLink className="link" to="/explore/logs" search={{ ...absolute(span), q: `trace_id=${traceId}` }}>
          {t('action.open')}
        </PageLink>
      </div>
      <div className="panel-body">
        {error && !data ? (
          <ErrorBox error={error} onRetry={() => void refetch()} />
        ) : !data ? (
          <Skeleton height={120} />
        ) : rows.length === 0 ? (
          <span className="muted">{ofSpan ? t('trace.noSpanLogs') : t('trace.noLogs')}</span>
        ) : (
          <div className="trace-logs">
            <LogList rows={rows} />
          </div>
        )}
      </div>
    </section>
  )
}
