import { Play, Square } from 'lucide-react'
import { useEffect, useState, type ReactNode } from 'react'
import { searchTime } from '../../format/time.ts'
import { compact, ms, share } from '../../format/units.ts'
import { useText } from '../../i18n/index.ts'
import { searchedBackTo } from './search.ts'
import type { LogSearch } from './useLogSearch.ts'

/** A search that is done sooner needs no progress, which would only flicker. */
const quickMs = 400

interface Props {
  search: LogSearch
  /** How many records there are, for which a narrow page has no room beside more important things. */
  children: ReactNode
}

/** How far a search is, or how much of the range its answer covers. */
export function SearchStatus({ search, children }: Props) {
  const { t, locale } = useText()
  const slow = useSlow(search.running)
  const { progress, end } = search
  const time = searchTime(searchedBackTo(search), search.span, locale)
  if (search.running && slow) {
    const done = progress?.share ?? 0
    return (
      <>
        <span className="wide-only">{children}</span>
        <span className="search-progress">
          <span
            className="search-bar"
            role="progressbar"
            aria-label={t('logs.searching')}
            aria-valuemin={0}
            aria-valuemax={100}
            aria-valuenow={Math.floor(done * 100)}
          >
            <i style={{ width: `${done * 100}%` }} />
          </span>
          {progress ? t('logs.searchedTo', { time, share: share(done, locale) }) : t('logs.searching')}
        </span>
        <button type="button" className="button" onClick={search.stop}>
          <Square size={12} />
          {t('logs.stop')}
        </button>
      </>
    )
  }
  const early = end?.reason === 'time' || end?.reason === 'rows' || end?.reason === 'bytes' ? end.reason : undefined
  if (search.stopped || early) {
    return (
      <>
        <span className="wide-only">{children}</span>
        <span role="status" className="warn">
          {early ? t(`logs.ended_${early}`, { time }) : t('logs.stopped', { time })}
        </span>
        <button type="button" className="button" title={t('logs.goOnHint')} onClick={search.goOn}>
          <Play size={13} />
          {t('logs.goOn')}
        </button>
      </>
    )
  }
  const done = end ? progress : search.last
  if (!done) return children
  return (
    <>
      {children}
      <span className="muted wide-only">
        {t('logs.scanned', { rows: compact(done.rowsScanned, locale), time: ms(done.elapsedMs, locale) })}
      </span>
      {end?.warnings.map((w) => (
        <span key={w} className="warn">
          {w}
        </span>
      ))}
    </>
  )
}

function useSlow(running: boolean): boolean {
  const [slow, setSlow] = useState(false)
  useEffect(() => {
    if (!running) return
    const timer = setTimeout(() => setSlow(true), quickMs)
    return () => {
      clearTimeout(timer)
      setSlow(false)
    }
  }, [running])
  return slow
}
