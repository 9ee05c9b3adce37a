import { ActionIcon, Tooltip } from '@mantine/core'
import { Minus, Plus } from 'lucide-react'
import { levelColor, levelOf } from '../../charts/colors.ts'
import { Sparkline } from '../../charts/Sparkline.tsx'
import { num, share } from '../../format/units.ts'
import { useText } from '../../i18n/index.ts'
import { enoughLines, patternParts, surge, type PatternRow, type Trend } from './patterns.ts'
import './logs.css'

interface Props {
  rows: PatternRow[]
  /** What the lines are shown of. */
  onOpen: (row: PatternRow) => void
  /** Without it, patterns can only be opened. */
  onExclude?: (row: PatternRow) => void
  /** Whether a query keeps only a pattern, or leaves it out. */
  applied?: (row: PatternRow, exclude: boolean) => boolean
}

/** Patterns with their counts over time, and what changed. */
export function PatternTable({ rows, onOpen, onExclude, applied }: Props) {
  const { t } = useText()
  return (
    <table className="data patterns-table">
      <thead>
        <tr>
          <th>{t('patterns.pattern')}</th>
          <th className="patterns-change wide-only">{t('patterns.change')}</th>
          <th className="wide-only">{t('patterns.level')}</th>
          <th className="patterns-spark wide-only">{t('patterns.overTime')}</th>
          <th className="num">{t('patterns.records')}</th>
          <th className="num wide-only">{t('patterns.share')}</th>
          {onExclude && <th className="patterns-actions" aria-label={t('patterns.actions')} />}
        </tr>
      </thead>
      <tbody>
        {rows.map((row) => (
          <Row
            key={row.key}
            row={row}
            kept={applied?.(row, false) ?? false}
            excluded={applied?.(row, true) ?? false}
            onOpen={() => onOpen(row)}
            onExclude={onExclude && (() => onExclude(row))}
          />
        ))}
      </tbody>
    </table>
  )
}

interface RowProps {
  row: PatternRow
  /** The query keeps only this pattern, or leaves it out. */
  kept: boolean
  excluded: boolean
  onOpen: () => void
  onExclude?: () => void
}

function Row({ row, kept, excluded, onOpen, onExclude }: RowProps) {
  const { t, locale } = useText()
  const level = levelOf(row.level)
  return (
    <tr className={excluded ? 'pattern-excluded' : undefined}>
      <td className="pattern-cell" style={{ boxShadow: `inset 3px 0 ${levelColor[level]}` }}>
        <button
          type="button"
          className="plain mono pattern-text"
          title={t('patterns.only')}
          aria-pressed={onExclude ? kept : undefined}
          onClick={onOpen}
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
      {onExclude && (
        <td className="patterns-actions">
          <Tooltip label={t('patterns.only')}>
            <ActionIcon
              size={22}
              aria-label={`${t('patterns.only')}: ${row.pattern}`}
              aria-pressed={kept}
              variant={kept ? 'light' : 'subtle'}
              color={kept ? 'accent' : 'gray'}
              onClick={onOpen}
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
              onClick={onExclude}
            >
              <Minus size={14} />
            </ActionIcon>
          </Tooltip>
        </td>
      )}
    </tr>
  )
}

/** The pattern, with what varies set apart. */
export function PatternText({ text }: { text: string }) {
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
