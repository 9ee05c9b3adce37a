import { SegmentedControl } from '@mantine/core'
import type { ReactNode } from 'react'
import { useText } from '../../i18n/index.ts'
import { useSearch } from '../../url/useSearch.ts'

/** What the page shows of the records, and what one can do about it. */
export function LogsBar({ children }: { children: ReactNode }) {
  const { t } = useText()
  const { search, setSearch } = useSearch()
  return (
    <div className="row wrap logs-bar">
      <SegmentedControl
        size="xs"
        aria-label={t('logs.view')}
        value={search.view === 'patterns' ? 'patterns' : 'lines'}
        onChange={(view) => setSearch({ view: view === 'patterns' ? view : undefined })}
        data={[
          { value: 'lines', label: t('logs.lines') },
          { value: 'patterns', label: t('logs.patterns') },
        ]}
      />
      {children}
    </div>
  )
}
