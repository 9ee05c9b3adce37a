import { useComputedColorScheme } from '@mantine/core'
import { useMemo } from 'react'
import { logMatrix } from '../../api/loki.ts'
import { useLive } from '../../api/live.ts'
import { seriesColor } from '../../charts/colors.ts'
import { shortNames, toFrame } from '../../charts/frame.ts'
import { TimeChart } from '../../charts/TimeChart.tsx'
import { Empty, ErrorBox, Skeleton } from '../../components/Feedback.tsx'
import { useText } from '../../i18n/index.ts'
import { align, niceStep } from '../../time/range.ts'
import { useRange } from '../../time/useRange.tsx'

/** A metric query in LogQL, as lines. */
export function MetricResult({ logql }: { logql: string }) {
  const { t } = useText()
  const { span, tick } = useRange()
  const scheme = useComputedColorScheme('light')
  const step = niceStep(span, 150)
  const { data, error } = useLive(['log metric', logql, step], span, async (s, signal) => {
    const grid = align(s, step)
    const { series } = await logMatrix(logql, grid, step, signal)
    return toFrame(series, grid, step)
  })
  const series = useMemo(() => {
    if (!data) return []
    const names = shortNames(data.rows)
    return data.rows.map((r, i) => ({ label: names[i]!, color: seriesColor(i, scheme), values: r.values }))
  }, [data, scheme])
  if (error && !data) return <ErrorBox error={error} onRetry={tick} />
  if (!data) return <Skeleton height={320} />
  if (series.length === 0) return <Empty title={t('logs.none')}>{t('logs.noneHint')}</Empty>
  return (
    <section className="panel">
      <div className="panel-chart">
        <TimeChart times={data.times} series={series} span={span} unit="none" height={320} label={logql} />
      </div>
      <div className="panel-body row wrap">
        {series.map((s) => (
          <span key={s.label} className="row" style={{ gap: 5 }}>
            <i className="swatch" style={{ background: s.color }} />
            {s.label}
          </span>
        ))}
      </div>
    </section>
  )
}
