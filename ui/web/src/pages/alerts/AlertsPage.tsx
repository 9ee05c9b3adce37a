import { Tabs } from '@mantine/core'
import { BellOff } from 'lucide-react'
import { useText } from '../../i18n/index.ts'
import { useSearch } from '../../url/useSearch.ts'
import { FiringTab } from './FiringTab.tsx'
import { RulesTab } from './RulesTab.tsx'
import { SilenceForm } from './SilenceForm.tsx'
import { SilencesTab } from './SilencesTab.tsx'
import '../overview/overview.css'
import './alerts.css'

/** What fires, what can fire, and what is silenced. */
export function AlertsPage() {
  const { t } = useText()
  const { search, setSearch } = useSearch()
  const tab = search.tab ?? (search.rule ? 'rules' : 'firing')
  return (
    <>
      <div className="tabs-row">
        <Tabs
          value={tab}
          onChange={(next) =>
            setSearch({ tab: next === 'firing' || !next ? undefined : next, alert: undefined, rule: undefined })
          }
        >
          <Tabs.List>
            <Tabs.Tab value="firing">{t('alerts.firing')}</Tabs.Tab>
            <Tabs.Tab value="rules">{t('alerts.rules')}</Tabs.Tab>
            <Tabs.Tab value="silences">{t('alerts.silences')}</Tabs.Tab>
          </Tabs.List>
        </Tabs>
        <button type="button" className="button tabs-action" onClick={() => setSearch({ silence: 'new' })}>
          <BellOff size={14} />
          {t('alerts.newSilence')}
        </button>
      </div>
      {tab === 'rules' ? <RulesTab /> : tab === 'silences' ? <SilencesTab /> : <FiringTab />}
      {search.silence !== undefined && <SilenceForm />}
    </>
  )
}
