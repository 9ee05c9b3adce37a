import { CopyButton, Menu } from '@mantine/core'
import { Check, Copy, Play, Radio, WrapText } from 'lucide-react'
import { useMemo } from 'react'
import { labelNames, labelValues, logMatrix } from '../../api/loki.ts'
import { useLive } from '../../api/live.ts'
import { LevelHistogram, toBuckets } from '../../charts/LevelHistogram.tsx'
import { Empty, ErrorBox, Skeleton } from '../../components/Feedback.tsx'
import { QueryEditor } from '../../editor/QueryEditor.tsx'
import { compact, num } from '../../format/units.ts'
import { useText } from '../../i18n/index.ts'
import { align, defaultRange, niceStep } from '../../time/range.ts'
import { useRange } from '../../time/useRange.tsx'
import { useDraft } from '../../url/useDraft.ts'
import { useSearch } from '../../url/useSearch.ts'
import { FieldList } from './FieldList.tsx'
import { LogsBar } from './LogsBar.tsx'
import { MetricResult } from './MetricResult.tsx'
import { togglePattern } from './patterns.ts'
import { PatternsView } from './PatternsView.tsx'
import { addFilter, histogramQuery, isLogql, isMetricQuery, toLogql } from './query.ts'
import { isHeld } from './search.ts'
import { SearchStatus } from './SearchStatus.tsx'
import { TailStatus } from './TailStatus.tsx'
import { useLogSearch } from './useLogSearch.ts'
import { useTail } from './useTail.ts'
import { VirtualLogs } from './VirtualLogs.tsx'
import './logs.css'

const pageSize = 500
const bars = 90
/** What is around the lines of a live tail. */
const liveRange = { ...defaultRange, from: 'now-15m' }

