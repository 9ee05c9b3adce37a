import type { Operation } from '../../api/hinomi.ts'
import { Skeleton } from '../../components/Feedback.tsx'
import { PageLink } from '../../components/PageLink.tsx'
import { ms, rate, share } from '../../format/units.ts'
import { useText } from '../../i18n/index.ts'

/** What the service serves; each row opens its traces. */
export function Operations({ service, operations }: { service: string; operations?: Operation[] }) {
  const { t, locale } = useText()
  return (
    <section className="panel">
      <div className="panel-head">
        <h2>{t('service.operations')}</h2>
      </div>
      {!operations ? (
        <div className="panel-body">
          <Skeleton height={90} />
        </div>
      ) : operations.length === 0 ? (
        <div className="panel-body muted">{t('service.noOperations')}</div>
      ) : (
        <div className="scroll-x">
          <table className="data">
            <thead>
              <tr>
                <th>{t('service.operation')}</th>
                <th className="num">{t('service.colRate')}</th>
                <th className="num">{t('service.colErrors')}</th>
                <th className="num">p50</th>
                <th className="num">p99</th>
              </tr>
            </thead>
            <tbody>
              {operations.map((o) => (
                <tr key={`${o.kind} ${o.name}`}>
                  <td>
                    <PageLink className="mono name-link" to="/explore/traces" search={{ service, name: o.name }}>
                      {o.name}
                    </PageLink>
                    {o.kind === 'consumer' && <span className="tag">{t('service.consumer')}</span>}
                  </td>
                  <td className="num">{rate(o.requestsPerSecond, locale)}</td>
                  <td className={`num ${(o.errorShare ?? 0) >= 0.01 ? 'bad' : ''}`}>
                    {(o.errorShare ?? 0) > 0 ? (
                      <PageLink
                        className="link-quiet"
                        to="/explore/traces"
                        search={{ service, name: o.name, status: 'error' }}
                      >
                        {share(o.errorShare, locale)}
                      </PageLink>
                    ) : (
                      share(o.errorShare, locale)
                    )}
                  </td>
                  <td className="num">{ms(o.p50Ms, locale)}</td>
                  <td className="num">{ms(o.p99Ms, locale)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </section>
  )
}
