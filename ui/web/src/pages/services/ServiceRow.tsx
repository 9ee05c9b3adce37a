import type { Service } from '../../api/hinomi.ts'
import { Sparkline } from '../../charts/Sparkline.tsx'
import { PageLink } from '../../components/PageLink.tsx'
import { StateBadge } from '../../components/StateMark.tsx'
import { verdict } from '../../components/verdict.ts'
import { ms, rate, share } from '../../format/units.ts'
import { useText } from '../../i18n/index.ts'

export function ServiceRow({ service: s }: { service: Service }) {
  const { t, locale } = useText()
  const { headline, details } = verdict(s, t, locale)
  const failing = (s.now.errorShare ?? 0) >= 0.01
  const before = (value: string) => t('red.hourAgo', { value })
  return (
    <tr>
      <td>
        <StateBadge state={s.state} />
      </td>
      <td className="service-name">
        <PageLink className="name-link" to={`/services/${encodeURIComponent(s.name)}`}>
          {s.name}
        </PageLink>
        {s.state !== 'ok' && (
          <div className="muted row-verdict" title={[headline, ...details].join(', ')}>
            {headline}
          </div>
        )}
      </td>
      <td className="num" title={before(rate(s.hourAgo.requestsPerSecond, locale))}>
        {rate(s.now.requestsPerSecond, locale)}
      </td>
      <td className="spark-col">
        <Sparkline values={s.spark.requestsPerSecond} height={22} label={t('red.rate')} />
      </td>
      <td className={`num ${failing ? 'bad' : ''}`} title={before(share(s.hourAgo.errorShare, locale))}>
        {share(s.now.errorShare, locale)}
      </td>
      <td className="spark-col">
        <Sparkline
          values={s.spark.errorShare}
          max={Math.max(0.02, ...s.spark.errorShare.map((v) => v ?? 0))}
          height={22}
          label={t('red.errors')}
          tone={failing ? 'bad' : 'neutral'}
        />
      </td>
      <td className="num" title={before(ms(s.hourAgo.p50Ms, locale))}>
        {ms(s.now.p50Ms, locale)}
      </td>
      <td className={`num ${s.verdict.code === 'slow' ? 'warn' : ''}`} title={before(ms(s.hourAgo.p99Ms, locale))}>
        {ms(s.now.p99Ms, locale)}
      </td>
      <td className="spark-col">
        <Sparkline values={s.spark.p99Ms} height={22} label={t('red.p99')} />
      </td>
    </tr>
  )
}
