import { ArrowUpDown } from 'lucide-react'
import { useMemo } from 'react'
import { Empty, ErrorBox, Skeleton } from '../../components/Feedback.tsx'
import { num } from '../../format/units.ts'
import { useText } from '../../i18n/index.ts'
import { useRange } from '../../time/useRange.tsx'
import { useSearch } from '../../url/useSearch.ts'
import { LogsBar } from './LogsBar.tsx'
import { PatternTable, PatternText } from './PatternTable.tsx'
import {
  filterText,
  inScope,
  patternFilters,
  patternRows,
  patternScope,
  trendRank,
  type PatternRow,
} from './patterns.ts'
import { usePatterns } from './usePatterns.ts'

interface Props {
  logql: string
  onPattern: (pattern: string, exclude: boolean) => void
}

/** The forms that lines have, how often each came, and what changed. */
export function PatternsView({ logql, onPattern }: Props) {
  const { t, locale } = useText()
  const { tick } = useRange()
  const { search, setSearch } = useSearch()
  const scope = useMemo(() => patternScope(logql), [logql])
  const filters = useMemo(() => patternFilters(logql), [logql])
  const { data, error } = usePatterns(scope.selector)
  const rows = useMemo(() => {
    if (!data) return []
    const shown = data.patterns.filter((p) => inScope(p.level, scope))
    return patternRows(shown, data.span, data.step)
  }, [data, scope])
  const changed = search.sort === 'changes'
  const sorted = changed ? rows.toSorted((a, b) => trendRank(a.trend) - trendRank(b.trend)) : rows
  const lines = rows.reduce((sum, r) => sum + r.count, 0)
  const applied = (row: PatternRow, exclude: boolean) =>
    filters.some((f) => f.exclude === exclude && f.pattern === filterText(row.pattern))
  return (
    <>
      <LogsBar>
        {data && <span className="muted">{t('patterns.count', { count: rows.length, n: num(lines, locale) })}</span>}
        <span className="grow" />
        <button
          type="button"
          className="button"
          aria-pressed={changed}
          onClick={() => setSearch({ sort: changed ? undefined : 'changes' }, { replace: true })}
        >
          <ArrowUpDown size={14} />
          {t('patterns.changesFirst')}
        </button>
      </LogsBar>
      {scope.partly && (
        <p className="muted patterns-note">
          {t('patterns.partly')} <code>{scope.selector}</code>
        </p>
      )}
      {error && !data ? (
        <ErrorBox error={error} onRetry={tick} />
      ) : !data ? (
        <Skeleton height="60vh" />
      ) : rows.length === 0 ? (
        <section className="panel">
          <Empty title={t('patterns.none')}>
            <span className="patterns-none">{t('patterns.noneHint')}</span>
            <div className="pattern-example mono">
              <PatternText text={example.pattern} />
              {example.lines.map((line) => (
                <div key={line} className="muted">
                  {line}
                </div>
              ))}
            </div>
          </Empty>
        </section>
      ) : (
        <section className="panel patterns-panel">
          <PatternTable
            rows={sorted}
            applied={applied}
            onOpen={(row) => onPattern(row.pattern, false)}
            onExclude={(row) => onPattern(row.pattern, true)}
          />
        </section>
      )}
    </>
  )
}

// A pattern and lines that have it, in the language of logs.
const example = {
  pattern: 'card <_> declined: insufficient funds',
  lines: ['card 4711 declined: insufficient funds', 'card 0815 declined: insufficient funds'],
}
