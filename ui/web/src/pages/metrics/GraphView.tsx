import { useComputedColorScheme } from '@mantine/core'
import { useMemo, useState } from 'react'
import { useQueries } from '@tanstack/react-query'
import { queryExemplars, queryRange, type RangeAnswer } from '../../api/prometheus.ts'
import { useLive } from '../../api/live.ts'
import { seriesColor } from '../../charts/colors.ts'
import { useServiceColor } from '../../charts/useServiceColor.ts'
import { shortNames, summarize, toFrame } from '../../charts/frame.ts'
import { TimeChart } from '../../charts/TimeChart.tsx'
import { Empty, ErrorBox, Skeleton } from '../../components/Feedback.tsx'
import { useMoment } from '../../components/MomentMenu.tsx'
import { useGo } from '../../components/PageLink.tsx'
import { guessUnit, withUnit } from '../../format/units.ts'
import { useText } from '../../i18n/index.ts'
import { align, niceStep } from '../../time/range.ts'
import { useRange } from '../../time/useRange.tsx'
import { slowest } from '../service/red.ts'
import { useSearch } from '../../url/useSearch.ts'

const points = 300
/** More lines than this tell nobody anything, and cost time to draw. */
const maxSeries = 60

/** The series of all queries in one graph, and their numbers. */
export function GraphView({ queries }: { queries: string[] }) {
  const { t, locale } = useText()
  const { span, tick } = useRange()
  const { search, setSearch } = useSearch()
  const scheme = useComputedColorScheme('light')
  const serviceColor = useServiceColor()
  const go = useGo()
  const moment = useMoment()
  const [focus, setFocus] = useState<number | null>(null)
  const step = niceStep(span, points, 5)
  const grid = useMemo(() => align(span, step), [span, step])
  const answers = useQueries({
    queries: queries.map((q) => ({
      queryKey: [`graph ${step} ${q}`, grid.from, grid.to],
      queryFn: ({ signal }: { signal: AbortSignal }) => queryRange(q, grid, step, signal),
      placeholderData: (previous: RangeAnswer | undefined, query?: { queryKey: readonly unknown[] }) =>
        query?.queryKey[0] === `graph ${step} ${q}` ? previous : undefined,
    })),
  })
  const unit = guessUnit(queries[0] ?? '')
  const withExemplars = search.exemplars === '1'
  const exemplars = useLive(
    ['exemplars', queries[0]],
    span,
    async (s, signal) => slowest(await queryExemplars(queries[0] ?? '', s, signal), s, 60),
    withExemplars && unit === 'seconds',
  )
  const results = answers.map((a) => a.data)
  const frame = useMemo(() => {
    const frames = results.map((r) => (r ? toFrame(r.series, grid, step) : null))
    const rows = frames.flatMap((f, i) => {
      if (!f) return []
      const names = shortNames(f.rows)
      return f.rows.map((r, j) => ({
        label: queries.length > 1 ? `${String.fromCharCode(65 + i)} ${names[j]}` : names[j]!,
        values: r.values,
        // A line that stands for a service has the service's colour.
        service: single(f.rows) ? serviceOf(r.metric) : undefined,
      }))
    })
    const times = frames.find((f) => f)?.times ?? []
    return { times, rows }
    // The answers are the only thing that changes; the array around them is new each time.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [...results, grid, step])
  const isolated = search.only
  const all = frame.rows.map((r, i) => ({
    ...r,
    color: r.service && queries.length === 1 ? serviceColor(r.service) : seriesColor(i, scheme),
    summary: summarize(r.values),
  }))
  const drawn = (isolated ? all.filter((s) => s.label === isolated) : all).slice(0, maxSeries)
  const series = useMemo(
    () => drawn.map(({ label, color, values }) => ({ label, color, values })),
    // eslint-disable-next-line react-hooks/exhaustive-deps
    [frame, isolated, scheme, serviceColor],
  )
  const failed = answers.find((a) => a.error)
  const waiting = answers.some((a) => !a.data && !a.error)
  const warnings = [...new Set(results.flatMap((r) => r?.warnings ?? []))]
  return (
    <>
      {moment.menu}
      {failed && <ErrorBox error={failed.error} onRetry={tick} />}
      {warnings.length > 0 && <div className="warning-line warn">{warnings.join(' · ')}</div>}
      {waiting && all.length === 0 ? (
        <Skeleton height={340} />
      ) : all.length === 0 ? (
        !failed && (
          <section className="panel">
            <Empty title={t('metrics.none')}>{t('metrics.noneHint')}</Empty>
          </section>
        )
      ) : (
        <section className="panel">
          <div className="panel-chart">
            <TimeChart
              times={frame.times}
              series={series}
              span={span}
              unit={unit}
              zero={false}
              height={340}
              label={queries.join(', ')}
              focus={focus}
              exemplars={withExemplars ? exemplars.data : undefined}
              onExemplar={(e) => go(`/traces/${e.traceId}`)}
              onPick={moment.open}
            />
          </div>
          <div className="legend">
            <table className="data">
              <thead>
                <tr>
                  <th>
                    {t('metrics.series', { count: all.length })}
                    {all.length > maxSeries && ` · ${t('metrics.drawn', { count: maxSeries })}`}
                    {unit === 'seconds' && (
                      <button
                        type="button"
                        className="link exemplar-toggle"
                        aria-pressed={withExemplars}
                        onClick={() => setSearch({ exemplars: withExemplars ? undefined : '1' }, { replace: true })}
                      >
                        {withExemplars ? t('metrics.hideExemplars') : t('metrics.showExemplars')}
                      </button>
                    )}
                  </th>
                  <th className="num">{t('metrics.last')}</th>
                  <th className="num">{t('metrics.min')}</th>
                  <th className="num">{t('metrics.max')}</th>
                  <th className="num">{t('metrics.mean')}</th>
                </tr>
              </thead>
              <tbody>
                {all.slice(0, 300).map((s, i) => (
                  <tr
                    key={s.label + i}
                    onPointerEnter={() => setFocus(isolated ? null : i)}
                    onPointerLeave={() => setFocus(null)}
                    className={isolated && isolated !== s.label ? 'legend-off' : ''}
                  >
                    <td>
                      <button
                        type="button"
                        className="plain legend-name mono"
                        aria-pressed={isolated === s.label}
                        onClick={() =>
                          setSearch({ only: isolated === s.label ? undefined : s.label }, { replace: true })
                        }
                      >
                        <i className="swatch" style={{ background: s.color }} />
                        {s.label}
                      </button>
                    </td>
                    <td className="num">{withUnit(s.summary.last, unit, locale)}</td>
                    <td className="num">{withUnit(s.summary.min, unit, locale)}</td>
                    <td className="num">{withUnit(s.summary.max, unit, locale)}</td>
                    <td className="num">{withUnit(s.summary.mean, unit, locale)}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        </section>
      )}
    </>
  )
}

const serviceOf = (metric: Record<string, string>) => metric.service ?? metric.service_name

/** Every series is another service. */
function single(rows: readonly { metric: Record<string, string> }[]): boolean {
  const names = rows.map((r) => serviceOf(r.metric))
  return names.every(Boolean) && new Set(names).size === rows.length
}
