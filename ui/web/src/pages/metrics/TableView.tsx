import { queryInstant } from '../../api/prometheus.ts'
import { useLive } from '../../api/live.ts'
import { seriesName } from '../../charts/frame.ts'
import { Empty, ErrorBox, Skeleton } from '../../components/Feedback.tsx'
import { useText } from '../../i18n/index.ts'
import { useRange } from '../../time/useRange.tsx'

const most = 1000

/** The values at the end of the range, exact. */
export function TableView({ query }: { query: string }) {
  const { t } = useText()
  const { span, tick } = useRange()
  const { data, error } = useLive(['instant', query], span, (s, signal) => queryInstant(query, s.to, signal))
  if (error && !data) return <ErrorBox error={error} onRetry={tick} />
  if (!data) return <Skeleton height={240} />
  return (
    <section className="panel">
      <div className="panel-head">
        <h2 className="mono grow">{query}</h2>
        <span className="muted">{t('metrics.series', { count: data.length })}</span>
      </div>
      {data.length === 0 ? (
        <Empty title={t('metrics.none')}>{t('metrics.noneHint')}</Empty>
      ) : (
        <div className="scroll-x">
          <table className="data">
            <tbody>
              {data.slice(0, most).map((r) => {
                const name = seriesName(r.metric)
                return (
                  <tr key={name}>
                    <td className="mono series-cell">{name}</td>
                    <td className="num mono">
                      {r.value ? r.value[1] : `count ${r.histogram?.[1].count}, sum ${r.histogram?.[1].sum}`}
                    </td>
                  </tr>
                )
              })}
            </tbody>
          </table>
        </div>
      )}
    </section>
  )
}
