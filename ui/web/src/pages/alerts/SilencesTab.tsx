import { useMutation, useQueryClient } from '@tanstack/react-query'
import { expireSilence, matcherText, silences, type Silence } from '../../api/alertmanager.ts'
import { useLive } from '../../api/live.ts'
import { Empty, ErrorBox, Skeleton } from '../../components/Feedback.tsx'
import { When } from '../../components/When.tsx'
import { useText } from '../../i18n/index.ts'
import { useRange } from '../../time/useRange.tsx'
import { useSearch } from '../../url/useSearch.ts'

const order = { active: 0, pending: 1, expired: 2 }

/** Silences, active ones first. */
export function SilencesTab() {
  const { t } = useText()
  const { span, tick } = useRange()
  const { data, error } = useLive(['silences'], span, (_, signal) => silences(signal))
  if (error && !data) return <ErrorBox error={error} onRetry={tick} />
  if (!data) return <Skeleton height={200} />
  if (data.length === 0) {
    return (
      <section className="panel">
        <Empty title={t('alerts.noSilences')}>{t('alerts.noSilencesHint')}</Empty>
      </section>
    )
  }
  const sorted = data.toSorted(
    (a, b) => order[a.status.state] - order[b.status.state] || b.endsAt.localeCompare(a.endsAt),
  )
  return (
    <section className="panel scroll-x">
      <table className="data">
        <thead>
          <tr>
            <th>{t('services.state')}</th>
            <th>{t('alerts.matchers')}</th>
            <th>{t('alerts.comment')}</th>
            <th>{t('alerts.until')}</th>
            <th />
          </tr>
        </thead>
        <tbody>
          {sorted.map((s) => (
            <SilenceRow key={s.id} silence={s} />
          ))}
        </tbody>
      </table>
    </section>
  )
}

function SilenceRow({ silence: s }: { silence: Silence }) {
  const { t } = useText()
  const { tick } = useRange()
  const { setSearch } = useSearch()
  const client = useQueryClient()
  const expire = useMutation({
    mutationFn: () => expireSilence(s.id),
    onSuccess: async () => {
      await client.invalidateQueries()
      tick()
    },
  })
  const matchers = s.matchers.map(matcherText).join(', ')
  const over = s.status.state === 'expired'
  return (
    <tr className={over ? 'muted' : ''}>
      <td className="nowrap">{t(`alerts.silence_${s.status.state}`)}</td>
      <td className="mono">{matchers}</td>
      <td>
        {s.comment} <span className="muted">— {s.createdBy}</span>
      </td>
      <td className="nowrap">
        <When ms={Date.parse(s.endsAt)} />
      </td>
      <td className="num">
        {over ? (
          <button type="button" className="button" onClick={() => setSearch({ silence: matchers })}>
            {t('alerts.again')}
          </button>
        ) : (
          <button type="button" className="button" disabled={expire.isPending} onClick={() => expire.mutate()}>
            {t('alerts.expire')}
          </button>
        )}
        {expire.error && <ErrorBox error={expire.error} />}
      </td>
    </tr>
  )
}
