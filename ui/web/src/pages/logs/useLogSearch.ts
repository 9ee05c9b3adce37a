import { useQueryClient } from '@tanstack/react-query'
import { useCallback, useEffect, useMemo, useReducer, useRef } from 'react'
import { searchLogs } from '../../api/logSearch.ts'
import type { LogRow } from '../../api/loki.ts'
import type { Span } from '../../time/range.ts'
import { useRange } from '../../time/useRange.tsx'
import { emptySearch, isHeld, searchedBackTo, searchReducer, shownRows, type SearchState } from './search.ts'

export interface LogSearch extends SearchState {
  /** What is shown, newest first; undefined when nothing is known yet. */
  shown?: LogRow[]
  stop: () => void
  /** Searches what a search that ended early has left. */
  goOn: () => void
}

interface Run {
  identity: string
  abort: AbortController
}

/** Where the records of a query wait for a reader who comes back. */
const foundKey = (logql: string) => ['found records', logql]

/**
 * The newest records of a range, as they are found. The page's clock repeats the
 * search, but neither one that still runs nor one that ended early.
 */
export function useLogSearch(logql: string, limit: number, enabled: boolean): LogSearch {
  const { span, range, asked } = useRange()
  const cache = useQueryClient()
  const [state, dispatch] = useReducer(searchReducer, logql, (logql) => {
    const rows = cache.getQueryData<LogRow[]>(foundKey(logql))
    return rows ? { ...emptySearch, rows, known: true } : emptySearch
  })
  const latest = useRef(state)
  const run = useRef<Run>(undefined)
  /** The query whose records are on the page. */
  const onPage = useRef(logql)
  useEffect(() => {
    latest.current = state
  }, [state])

  const start = useCallback((identity: string, logql: string, span: Span, limit: number) => {
    const abort = new AbortController()
    run.current = { identity, abort }
    searchLogs(logql, span, limit, abort.signal, (part) => {
      if (!abort.signal.aborted) dispatch({ type: 'part', part })
    }).catch((error: unknown) => {
      if (!abort.signal.aborted) dispatch({ type: 'fail', error })
    })
  }, [])

  const identity = JSON.stringify([logql, limit, range.from, range.to, asked])
  useEffect(() => {
    const before = run.current
    if (!enabled) {
      before?.abort.abort()
      run.current = undefined
      return
    }
    if (before?.identity === identity && isHeld(latest.current)) return
    before?.abort.abort()
    dispatch({ type: 'begin', span, keep: onPage.current === logql })
    onPage.current = logql
    start(identity, logql, span, limit)
  }, [enabled, identity, logql, limit, span, start])
  useEffect(
    () => () => {
      run.current?.abort.abort()
      run.current = undefined
    },
    [],
  )

  const stop = useCallback(() => {
    run.current?.abort.abort()
    dispatch({ type: 'stop' })
  }, [])
  const goOn = useCallback(() => {
    const s = latest.current
    const to = searchedBackTo(s)
    dispatch({ type: 'continue' })
    const kept = s.rows.filter((r) => r.ms >= to).length
    start(identity, logql, { from: s.span.from, to }, Math.max(1, limit - kept))
  }, [start, identity, logql, limit])

  const shown = useMemo(() => shownRows(state, limit), [state, limit])
  useEffect(() => {
    if (shown && !state.running) cache.setQueryData(foundKey(onPage.current), shown)
  }, [cache, shown, state.running])
  return { ...state, shown, stop, goOn }
}
