import { createContext, useCallback, useContext, useEffect, useMemo, useState, type ReactNode } from 'react'
import { useSearch } from '../url/useSearch.ts'
import { defaultRange, isRelative, parseDuration, resolve, type Range, type Span } from './range.ts'

const Clock = createContext<{ now: number; asked: number; tick: () => void }>({ now: 0, asked: 0, tick: () => {} })

export const refreshChoices = ['off', '5s', '10s', '30s', '1m', '5m'] as const
const defaultRefresh = '10s'

/** The one clock of all panels of a page: they show the same "now". */
export function ClockProvider({ children }: { children: ReactNode }) {
  const [now, setNow] = useState(() => Date.now())
  const [asked, setAsked] = useState(0)
  const advance = useCallback(() => setNow(Date.now()), [])
  const tick = useCallback(() => {
    advance()
    setAsked((n) => n + 1)
  }, [advance])
  const { search } = useSearch()
  const every = isRelative(rangeOf(search)) ? parseDuration(search.refresh || defaultRefresh) : null
  useEffect(() => {
    if (!every) return
    const id = setInterval(() => {
      // A page that nobody sees asks nothing.
      if (!document.hidden) advance()
    }, every)
    document.addEventListener('visibilitychange', advance)
    return () => {
      clearInterval(id)
      document.removeEventListener('visibilitychange', advance)
    }
  }, [every, advance])
  const value = useMemo(() => ({ now, asked, tick }), [now, asked, tick])
  return <Clock value={value}>{children}</Clock>
}

function rangeOf(search: Record<string, string>): Range {
  // The links in annotations of alerts say range=1h.
  const short = search.range && parseDuration(search.range) ? `now-${search.range}` : undefined
  return { from: search.from || short || defaultRange.from, to: search.to || defaultRange.to }
}

export interface CurrentRange {
  range: Range
  span: Span
  now: number
  refresh: string
  /** How often somebody, not the clock, has asked for everything again. */
  asked: number
  /** Ask everything again. */
  tick: () => void
  setRange: (range: Range) => void
  setRefresh: (refresh: string) => void
}

/** The time range in the URL, resolved at the page's clock. */
export function useRange(): CurrentRange {
  const { now, asked, tick } = useContext(Clock)
  const { search, setSearch } = useSearch()
  const { from, to } = rangeOf(search)
  const span = useMemo(() => resolve({ from, to }, now), [from, to, now])
  const setRange = useCallback(
    (range: Range) => {
      tick()
      setSearch({ from: range.from, to: range.to, range: undefined })
    },
    [setSearch, tick],
  )
  const setRefresh = useCallback((refresh: string) => setSearch({ refresh }), [setSearch])
  const refresh = search.refresh || defaultRefresh
  return { range: { from, to }, span, now, asked, refresh, tick, setRange, setRefresh }
}
