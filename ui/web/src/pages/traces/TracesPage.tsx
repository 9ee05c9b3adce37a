import { Autocomplete, SegmentedControl, TextInput } from '@mantine/core'
import { Play, X } from 'lucide-react'
import { useMemo, useState } from 'react'
import { useQuery } from '@tanstack/react-query'
import { useLive } from '../../api/live.ts'
import { tagNames, tagValues } from '../../api/tempo.ts'
import { useServiceColor } from '../../charts/useServiceColor.ts'
import { Empty, ErrorBox, Skeleton } from '../../components/Feedback.tsx'
import { QueryEditor } from '../../editor/QueryEditor.tsx'
import { useText } from '../../i18n/index.ts'
import { absolute } from '../../time/range.ts'
import { useRange } from '../../time/useRange.tsx'
import { useDraft } from '../../url/useDraft.ts'
import { useSearch } from '../../url/useSearch.ts'
import { isDuration, toTraceql } from './query.ts'
import { limit, sampleTraces } from './sample.ts'
import { Scatter } from './Scatter.tsx'
import { TraceCharts } from './TraceCharts.tsx'
import { TraceTable } from './TraceTable.tsx'
import './traces.css'

/** Find traces, with a form or in TraceQL. */
export function TracesPage() {
  const { t } = useText()
  const { search, setSearch } = useSearch()
  const { span, setRange, tick } = useRange()
  const color = useServiceColor()
  const [highlighted, setHighlighted] = useState<string | null>(null)
  const advanced = search.q !== undefined
  const query = advanced ? search.q! : toTraceql(search)
  const [draft, setDraft] = useDraft(query)
  const { data, error } = useLive(['traces', query], span, (s, signal) => sampleTraces(query, s, signal))
  const vocabulary = useMemo(() => ({ names: () => tagNames(), values: (name: string) => tagValues(name) }), [])
  const run = (q: string) => {
    tick()
    setSearch({ q: q.trim() || '{ }', ...noForm })
  }
  const brush = (s: { from: number; to: number }, min: number, max: number) => {
    setRange(absolute(s))
    if (max > 0 && !advanced) setSearch({ ...absolute(s), min: `${Math.floor(min)}ms`, max: `${Math.ceil(max)}ms` })
  }
  return (
    <>
      <section className="stack traces-form">
        {advanced ? (
          <div className="query-row">
            <QueryEditor
              id="page-search"
              value={draft}
              onChange={setDraft}
              onRun={run}
              language="traceql"
              label={t('traces.query')}
              placeholder={'{ resource.service.name = "payment" && duration > 100ms }'}
              vocabulary={vocabulary}
            />
            <button type="button" className="button" onClick={() => run(draft)}>
              <Play size={13} />
              {t('action.run')}
            </button>
            <button type="button" className="button" onClick={() => setSearch({ q: undefined })}>
              {t('traces.form')}
            </button>
          </div>
        ) : (
          <Filters query={query} />
        )}
      </section>
      <section className="panel traces-scatter">
        {data ? (
          <Scatter
            traces={data}
            span={span}
            onBrush={brush}
            color={color}
            highlighted={highlighted}
            onHighlight={setHighlighted}
          />
        ) : (
          <Skeleton height={170} />
        )}
      </section>
      {!(error && !data) && <TraceCharts query={query} service={search.service} />}
      {error && !data ? (
        <ErrorBox error={error} onRetry={tick} />
      ) : !data ? (
        <Skeleton height={400} />
      ) : data.length === 0 ? (
        <section className="panel">
          <Empty title={t('traces.none')}>{t('traces.noneHint')}</Empty>
        </section>
      ) : (
        <TraceTable traces={data} limit={limit} highlighted={highlighted} onHighlight={setHighlighted} />
      )}
    </>
  )
}

const noForm = {
  service: undefined,
  name: undefined,
  status: undefined,
  min: undefined,
  max: undefined,
  where: undefined,
}

function Filters({ query }: { query: string }) {
  const { t } = useText()
  const { search, setSearch } = useSearch()
  const any = Object.keys(noForm).some((k) => search[k])
  return (
    <div className="row wrap">
      <TagInput name="resource.service.name" value={search.service ?? ''} label={t('traces.service')} set="service" />
      <TagInput name="name" value={search.name ?? ''} label={t('traces.name')} set="name" width={220} />
      <SegmentedControl
        size="xs"
        aria-label={t('traces.status')}
        value={search.status ?? ''}
        onChange={(status) => setSearch({ status })}
        data={[
          { value: '', label: t('traces.any') },
          { value: 'error', label: t('traces.errors') },
        ]}
      />
      <DurationInput value={search.min ?? ''} label={t('traces.min')} set="min" />
      <DurationInput value={search.max ?? ''} label={t('traces.max')} set="max" />
      {search.where && (
        <button type="button" className="button mono" onClick={() => setSearch({ where: undefined })}>
          {search.where}
          <X size={12} aria-label={t('action.remove')} />
        </button>
      )}
      {any && (
        <button type="button" className="button" onClick={() => setSearch(noForm)}>
          <X size={13} />
          {t('action.clear')}
        </button>
      )}
      <span className="grow" />
      <button type="button" className="button" onClick={() => setSearch({ q: query, ...noForm })}>
        {t('traces.traceql')}
      </button>
    </div>
  )
}

/** A text that is one of the values a tag has. */
function TagInput(p: { name: string; value: string; label: string; set: string; width?: number }) {
  const { setSearch } = useSearch()
  const [text, setText] = useDraft(p.value)
  const { data } = useQuery({
    queryKey: ['tag values', p.name],
    queryFn: ({ signal }) => tagValues(p.name, signal),
    staleTime: 60_000,
  })
  return (
    <Autocomplete
      size="xs"
      w={p.width ?? 170}
      placeholder={p.label}
      aria-label={p.label}
      data={data ?? []}
      limit={60}
      value={text}
      onChange={(v) => {
        setText(v)
        if (v === '' || data?.includes(v)) setSearch({ [p.set]: v })
      }}
      onKeyDown={(e) => {
        if (e.key === 'Enter') setSearch({ [p.set]: text })
      }}
    />
  )
}

function DurationInput(p: { value: string; label: string; set: string }) {
  const { t } = useText()
  const { setSearch } = useSearch()
  const [text, setText] = useDraft(p.value)
  const wrong = text !== '' && !isDuration(text)
  const apply = () => {
    if (!wrong) setSearch({ [p.set]: text.trim() })
  }
  return (
    <TextInput
      size="xs"
      w={150}
      placeholder={p.label}
      aria-label={p.label}
      value={text}
      error={wrong}
      title={wrong ? t('traces.durationHint') : undefined}
      onChange={(e) => setText(e.currentTarget.value)}
      onBlur={apply}
      onKeyDown={(e) => {
        if (e.key === 'Enter') apply()
      }}
    />
  )
}
