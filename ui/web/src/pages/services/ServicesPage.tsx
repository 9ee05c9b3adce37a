import { TextInput } from '@mantine/core'
import { ArrowDown, ArrowUp, Search } from 'lucide-react'
import * as api from '../../api/hinomi.ts'
import { useLive } from '../../api/live.ts'
import { ErrorBox, Empty, Skeleton } from '../../components/Feedback.tsx'
import { useText } from '../../i18n/index.ts'
import { useRange } from '../../time/useRange.tsx'
import { useSearch } from '../../url/useSearch.ts'
import { Teach } from '../overview/Teach.tsx'
import { ServiceRow } from './ServiceRow.tsx'
import { sortServices, type SortKey } from './sort.ts'
import '../overview/overview.css'
import './services.css'

/** Every service with its numbers, worst first. */
export function ServicesPage() {
  const { t } = useText()
  const { span, tick } = useRange()
  const { search, setSearch } = useSearch()
  const { data, error } = useLive(['services'], span, api.services)
  if (error && !data) return <ErrorBox error={error} onRetry={tick} />
  const sort = (search.sort ?? 'worst') as SortKey
  const up = search.order === 'up'
  const text = (search.find ?? '').toLowerCase()
  const all = data?.services ?? []
  const shown = sortServices(
    all.filter((s) => s.name.toLowerCase().includes(text)),
    sort,
    up,
  )
  const head = (key: SortKey, label: string, className = '') => (
    <th className={className} aria-sort={sort === key ? (up ? 'ascending' : 'descending') : undefined}>
      <button
        type="button"
        onClick={() => setSearch({ sort: key, order: sort === key && !up ? 'up' : undefined }, { replace: true })}
      >
        {label}
        {sort === key && key !== 'worst' && (up ? <ArrowUp size={12} /> : <ArrowDown size={12} />)}
      </button>
    </th>
  )
  if (data && all.length === 0) return <Teach />
  return (
    <>
      <div className="row">
        <TextInput
          id="page-search"
          size="xs"
          w={240}
          leftSection={<Search size={14} />}
          placeholder={t('services.find')}
          aria-label={t('services.find')}
          value={search.find ?? ''}
          onChange={(e) => setSearch({ find: e.currentTarget.value }, { replace: true })}
        />
        <span className="muted">{data && t('services.count', { count: shown.length })}</span>
      </div>
      <section className="panel services-panel">
        {data ? (
          <table className="data services-table">
            <thead>
              <tr>
                {head('worst', t('services.state'))}
                {head('name', t('services.name'))}
                {head('rate', t('red.rate'), 'num')}
                <th aria-hidden className="spark-col" />
                {head('errors', t('red.errors'), 'num')}
                <th aria-hidden className="spark-col" />
                {head('p50', t('red.p50'), 'num')}
                {head('p99', t('red.p99'), 'num')}
                <th aria-hidden className="spark-col" />
              </tr>
            </thead>
            <tbody>
              {shown.map((s) => (
                <ServiceRow key={s.name} service={s} />
              ))}
            </tbody>
          </table>
        ) : (
          <div className="panel-body stack">
            {Array.from({ length: 15 }, (_, i) => (
              <Skeleton key={i} height={28} />
            ))}
          </div>
        )}
        {data && shown.length === 0 && <Empty title={t('services.noneMatch', { text: search.find ?? '' })} />}
      </section>
    </>
  )
}
