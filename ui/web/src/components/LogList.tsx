import { ChevronRight } from 'lucide-react'
import { useState } from 'react'
import type { LogRow } from '../api/loki.ts'
import { levelColor, levelOf } from '../charts/colors.ts'
import { preciseTime, utc } from '../format/time.ts'
import { useText } from '../i18n/index.ts'
import { LogExtras } from './LogExtras.tsx'
import { LogRecord, type FieldAction } from './LogRecord.tsx'
import './logs.css'

interface LineProps {
  row: LogRow
  showService?: boolean
  open: boolean
  onToggle: () => void
  wrap?: boolean
  onField?: FieldAction
}

/** Everything known about a record, by name. */
export const fieldsOf = (row: LogRow): Record<string, string> => ({ ...row.labels, ...row.fields })

export function LogLine({ row, showService = true, open, onToggle, wrap = false, onField }: LineProps) {
  const { locale } = useText()
  const level = levelOf(row.fields.detected_level ?? row.fields.level ?? row.labels.level)
  return (
    <div className={`log ${open ? 'log-open' : ''}`}>
      <button type="button" className="log-line" aria-expanded={open} onClick={onToggle}>
        <i className="log-level" style={{ background: levelColor[level] }} />
        <ChevronRight size={12} className="log-chevron" />
        <time className="log-time" title={utc(row.ms)}>
          {preciseTime(row.ms, locale)}
        </time>
        <span className={`log-level-text log-${level}`}>{level === 'unknown' ? '' : level}</span>
        {showService && <span className="log-service">{row.labels.service_name}</span>}
        <span className={wrap ? 'log-text log-wrap' : 'log-text'}>
          {row.line}
          {!open && <LogExtras row={row} />}
        </span>
      </button>
      {open && <LogRecord row={row} onField={onField} />}
    </div>
  )
}

/** A short list of records; the logs page has a virtual one. */
export function LogList({ rows, showService }: { rows: LogRow[]; showService?: boolean }) {
  const [open, setOpen] = useState<string | null>(null)
  return (
    <div className="log-list">
      {rows.map((row, i) => {
        const key = `${row.ts} ${i}`
        return (
          <LogLine
            key={key}
            row={row}
            showService={showService}
            open={open === key}
            onToggle={() => setOpen(open === key ? null : key)}
          />
        )
      })}
    </div>
  )
}
