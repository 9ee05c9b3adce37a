import { ActionIcon, CopyButton, Tooltip } from '@mantine/core'
import { AlignJustify, Check, Copy, Minus, Plus, Waypoints } from 'lucide-react'
import { useState } from 'react'
import type { LogRow } from '../api/loki.ts'
import { fullTime, utc } from '../format/time.ts'
import { useText } from '../i18n/index.ts'
import { LogContext } from './LogContext.tsx'
import { PageLink } from './PageLink.tsx'

export type FieldAction = (key: string, value: string, exclude: boolean) => void

/** One record, readable: the whole message, every field, and where to go from it. */
export function LogRecord({ row, onField }: { row: LogRow; onField?: FieldAction }) {
  const { t, locale } = useText()
  const [context, setContext] = useState(false)
  const all = { ...row.labels, ...row.fields }
  const entries = Object.entries(all).toSorted(([a], [b]) => a.localeCompare(b))
  const trace = all.trace_id
  const json = JSON.stringify({ timestamp: utc(row.ms), message: row.line, ...all }, null, 2)
  return (
    <div className="log-record">
      <div className="row wrap">
        <time title={utc(row.ms)}>{fullTime(row.ms, locale)}</time>
        <span className="grow" />
        {trace && (
          <PageLink className="button" to={`/traces/${trace}`} search={{ span: all.span_id }}>
            <Waypoints size={14} />
            {t('logs.openTrace')}
          </PageLink>
        )}
        {all.service_name && (
          <PageLink className="button" to={`/services/${encodeURIComponent(all.service_name)}`}>
            {all.service_name}
          </PageLink>
        )}
        {Object.keys(row.labels).length > 0 && (
          <button type="button" className="button" aria-pressed={context} onClick={() => setContext(!context)}>
            <AlignJustify size={14} />
            {context ? t('logs.hideContext') : t('logs.showContext')}
          </button>
        )}
        <CopyButton value={json}>
          {({ copied, copy }) => (
            <button type="button" className="button" onClick={copy}>
              {copied ? <Check size={14} /> : <Copy size={14} />}
              {copied ? t('action.copied') : t('logs.copyJson')}
            </button>
          )}
        </CopyButton>
      </div>
      <pre className="log-message">{pretty(row.line)}</pre>
      {context && <LogContext row={row} />}
      <table className="log-fields">
        <tbody>
          {entries.map(([k, v]) => (
            <tr key={k}>
              <th scope="row">{k}</th>
              <td>
                {v}
                {onField && (
                  <span className="log-field-actions">
                    <Tooltip label={t('logs.filterFor')}>
                      <ActionIcon
                        size={18}
                        aria-label={`${t('logs.filterFor')} ${k}=${v}`}
                        onClick={() => onField(k, v, false)}
                      >
                        <Plus size={12} />
                      </ActionIcon>
                    </Tooltip>
                    <Tooltip label={t('logs.exclude')}>
                      <ActionIcon
                        size={18}
                        aria-label={`${t('logs.exclude')} ${k}=${v}`}
                        onClick={() => onField(k, v, true)}
                      >
                        <Minus size={12} />
                      </ActionIcon>
                    </Tooltip>
                  </span>
                )}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}

/** JSON messages are set out; everything else stays as it was sent. */
function pretty(line: string): string {
  if (!/^\s*[[{]/.test(line)) return line
  try {
    return JSON.stringify(JSON.parse(line), null, 2)
  } catch {
    return line
  }
}
