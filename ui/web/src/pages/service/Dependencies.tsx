import type { Dependency } from '../../api/hinomi.ts'
import { useServiceColor } from '../../charts/useServiceColor.ts'
import { Skeleton } from '../../components/Feedback.tsx'
import { PageLink } from '../../components/PageLink.tsx'
import { ms, rate, share } from '../../format/units.ts'
import { useText } from '../../i18n/index.ts'

/** One direction of the service graph around a service. */
export function Dependencies({ title, none, list }: { title: string; none: string; list?: Dependency[] }) {
  const { t, locale } = useText()
  const color = useServiceColor()
  const kind = (type: string) =>
    type === 'database'
      ? t('service.database')
      : type === 'messaging_system'
        ? t('service.messaging')
        : type === 'virtual_node'
          ? t('service.external')
          : ''
  return (
    <section className="panel">
      <div className="panel-head">
        <h2>{title}</h2>
      </div>
      <div className="panel-body dependencies">
        {!list && <Skeleton height={60} />}
        {list?.length === 0 && <div className="muted">{none}</div>}
        {list?.map((d) => (
          <div key={`${d.type} ${d.name}`} className="dependency">
            <div className="row">
              {d.type === 'database' || d.type === 'virtual_node' ? (
                <span className="dependency-name">{d.name}</span>
              ) : (
                <PageLink className="name-link dependency-name" to={`/services/${encodeURIComponent(d.name)}`}>
                  {d.name}
                </PageLink>
              )}
              {kind(d.type) && <span className="tag">{kind(d.type)}</span>}
              <span className="grow" />
              <span className="muted">{rate(d.requestsPerSecond, locale)}</span>
              <span className={(d.errorShare ?? 0) >= 0.01 ? 'bad' : 'muted'}>{share(d.errorShare, locale)}</span>
              <span className="muted dependency-p99">{ms(d.p99Ms, locale)}</span>
            </div>
            <div className="share-bar" title={`${t('service.share')} ${share(d.share, locale)}`}>
              <i style={{ width: `${d.share * 100}%`, background: color(d.name) }} />
            </div>
          </div>
        ))}
      </div>
    </section>
  )
}
