import { useQuery } from '@tanstack/react-query'
import { useParams } from '@tanstack/react-router'
import { useMemo } from 'react'
import { ApiError } from '../../api/http.ts'
import { trace, type TraceSpan } from '../../api/tempo.ts'
import { useServiceColor } from '../../charts/useServiceColor.ts'
import { Empty, ErrorBox, Skeleton } from '../../components/Feedback.tsx'
import { StateMark } from '../../components/StateMark.tsx'
import { fullTime, utc } from '../../format/time.ts'
import { ms, num, share } from '../../format/units.ts'
import { useText } from '../../i18n/index.ts'
import { useSearch } from '../../url/useSearch.ts'
import { layout, type Node, type Waterfall } from './layout.ts'
import { awaited, settling } from './settling.ts'
import { SpanDetail } from './SpanDetail.tsx'
import { TraceLogs } from './TraceLogs.tsx'
import { WaterfallView } from './WaterfallView.tsx'
import './trace.css'

/** One trace: where its time went, what failed, and what it logged. */
export function TracePage() {
  const { t } = useText()
  const { id } = useParams({ strict: false }) as { id: string }
  const { search, setSearch } = useSearch()
  const { data, error, refetch } = useQuery({
    queryKey: ['trace', id],
    queryFn: ({ signal }) => trace(id, signal),
    staleTime: 60_000,
    refetchInterval: ({ state }) => (state.data ? settling(endOf(state.data)) : unknown(state.error) && awaited),
  })
  const waterfall = useMemo(() => (data ? layout(data) : null), [data])
  if (error && !data) {
    if (unknown(error)) {
      return <Empty title={t('trace.unknown')}>{t('trace.unknownHint')}</Empty>
    }
    return <ErrorBox error={error} onRetry={() => void refetch()} />
  }
  if (!waterfall) {
    return (
      <>
        <Skeleton height={50} width="50%" />
        <Skeleton height={500} />
      </>
    )
  }
  if (waterfall.rows.length === 0) return <Empty title={t('trace.unknown')}>{t('trace.unknownHint')}</Empty>
  // Without a choice, what failed is what one came for.
  const selected = waterfall.rows.find((r) => r.span.spanId === search.span) ?? firstFailure(waterfall)
  return (
    <>
      <TraceHead waterfall={waterfall} />
      <ServiceBar waterfall={waterfall} />
      <div className="trace-layout">
        <WaterfallView
          waterfall={waterfall}
          selected={selected?.span.spanId}
          onSelect={(span) => setSearch({ span: span === search.span ? undefined : span }, { replace: true })}
        />
        <div className="stack trace-side">
          {selected && <SpanDetail node={selected} traceStart={waterfall.startMs} />}
          <TraceLogs traceId={id} waterfall={waterfall} spanId={search.span} />
        </div>
      </div>
    </>
  )
}

const unknown = (err: unknown) => err instanceof ApiError && err.status === 404

/** When the last span ended, in Unix milliseconds. */
const endOf = (spans: readonly TraceSpan[]) => spans.reduce((end, s) => Math.max(end, s.startMs + s.durationMs), 0)

/** The deepest failure is where the others come from. */
function firstFailure(w: Waterfall): Node | undefined {
  const failed = w.rows.filter((r) => r.span.error)
  return failed.toSorted((a, b) => b.depth - a.depth || a.span.startMs - b.span.startMs)[0]
}

function TraceHead({ waterfall: w }: { waterfall: Waterfall }) {
  const { t, locale } = useText()
  const root = w.rows[0]!.span
  const first = firstFailure(w)
  return (
    <section className="verdict-line">
      <StateMark state={root.error ? 'broken' : w.errors ? 'risk' : 'ok'} size={18} />
      <div>
        <h1>
          {root.service} {root.name}
        </h1>
        <p>
          {ms(w.durationMs, locale)} · {t('trace.spans', { count: w.rows.length })} ·{' '}
          {t('trace.services', { count: w.services.length })} ·{' '}
          <time title={utc(w.startMs)}>{fullTime(w.startMs, locale)}</time>
          {first && (
            <span className="bad">
              {' · '}
              {t('trace.errors', { count: w.errors })}
              {': '}
              {first.span.service} {first.span.name}
              {first.span.statusMessage && ` (${first.span.statusMessage})`}
            </span>
          )}
          {w.orphans > 0 && <span className="warn"> · {t('trace.orphans', { count: w.orphans })}</span>}
        </p>
      </div>
    </section>
  )
}

/** Where the time went, by service. */
function ServiceBar({ waterfall: w }: { waterfall: Waterfall }) {
  const { t, locale } = useText()
  const color = useServiceColor()
  return (
    <section className="service-shares" aria-label={t('trace.timeByService')}>
      <div className="service-bar">
        {w.services.map((s) => (
          <i
            key={s.name}
            style={{ width: `${s.share * 100}%`, background: color(s.name) }}
            title={`${s.name} ${ms(s.selfMs, locale)}`}
          />
        ))}
      </div>
      <div className="row wrap service-legend">
        {w.services.slice(0, 8).map((s) => (
          <span key={s.name} title={`${num(s.spans, locale)} · ${ms(s.selfMs, locale)}`}>
            <i className="dot" style={{ background: color(s.name) }} />
            {s.name} <span className="muted">{share(s.share, locale)}</span>
          </span>
        ))}
      </div>
    </section>
  )
}
