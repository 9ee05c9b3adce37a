import { ActionIcon, TextInput, Tooltip } from '@mantine/core'
import { ChevronRight, Minus, Plus } from 'lucide-react'
import { useMemo, useState } from 'react'
import type { LogRow } from '../../api/loki.ts'
import type { FieldAction } from '../../components/LogRecord.tsx'
import { share } from '../../format/units.ts'
import { useText } from '../../i18n/index.ts'
import { fieldsOfRows, type Field } from './fields.ts'

const openAtFirst = ['detected_level', 'service_name']

/** The fields of what was found; a click filters. */
export function FieldList({ rows, onField }: { rows: LogRow[]; onField: FieldAction }) {
  const { t } = useText()
  const [find, setFind] = useState('')
  const fields = useMemo(() => fieldsOfRows(rows), [rows])
  const shown = fields.filter((f) => f.name.includes(find.toLowerCase()))
  return (
    <aside className="panel field-list" aria-label={t('logs.fields')}>
      <div className="panel-head">
        <h2>{t('logs.fields')}</h2>
        <span className="muted">{t('logs.fieldsOf', { count: rows.length })}</span>
      </div>
      <div className="panel-body">
        <TextInput
          size="xs"
          placeholder={t('logs.findField')}
          aria-label={t('logs.findField')}
          value={find}
          onChange={(e) => setFind(e.currentTarget.value)}
        />
        {shown.map((f) => (
          <FieldItem key={f.name} field={f} total={rows.length} onField={onField} />
        ))}
      </div>
    </aside>
  )
}

function FieldItem({ field, total, onField }: { field: Field; total: number; onField: FieldAction }) {
  const { t, locale } = useText()
  const [open, setOpen] = useState(openAtFirst.includes(field.name))
  return (
    <div className="field">
      <button type="button" className="field-name" aria-expanded={open} onClick={() => setOpen(!open)}>
        <ChevronRight size={12} className={open ? 'turned' : ''} />
        <span className="mono grow">{field.name}</span>
        <span className="muted">{t('logs.values', { count: field.distinct })}</span>
      </button>
      {open &&
        field.values.map(({ value, count }) => (
          <div key={value} className="field-value">
            <i style={{ width: `${(count / total) * 100}%` }} />
            <button
              type="button"
              className="plain mono grow"
              title={value}
              onClick={() => onField(field.name, value, false)}
            >
              {value}
            </button>
            <span className="muted field-share">{share(count / total, locale)}</span>
            <span className="field-actions">
              <Tooltip label={t('logs.filterFor')}>
                <ActionIcon
                  size={18}
                  aria-label={`${t('logs.filterFor')} ${field.name}=${value}`}
                  onClick={() => onField(field.name, value, false)}
                >
                  <Plus size={12} />
                </ActionIcon>
              </Tooltip>
              <Tooltip label={t('logs.exclude')}>
                <ActionIcon
                  size={18}
                  aria-label={`${t('logs.exclude')} ${field.name}=${value}`}
                  onClick={() => onField(field.name, value, true)}
                >
                  <Minus size={12} />
                </ActionIcon>
              </Tooltip>
            </span>
          </div>
        ))}
    </div>
  )
}
