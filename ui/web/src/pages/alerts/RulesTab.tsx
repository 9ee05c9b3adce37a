import { TextInput } from '@mantine/core'
import { LineChart, Search } from 'lucide-react'
import { rules, type PromRule } from '../../api/prometheus.ts'
import { useLive } from '../../api/live.ts'
import type { State } from '../../api/hinomi.ts'
import { ErrorBox, Skeleton } from '../../components/Feedback.tsx'
import { PageLink } from '../../components/PageLink.tsx'
import { StateMark } from '../../components/StateMark.tsx'
import { Ago } from '../../components/When.tsx'
import { ms } from '../../format/units.ts'
import { useText } from '../../i18n/index.ts'
import { useRange } from '../../time/useRange.tsx'
import { useSearch } from '../../url/useSearch.ts'
import { Runbook } from './FiringTab.tsx'

function stateOf(r: PromRule): State {
  if (r.health === 'err') return 'risk'
  if (r.state === 'firing') return r.labels?.severity === 'critical' ? 'broken' : 'risk'
  return r.health === 'unknown' || r.state === 'pending' ? 'unknown' : 'ok'
}

/** Every rule with its state and its query. */
export function RulesTab() {
  const { t } = useText()
  const { span, tick } = useRange()
  const { search, setSearch } = useSearch()
  const { data, error } = useLive(['rules'], span, (_, signal) => rules(signal))
  if (error && !data) return <ErrorBox error={error} onRetry={tick} />
  if (!data) return <Skeleton height={400} />
  const text = (search.find ?? '').toLowerCase()
  return (
    <>
      <TextInput
        id="page-search"
        size="xs"
        w={260}
        leftSection={<Search size={14} />}
        placeholder={t('alerts.findRule')}
        aria-label={t('alerts.findRule')}
        value={search.find ?? ''}
        onChange={(e) => setSearch({ find: e.currentTarget.value }, { replace: true })}
      />
      {data.map((g) => {
        const shown = g.rules.filter((r) => `${r.name} ${r.query}`.toLowerCase().includes(text))
        if (shown.length === 0) return null
        return (
          <section key={`${g.file} ${g.name}`} className="panel">
            <div className="panel-head">
              <h2>{g.name}</h2>
              <span className="muted">{g.file}</span>
              <span className="grow" />
              <span className="muted">{t('alerts.every', { seconds: g.interval })}</span>
            </div>
            <div className="panel-body rule-list">
              {shown.map((r) => (
                <RuleRow
                  key={`${r.name} ${r.query}`}
                  rule={r}
                  open={search.rule === r.name}
                  onToggle={() =>
                    setSearch({ tab: 'rules', rule: search.rule === r.name ? undefined : r.name }, { replace: true })
                  }
                />
              ))}
            </div>
          </section>
        )
      })}
    </>
  )
}

function RuleRow({ rule: r, open, onToggle }: { rule: PromRule; open: boolean; onToggle: () => void }) {
  const { t, locale } = useText()
  const { now } = useRange()
  const known = r.state === 'firing' || r.state === 'pending' || r.state === 'inactive'
  return (
    <div className="rule">
      <button type="button" className="rule-line" aria-expanded={open} onClick={onToggle}>
        {r.type === 'alerting' ? (
          <StateMark state={stateOf(r)} label={false} />
        ) : (
          <LineChart size={12} className="muted" />
        )}
        <span className="rule-name">{r.name}</span>
        {r.labels?.severity && <span className="tag">{r.labels.severity}</span>}
        <span className="mono muted rule-query">{r.query}</span>
        <span className="muted nowrap">
          {known && r.state
            ? t(`state.${r.state}`)
            : r.type === 'recording'
              ? t('alerts.recording')
              : t('alerts.notYet')}
        </span>
      </button>
      {open && (
        <div className="rule-detail">
          <pre className="mono rule-expression">{r.query}</pre>
          {r.lastError && (
            <div className="error-box">
              <strong>{t('alerts.ruleFails')}</strong>
              <code>{r.lastError}</code>
            </div>
          )}
          {r.annotations?.description && <div className="muted">{r.annotations.description}</div>}
          {r.annotations?.runbook && <Runbook text={r.annotations.runbook} />}
          <div className="row wrap muted">
            {r.duration !== undefined && r.type === 'alerting' && (
              <span>{t('alerts.for', { duration: ms(r.duration * 1000, locale) })}</span>
            )}
            <span>
              {t('alerts.evaluated')} <Ago ms={Date.parse(r.lastEvaluation)} now={now} />,{' '}
              {ms(r.evaluationTime * 1000, locale)}
            </span>
            <PageLink className="button" to="/explore/metrics" search={{ q: r.query }}>
              <LineChart size={14} />
              {t('alerts.query')}
            </PageLink>
            {r.state === 'firing' && (
              <PageLink className="button" to="/alerts" search={{ alert: r.name }}>
                {t('alerts.showFiring')}
              </PageLink>
            )}
          </div>
        </div>
      )}
    </div>
  )
}
