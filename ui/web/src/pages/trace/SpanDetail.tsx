import { ListFilter } from 'lucide-react'
import { quote } from '../../api/prometheus.ts'
import { PageLink } from '../../components/PageLink.tsx'
import { ms } from '../../format/units.ts'
import { useText } from '../../i18n/index.ts'
import { around } from '../../time/range.ts'
import type { Node } from './layout.ts'

/** Everything known about one span, and where to go from it. */
export function SpanDetail({ node, traceStart }: { node: Node; traceStart: number }) {
  const { t, locale } = useText()
  const s = node.span
  const near = around(s.startMs, 300_000)
  return (
    <section className="panel span-detail">
      <div className="panel-head">
        <h2 className="grow">
          {s.service} <span className="muted">{s.name}</span>
        </h2>
      </div>
      <div className="panel-body stack">
        <dl className="facts">
          <Fact name={t('trace.duration')} value={ms(s.durationMs, locale)} />
          <Fact name={t('trace.selfTime')} value={ms(node.selfMs, locale)} />
          <Fact name={t('trace.startsAt')} value={`+${ms(s.startMs - traceStart, locale)}`} />
          <Fact name={t('trace.kind')} value={s.kind} />
        </dl>
        {s.error && (
          <div className="error-box">
            <strong>{t('trace.failed')}</strong>
            {s.statusMessage && <code>{s.statusMessage}</code>}
          </div>
        )}
        <div className="row wrap">
          <PageLink className="button" to={`/services/${encodeURIComponent(s.service)}`} search={{ ...near }}>
            {s.service}
          </PageLink>
          <PageLink className="button" to="/explore/logs" search={{ ...near, q: `service_name=${s.service}` }}>
            <ListFilter size={14} />
            {t('trace.serviceLogs')}
          </PageLink>
          <PageLink
            className="button"
            to="/explore/traces"
            search={{ ...around(s.startMs, 1800_000), service: s.service, name: s.name }}
          >
            {t('trace.similar')}
          </PageLink>
        </div>
        {s.events.length > 0 && (
          <div>
            <h3 className="small-head">{t('trace.events')}</h3>
            {s.events.map((e, i) => (
              <details key={i} open={e.name === 'exception'}>
                <summary>
                  <span className="muted mono">+{ms(e.ms - s.startMs, locale)}</span> {e.name}
                </summary>
                <Attributes of={e.attributes} />
              </details>
            ))}
          </div>
        )}
        {s.links.length > 0 && (
          <div>
            <h3 className="small-head">{t('trace.links')}</h3>
            {s.links.map((l) => (
              <PageLink key={l.spanId} className="link mono" to={`/traces/${l.traceId}`} search={{ span: l.spanId }}>
                {l.traceId}
              </PageLink>
            ))}
          </div>
        )}
        <div>
          <h3 className="small-head">{t('trace.attributes')}</h3>
          <Attributes of={s.attributes} scope="span" />
        </div>
        <details>
          <summary className="small-head">{t('trace.resource')}</summary>
          <Attributes of={s.resource} scope="resource" />
        </details>
      </div>
    </section>
  )
}

function Fact({ name, value }: { name: string; value: string }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{value}</dd>
    </div>
  )
}

/** Names and values; a value finds the other spans that have it. */
function Attributes({ of, scope }: { of: Record<string, string>; scope?: 'span' | 'resource' }) {
  const { t } = useText()
  return (
    <table className="log-fields">
      <tbody>
        {Object.entries(of)
          .toSorted(([a], [b]) => a.localeCompare(b))
          .map(([k, v]) => (
            <tr key={k}>
              <th scope="row">{k}</th>
              <td>
                {scope && v.length < 200 ? (
                  <PageLink
                    className="link-quiet"
                    title={t('trace.findSame')}
                    to="/explore/traces"
                    search={{ where: `${scope}.${k} = ${/^-?\d+(\.\d+)?$/.test(v) ? v : quote(v)}` }}
                  >
                    {v}
                  </PageLink>
                ) : (
                  <span className="pre-wrap">{v}</span>
                )}
              </td>
            </tr>
          ))}
      </tbody>
    </table>
  )
}