/** Search in logs: words, filters, or LogQL. */
export function LogsPage() {
  const { t, locale } = useText()
  const { search, setSearch } = useSearch()
  const { span, range, tick } = useRange()
  const text = search.q ?? ''
  const [draft, setDraft] = useDraft(text)
  const limit = Math.min(5000, Number(search.limit) || pageSize)
  const logql = toLogql(text)
  const metric = isMetricQuery(logql)
  const wrap = search.wrap === '1'
  const patterns = search.view === 'patterns'
  // A range that has ended has no new lines.
  const live = search.live === '1' && range.to === 'now' && !metric && !patterns
  const step = niceStep(span, bars)
  const found = useLogSearch(logql, limit, !metric && !patterns && !live)
  const [tail, pauseTail] = useTail(logql, live)
  const histogram = useLive(
    ['logs histogram', logql, step],
    span,
    async (s, signal) => {
      const aligned = align({ from: s.from, to: s.to + step * 1000 }, step)
      const from = { from: aligned.from + step * 1000, to: aligned.to }
      const { series } = await logMatrix(histogramQuery(logql, step), from, step, signal)
      return toBuckets(series, aligned, step)
    },
    !metric,
  )
  const run = (q: string) => {
    tick()
    setSearch({ q: q.trim() || undefined, limit: undefined })
  }
  const onField = (key: string, value: string, exclude: boolean) => {
    const next = addFilter(text, key, value, exclude)
    setDraft(next)
    setSearch({ q: next })
  }
  const onPattern = (pattern: string, exclude: boolean) => {
    const next = togglePattern(text, pattern, exclude)
    setDraft(next)
    // To leave a pattern out is one step of several; to keep one is to read it.
    setSearch({ q: next, ...(!exclude && { view: undefined, sort: undefined }) })
  }
  const vocabulary = useMemo(
    () => ({ names: () => labelNames(span), values: (name: string) => labelValues(name, span) }),
    [span],
  )
  const shown = !live ? found.shown : tail.connected || tail.rows.length > 0 ? tail.rows : undefined
  // A websocket does not say why it was refused; the histogram's query is as wrong as the tail's.
  const failed = live ? !shown && histogram.error : found.error
  const sample = useMemo(() => (shown ?? []).slice(0, live ? pageSize : undefined), [shown, live])
  const total = histogram.data?.reduce((sum, b) => sum + b.total, 0)
  const curl = `curl -G '${location.origin}/loki/api/v1/query_range' --data-urlencode 'query=${logql.replaceAll("'", "'\\''")}' -d start=${span.from}000000 -d end=${span.to}000000 -d limit=${limit}`
  return (
    <>
      <div className="query-row">
        <QueryEditor
          id="page-search"
          value={draft}
          onChange={setDraft}
          onRun={run}
          language={isLogql(draft) ? 'logql' : 'text'}
          label={t('logs.search')}
          placeholder={t('logs.placeholder')}
          vocabulary={vocabulary}
        />
        <button type="button" className="button" onClick={() => run(draft)}>
          <Play size={13} />
          {t('action.run')}
        </button>
      </div>
      {metric ? (
        <MetricResult logql={logql} />
      ) : (
        <div className={patterns ? 'logs-layout logs-wide' : 'logs-layout'}>
          <div className="stack">
            <section className="panel logs-histogram">
              {histogram.data ? (
                <LevelHistogram buckets={histogram.data} span={spanOf(histogram.data, span, step)} />
              ) : (
                <Skeleton height={90} />
              )}
            </section>
            {patterns ? (
              <PatternsView logql={logql} onPattern={onPattern} />
            ) : (
              <>
                <LogsBar>
                  {live ? (
                    <TailStatus tail={tail} onPause={pauseTail} />
                  ) : (
                    <SearchStatus search={found}>
                      <strong>{total === undefined ? ' ' : t('logs.rows', { n: compactCount(total, locale) })}</strong>
                      {shown && (found.running ? found.known : !isHeld(found)) && (total ?? 0) > shown.length && (
                        <span className="muted">{t('logs.newest', { count: shown.length })}</span>
                      )}
                    </SearchStatus>
                  )}
                  <span className="grow" />
                  <button
                    type="button"
                    className="button"
                    aria-pressed={live}
                    title={t('logs.liveHint')}
                    onClick={() => setSearch(live ? { live: undefined } : { ...liveRange, live: '1' })}
                  >
                    <Radio size={14} />
                    {t('logs.live')}
                  </button>
                  <button
                    type="button"
                    className="button"
                    aria-pressed={wrap}
                    onClick={() => setSearch({ wrap: wrap ? undefined : '1' }, { replace: true })}
                  >
                    <WrapText size={14} />
                    {t('logs.wrap')}
                  </button>
                  <CopyMenu
                    items={[
                      [t('action.copyLink'), () => location.href],
                      [t('logs.copyLogql'), () => logql],
                      [t('logs.copyCurl'), () => curl],
                    ]}
                  />
                </LogsBar>
                {!!failed && <ErrorBox error={failed} onRetry={tick} />}
                {!shown ? (
                  !failed && <Skeleton height="60vh" />
                ) : shown.length === 0 ? (
                  <section className="panel">
                    {live ? (
                      <Empty title={t('logs.tailNone')}>{t('logs.tailNoneHint')}</Empty>
                    ) : isHeld(found) && !found.running ? (
                      <Empty title={t('logs.noneYet')} />
                    ) : (
                      <Empty title={t('logs.none')}>{t('logs.noneHint')}</Empty>
                    )}
                  </section>
                ) : (
                  <section className="panel logs-panel">
                    <VirtualLogs
                      rows={shown}
                      wrap={wrap}
                      onField={onField}
                      follow={live && !tail.paused}
                      onRead={live && !tail.paused ? () => pauseTail(true) : undefined}
                    />
                    {!live && !found.running && shown.length >= limit && limit < 5000 && (
                      <button
                        type="button"
                        className="logs-more"
                        onClick={() => setSearch({ limit: String(Math.min(5000, limit * 2)) }, { replace: true })}
                      >
                        {t('logs.more', { n: num(Math.min(5000, limit * 2) - limit, locale) })}
                      </button>
                    )}
                  </section>
                )}
              </>
            )}
          </div>
          {!patterns && <FieldList rows={sample} onField={onField} />}
        </div>
      )}
    </>
  )
}

const compactCount = (n: number, locale: string) => (n < 100_000 ? num(n, locale) : compact(n, locale))

/** What the bars cover: whole steps around the range. */
function spanOf(buckets: { ms: number }[], span: { from: number; to: number }, step: number) {
  const from = buckets[0]?.ms ?? span.from
  return { from, to: from + Math.max(1, buckets.length) * step * 1000 }
}

function CopyMenu({ items }: { items: [string, () => string][] }) {
  const { t } = useText()
  return (
    <Menu position="bottom-end" closeOnItemClick={false}>
      <Menu.Target>
        <button type="button" className="button">
          <Copy size={14} />
          {t('action.copy')}
        </button>
      </Menu.Target>
      <Menu.Dropdown>
        {items.map(([label, value]) => (
          <CopyButton key={label} value={value()}>
            {({ copied, copy }) => (
              <Menu.Item onClick={copy} rightSection={copied ? <Check size={14} /> : null}>
                {label}
              </Menu.Item>
            )}
          </CopyButton>
        ))}
      </Menu.Dropdown>
    </Menu>
  )
}
