import { useComputedColorScheme } from '@mantine/core'
import { useMemo } from 'react'
import { useLive } from '../../api/live.ts'
import { brokenColor, seriesColor } from '../../charts/colors.ts'
import { TimeChart, type Exemplar } from '../../charts/TimeChart.tsx'
import { ErrorBox, Skeleton } from '../../components/Feedback.tsx'
import { useMoment } from '../../components/MomentMenu.tsx'
import { useGo } from '../../components/PageLink.tsx'
import { useText } from '../../i18n/index.ts'
import { useRange } from '../../time/useRange.tsx'
import { redCharts } from './red.ts'

const height = 170

/** Rate, errors and latency: three charts with one cursor. */
export function RedPanel({ service }: { service: string }) {
  const { t } = useText()
  const { span, tick } = useRange()
  const scheme = useComputedColorScheme('light')
  const go = useGo()
  const moment = useMoment(service)
  const { data, error } = useLive(['red', service], span, (s, signal) => redCharts(service, s, signal))
  const blue = seriesColor(0, scheme)
  const red = brokenColor(scheme)
  const charts = useMemo(() => {
    if (!data) return null
    return {
      rate: [{ label: t('service.all'), color: blue, values: data.rate, fill: true }],
      errors: [{ label: t('red.errors'), color: red, values: data.errors, fill: true }],
      latency: [
        { label: 'p99', color: blue, values: data.p99.map((v) => (v === null ? null : v)) },
        { label: 'p90', color: seriesColor(5, scheme), values: data.p90 },
        { label: 'p50', color: seriesColor(2, scheme), values: data.p50 },
      ],
    }
  }, [data, t, blue, red, scheme])
  if (error && !data) return <ErrorBox error={error} onRetry={tick} />
  const openTrace = (e: Exemplar) => go(`/traces/${e.traceId}`)
  const common = { span, height, sync: 'red', onPick: moment.open }
  return (
    <div className="red-charts">
      {moment.menu}
      <section className="panel">
        <div className="panel-head">
          <h2>{t('service.requestsPerSecond')}</h2>
        </div>
        <div className="panel-chart">
          {data && charts ? (
            <TimeChart {...common} times={data.times} series={charts.rate} unit="perSecond" label={t('red.rate')} />
          ) : (
            <Skeleton height={height} />
          )}
        </div>
      </section>
      <section className="panel">
        <div className="panel-head">
          <h2>{t('service.errorShare')}</h2>
        </div>
        <div className="panel-chart">
          {data && charts ? (
            <TimeChart {...common} times={data.times} series={charts.errors} unit="share" label={t('red.errors')} />
          ) : (
            <Skeleton height={height} />
          )}
        </div>
      </section>
      <section className="panel">
        <div className="panel-head">
          <h2>{t('service.latency')}</h2>
          {charts?.latency.map((s) => (
            <span key={s.label} className="row muted" style={{ gap: 5 }}>
              <i className="swatch" style={{ background: s.color }} />
              {s.label}
            </span>
          ))}
          <span className="grow" />
          <span className="muted hint" title={t('service.exemplars')}>
            ◇
          </span>
        </div>
        <div className="panel-chart">
          {data && charts ? (
            <TimeChart
              {...common}
              times={data.times}
              series={charts.latency}
              unit="seconds"
              label={t('red.latency')}
              exemplars={data.exemplars}
              onExemplar={openTrace}
            />
          ) : (
            <Skeleton height={height} />
          )}
        </div>
      </section>
    </div>
  )
}
