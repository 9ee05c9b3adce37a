import { TextInput } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { Search } from 'lucide-react'
import { useState } from 'react'
import { getJSON } from '../../api/http.ts'
import { metadata } from '../../api/prometheus.ts'
import { ErrorBox, Skeleton } from '../../components/Feedback.tsx'
import { useText } from '../../i18n/index.ts'
import { Teach } from '../overview/Teach.tsx'
import { firstQuery } from './queries.ts'

/** Every metric there is; a click makes the query that suits its type. */
export function MetricBrowser({ onChoose }: { onChoose: (query: string) => void }) {
  const { t } = useText()
  const [find, setFind] = useState('')
  const names = useQuery({
    queryKey: ['metric names'],
    queryFn: async ({ signal }) =>
      (await getJSON<{ data: string[] | null }>('/api/v1/label/__name__/values', {}, signal)).data ?? [],
  })
  const meta = useQuery({ queryKey: ['metadata'], queryFn: ({ signal }) => metadata(signal) })
  if (names.error) return <ErrorBox error={names.error} onRetry={() => void names.refetch()} />
  if (names.data?.length === 0) return <Teach />
  const about = (name: string) => meta.data?.[name]?.[0] ?? meta.data?.[name.replace(/_(bucket|count|sum)$/, '')]?.[0]
  const words = find.toLowerCase().split(/\s+/).filter(Boolean)
  const every = new Set(names.data)
  // The buckets stand for the whole histogram.
  const part = (n: string) => /_(count|sum)$/.test(n) && every.has(n.replace(/_(count|sum)$/, '_bucket'))
  const shown = [...every].filter((n) => !part(n) && words.every((w) => n.toLowerCase().includes(w)))
  return (
    <section className="panel">
      <div className="panel-head">
        <h2>{t('metrics.choose')}</h2>
        <span className="muted">{names.data && t('metrics.count', { count: shown.length })}</span>
      </div>
      <div className="panel-body">
        <TextInput
          size="xs"
          leftSection={<Search size={14} />}
          placeholder={t('metrics.find')}
          aria-label={t('metrics.find')}
          value={find}
          onChange={(e) => setFind(e.currentTarget.value)}
        />
        {!names.data ? (
          <Skeleton height={300} />
        ) : (
          <ul className="metric-list">
            {shown.slice(0, 400).map((name) => (
              <li key={name}>
                <button type="button" className="plain" onClick={() => onChoose(firstQuery(name, about(name)))}>
                  <span className="mono">
                    {about(name)?.type === 'histogram' ? name.replace(/_bucket$/, '') : name}
                  </span>
                  {about(name)?.type && <span className="tag">{about(name)!.type}</span>}
                  <span className="muted metric-help">{about(name)?.help}</span>
                </button>
              </li>
            ))}
          </ul>
        )}
      </div>
    </section>
  )
}
