import { SegmentedControl } from '@mantine/core'
import { Play, Plus, X } from 'lucide-react'
import { useState } from 'react'
import { QueryEditor } from '../../editor/QueryEditor.tsx'
import { useText } from '../../i18n/index.ts'
import { useRange } from '../../time/useRange.tsx'
import { useSearch } from '../../url/useSearch.ts'
import { GraphView } from './GraphView.tsx'
import { MetricBrowser } from './MetricBrowser.tsx'
import { maxQueries, queriesOf, toSearch } from './queries.ts'
import { TableView } from './TableView.tsx'
import './metrics.css'

/** PromQL as graph and table. */
export function MetricsPage() {
  const { t } = useText()
  const { search, setSearch } = useSearch()
  const { tick } = useRange()
  const queries = queriesOf(search)
  const table = search.view === 'table'
  const any = queries.some((q) => q.trim())
  // What is typed and not run yet, by place.
  const inUrl = JSON.stringify(queries)
  const [drafts, setDrafts] = useState(queries)
  const [seen, setSeen] = useState(inUrl)
  if (seen !== inUrl) {
    setSeen(inUrl)
    setDrafts(queries)
  }
  const edit = (i: number, text: string) => setDrafts((d) => d.map((q, j) => (i === j ? text : q)))
  const run = (list: readonly string[]) => {
    tick()
    setSearch(toSearch(list.filter((q) => q.trim())))
  }
  return (
    <>
      <div className="stack query-stack">
        {drafts.map((q, i) => (
          <div key={i} className="query-row">
            {drafts.length > 1 && <span className="query-letter">{String.fromCharCode(65 + i)}</span>}
            <QueryEditor
              id={i === 0 ? 'page-search' : undefined}
              value={q}
              onChange={(text) => edit(i, text)}
              onRun={(text) => run(drafts.map((d, j) => (i === j ? text : d)))}
              language="promql"
              label={t('metrics.query')}
              placeholder={t('metrics.placeholder')}
            />
            {i === 0 ? (
              <button type="button" className="button" onClick={() => run(drafts)}>
                <Play size={13} />
                {t('action.run')}
              </button>
            ) : (
              <button
                type="button"
                className="button"
                aria-label={t('action.remove')}
                onClick={() => run(drafts.filter((_, j) => j !== i))}
              >
                <X size={13} />
              </button>
            )}
          </div>
        ))}
        {any && (
          <div className="row wrap">
            <SegmentedControl
              size="xs"
              aria-label={t('metrics.view')}
              value={table ? 'table' : 'graph'}
              onChange={(view) => setSearch({ view: view === 'table' ? view : undefined }, { replace: true })}
              data={[
                { value: 'graph', label: t('metrics.graph') },
                { value: 'table', label: t('metrics.table') },
              ]}
            />
            {drafts.length < maxQueries && (
              <button type="button" className="button" onClick={() => setDrafts([...drafts, ''])}>
                <Plus size={13} />
                {t('metrics.addQuery')}
              </button>
            )}
          </div>
        )}
      </div>
      {!any ? (
        <MetricBrowser onChoose={(q) => run([q])} />
      ) : table ? (
        queries.map((q, i) => <TableView key={i} query={q} />)
      ) : (
        <GraphView queries={queries.filter((q) => q.trim())} />
      )}
    </>
  )
}
