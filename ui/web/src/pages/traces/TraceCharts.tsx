import { useComputedColorScheme } from '@mantine/core'
import { useMemo } from 'react'
import { useLive } from '../../api/live.ts'
import { brokenColor, seriesColor } from '../../charts/colors.ts'
import { TimeChart, type ChartSeries } from '../../charts/TimeChart.tsx'
import { ErrorBox, Skeleton } from '../../components/Feedback.tsx'
import { useMoment } from '../../components/MomentMenu.tsx'
import { useGo } from '../../components/PageLink.tsx'
import { useText } from '../../i18n/index.ts'
import { useRange } from '../../time/useRange.tsx'
import { traceCharts } from './charts.ts'

const height = 116

/** How many spans match, how many of them fail, how long they take. */
export function TraceCharts({ query, service }: { query: string; service?: string }) {
  const { t } = useText()
  const { span, tick } = useRange()
  const scheme = useComputedColorScheme('light')
  const go = useGo()
  const moment = useMoment(service)
  const { data, error } = useLive(['trace charts', query], span, (s, signal) => traceCharts(query, s, signal))
  const series = useMemo(() => {
    if (!data) return null
    const red = brokenColor(scheme)
    const blue = seriesColor(0, scheme)
    return {
      rate: [{ label: t('traces.perSecond'), color: blue, values: data.rate }],
      errors: [{ label: t('traces.errorShare'), color: red, values: data.errors, fill: true }],
      duration: [
        { label: t('red.p99'), color: blue, values: data.p99 },
        { label: t('red.p50'), color: seriesColor(2, scheme), values: data.p50 },
      ],
    }
  }, [data, scheme, t])
  if (error && !data) return <ErrorBox error={error} onRetry={tick} />
  const common = { span, height, sync: 'traces', onPick: moment.open }
  return (
    <div className="trace-charts" tabIndex={0} role="group" aria-label={t('traces.charts')}>
      {moment.menu}
      <Panel title={t('traces.perSecond')}>
        {data && series && (
          <TimeChart
            {...common}
            times={data.times}
            series={series.rate}
            unit="perSecond"
            label={t('traces.perSecond')}
          />
        )}
      </Panel>
      <Panel title={t('traces.errorShare')}>
        {data && series && (
          <TimeChart
            {...common}
            times={data.times}
            series={series.errors}
            unit="share"
            label={t('traces.errorShare')}
          />
        )}
      </Panel>
      <Panel title={t('traces.durations')} series={series?.duration} hint={t('service.exemplars')}>
        {data && series && (
          <TimeChart
            {...common}
            times={data.times}
            series={series.duration}
            unit="seconds"
            label={t('traces.durations')}
            exemplars={data.exemplars}
            onExemplar={(e) => go(`/traces/${e.traceId}`)}
          />
        )}
      </Panel>
    </div>
  )
}

function Panel(p: { title: string; series?: ChartSeries[]; hint?: string; children: React.ReactNode }) {
  return (
    <section className="panel">
      <div className="panel-head">
        <h2>{p.title}</h2>
        {p.series?.map((s) => (
          <span key={s.label} className="row muted trace-charts-legend">
            <i className="swatch" style={{ background: s.color }} />
            {s.label}
          </span>
        ))}
        <span className="grow" />
        {p.hint && (
          <span className="muted hint" title={p.hint}>
            ◇
          </span>
        )}
      </div>
      <div className="panel-chart">{p.children || <Skeleton height={height} />}</div>
    </section>
  )
}
