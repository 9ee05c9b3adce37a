import type { FoundTrace } from '../../api/tempo.ts'
import { useServiceColor } from '../../charts/useServiceColor.ts'
import { PageLink } from '../../components/PageLink.tsx'
import { fullTime, utc } from '../../format/time.ts'
import { ms, num } from '../../format/units.ts'
import { useText } from '../../i18n/index.ts'
import { useSearch } from '../../url/useSearch.ts'

interface Props {
  traces: FoundTrace[]
  limit: number
  highlighted: string | null
  onHighlight: (traceId: string | null) => void
}

/** What was found: newest first, or longest first. */
export function TraceTable({ traces, limit, highlighted, onHighlight }: Props) {
  const { t, locale } = useText()
  const { search, setSearch } = useSearch()
  const color = useServiceColor()
  const longest = search.sort === 'longest'
  const sorted = traces.toSorted((a, b) => (longest ? b.durationMs - a.durationMs : b.startMs - a.startMs))
  const max = Math.max(1, ...traces.map((x) => x.durationMs))
  return (
    <section className="panel">
      <div className="panel-head">
        <h2>{t('traces.count', { count: traces.length })}</h2>
        {traces.length >= limit * 0.8 && <span className="muted">{t('traces.limited')}</span>}
        <span className="grow" />
        <button
          type="button"
          className="button"
          aria-pressed={longest}
          onClick={() => setSearch({ sort: longest ? undefined : 'longest' }, { replace: true })}
        >
          {t('traces.longest')}
        </button>
      </div>
      <div className="scroll-x">
        <table className="data traces-table">
          <thead>
            <tr>
              <th>{t('traces.start')}</th>
              <th>{t('traces.trace')}</th>
              <th>{t('traces.duration')}</th>
              <th className="num">{t('traces.spans')}</th>
              <th className="num">{t('red.errors')}</th>
              <th className="wide-only">{t('nav.services')}</th>
            </tr>
          </thead>
          <tbody>
            {sorted.map((x) => (
              <tr
                key={x.traceId}
                className={x.traceId === highlighted ? 'highlighted' : ''}
                onPointerEnter={() => onHighlight(x.traceId)}
                onPointerLeave={() => onHighlight(null)}
              >
                <td className="nowrap muted" title={utc(x.startMs)}>
                  {fullTime(x.startMs, locale)}
                </td>
                <td>
                  <PageLink
                    className="name-link"
                    to={`/traces/${x.traceId}`}
                    search={{ span: x.matched < x.spanCount ? x.spans[0]?.spanId : undefined }}
                  >
                    <i className="dot" style={{ background: color(x.service) }} />
                    {x.service} <span className="mono muted">{x.name}</span>
                  </PageLink>
                </td>
                <td>
                  <div className="duration-cell">
                    <span className="duration-bar">
                      <i style={{ width: `${(x.durationMs / max) * 100}%` }} />
                    </span>
                    {ms(x.durationMs, locale)}
                  </div>
                </td>
                <td className="num">{num(x.spanCount, locale)}</td>
                <td className={`num ${x.errorCount ? 'bad' : 'muted'}`}>{num(x.errorCount, locale)}</td>
                <td className="wide-only trace-services">
                  {x.services.slice(0, 5).map((s) => (
                    <span key={s.name} className={s.errors ? 'bad' : 'muted'}>
                      {s.name}
                    </span>
                  ))}
                  {x.services.length > 5 && <span className="muted">+{x.services.length - 5}</span>}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  )
}
