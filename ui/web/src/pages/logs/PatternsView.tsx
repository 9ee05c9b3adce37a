import { ActionIcon, Tooltip } from '@mantine/core'
import { ArrowUpDown, Minus, Plus } from 'lucide-react'
import { useMemo } from 'react'
import { logPatterns } from '../../api/loki.ts'
import { useLive } from '../../api/live.ts'
import { levelColor, levelOf } from '../../charts/colors.ts'
import { Sparkline } from '../../charts/Sparkline.tsx'
import { Empty, ErrorBox, Skeleton } from '../../components/Feedback.tsx'
import { num, share } from '../../format/units.ts'
import { useText } from '../../i18n/index.ts'
import { niceStep } from '../../time/range.ts'
import { useRange } from '../../time/useRange.tsx'
import { useSearch } from '../../url/useSearch.ts'
import { LogsBar } from './LogsBar.tsx'
import {
  enoughLines,
  filterText,
  inScope,
  patternFilters,
  patternParts,
  patternRows,
  patternScope,
  surge,
  type PatternRow,
  type Trend,
} from './patterns.ts'

const points = 60
/** The server counts no shorter intervals. */
const minStep = 10

interface Props {
  logql: string
  onPattern: (pattern: string, exclude: boolean) => void
}

/** The forms that lines have, how often each came, and what changed. */
export function PatternsView({ logql, onPattern }: Props) {
  const { t, locale } = useText()
  const { span, tick } = useRange()
  const { search, setSearch } = useSearch()
  const scope = useMemo(() => patternScope(logql), [logql])
  const filters = useMemo(() => patternFilters(logql), [logql])
  const step = niceStep(span, points, minStep)
  const { data, error } = useLive(['log patterns', scope.selector, step], span, async (s, signal) => ({
    patterns: await logPatterns(scope.selector, s, step, signal),
    span: s,
  }))
  const rows = useMemo(() => {
    if (!data) return []
    const shown = data.patterns.filter((p) => inScope(p.level, scope))
    return patternRows(shown, data.span, step)
  }, [data, scope, step])
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
          <table className="data patterns-table">
            <thead>
              <tr>
                <th>{t('patterns.pattern')}</th>
                <th className="patterns-change wide-only">{t('patterns.change')}</th>
                <th className="wide-only">{t('patterns.level')}</th>
                <th className="patterns-spark wide-only">{t('patterns.overTime')}</th>
                <th className="num">{t('patterns.records')}</th>
                <th className="num wide-only">{t('patterns.share')}</th>
                <th className="patterns-actions" aria-label={t('patterns.actions')} />
              </tr>
            </thead>
            <tbody>
              {sorted.map((row) => (
                <Row
                  key={row.key}
                  row={row}
                  kept={applied(row, false)}
                  excluded={applied(row, true)}
                  onPattern={onPattern}
                />
              ))}
            </tbody>
          </table>
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

const trendOrder: Trend[] = ['new', 'surging', 'gone']
const trendRank = (trend?: Trend) => (trend ? trendOrder.indexOf(trend) : trendOrder.length)

interface RowProps {
  row: PatternRow
  /** The query keeps only this pattern, or leaves it out. */
  kept: boolean
  excluded: boolean
  onPattern: Props['onPattern']
}

function Row({ row, kept, excluded, onPattern }: RowProps) {
  const { t, locale } = useText()
  const level = levelOf(row.level)
  return (
    <tr className={excluded ? 'pattern-excluded' : undefined}>
      <td className="pattern-cell" style={{ boxShadow: `inset 3px 0 ${levelColor[level]}` }}>
        <button
          type="button"
          className="plain mono pattern-text"
          title={t('patterns.only')}
          aria-pressed={kept}
          onClick={() => onPattern(row.pattern, false)}
        >
          <PatternText text={row.pattern} />
        </button>
        <div className="row narrow-only">
          <span className={`mono log-${level}`}>{row.level}</span>
          {row.trend && <TrendBadge trend={row.trend} />}
        </div>
      </td>
      <td className="patterns-change wide-only">{row.trend && <TrendBadge trend={row.trend} />}</td>
      <td className={`wide-only mono log-${level}`}>{row.level}</td>
      <td className="patterns-spark wide-only">
        <Sparkline values={row.spark} height={20} label={t('patterns.overTime')} />
      </td>
      <td className="num">{num(row.count, locale)}</td>
      <td className="num wide-only">{share(row.share, locale)}</td>
      <td className="patterns-actions">
        <Tooltip label={t('patterns.only')}>
          <ActionIcon
            size={22}
            aria-label={`${t('patterns.only')}: ${row.pattern}`}
            aria-pressed={kept}
            variant={kept ? 'light' : 'subtle'}
            color={kept ? 'accent' : 'gray'}
            onClick={() => onPattern(row.pattern, false)}
          >
            <Plus size={14} />
          </ActionIcon>
        </Tooltip>
        <Tooltip label={excluded ? t('patterns.showAgain') : t('patterns.without')}>
          <ActionIcon
            size={22}
            aria-label={`${excluded ? t('patterns.showAgain') : t('patterns.without')}: ${row.pattern}`}
            aria-pressed={excluded}
            variant={excluded ? 'light' : 'subtle'}
            color={excluded ? 'accent' : 'gray'}
            onClick={() => onPattern(row.pattern, true)}
          >
            <Minus size={14} />
          </ActionIcon>
        </Tooltip>
      </td>
    </tr>
  )
}

/** The pattern, with what varies set apart. */
function PatternText({ text }: { text: string }) {
  return patternParts(text).map((part, i) =>
    i % 2 === 1 ? (
      <span key={i} className="pattern-any">
        {part}
      </span>
    ) : (
      part
    ),
  )
}

function TrendBadge({ trend }: { trend: Trend }) {
  const { t } = useText()
  return (
    <Tooltip label={t(`patterns.${trend}Hint`, { factor: surge, count: enoughLines })} multiline w={280}>
      <span className={`trend trend-${trend}`} tabIndex={0}>
        {t(`patterns.${trend}`)}
      </span>
    </Tooltip>
  )
}
