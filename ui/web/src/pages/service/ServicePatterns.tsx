import { useMemo } from 'react'
import { quote } from '../../api/prometheus.ts'
import { ErrorBox, Skeleton } from '../../components/Feedback.tsx'
import { PageLink, useGo } from '../../components/PageLink.tsx'
import { useText } from '../../i18n/index.ts'
import { useRange } from '../../time/useRange.tsx'
import { PatternTable } from '../logs/PatternTable.tsx'
import { notable, patternRows, togglePattern } from '../logs/patterns.ts'
import { usePatterns } from '../logs/usePatterns.ts'

const shown = 8

/** The forms of the service's records: new ones first, then the most frequent. */
export function ServicePatterns({ service }: { service: string }) {
  const { t } = useText()
  const { tick } = useRange()
  const go = useGo()
  const selector = `{service_name=${quote(service)}}`
  const { data, error } = usePatterns(selector)
  const rows = useMemo(() => data && patternRows(data.patterns, data.span, data.step), [data])
  return (
    <section className="panel service-patterns">
      <div className="panel-head">
        <h2 className="grow">{t('service.patterns')}</h2>
        <PageLink className="link" to="/explore/logs" search={{ q: `service_name=${service}`, view: 'patterns' }}>
          {rows && rows.length > shown ? t('service.allPatterns', { count: rows.length }) : t('action.all')}
        </PageLink>
      </div>
      {error && !data ? (
        <ErrorBox error={error} onRetry={tick} />
      ) : !rows ? (
        <Skeleton height={160} />
      ) : rows.length === 0 ? (
        <span className="muted panel-body">{t('service.noPatterns')}</span>
      ) : (
        <PatternTable
          rows={notable(rows, shown)}
          onOpen={(row) => go('/explore/logs', { q: togglePattern(selector, row.pattern, false) })}
        />
      )}
    </section>
  )
}
