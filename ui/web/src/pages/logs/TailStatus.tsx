import { Pause, Play } from 'lucide-react'
import { num } from '../../format/units.ts'
import { useText } from '../../i18n/index.ts'
import { maxTailRows, type TailState } from './tail.ts'

/** What the live tail does, and the way to hold it. */
export function TailStatus({ tail, onPause }: { tail: TailState; onPause: (paused: boolean) => void }) {
  const { t, locale } = useText()
  return (
    <>
      <button type="button" className="button" aria-pressed={tail.paused} onClick={() => onPause(!tail.paused)}>
        {tail.paused ? <Play size={14} /> : <Pause size={14} />}
        {tail.paused ? t('logs.resume') : t('logs.pause')}
      </button>
      <span role="status" className="tail-status">
        {!tail.connected ? (
          <span className="warn">{t(tail.rows.length > 0 ? 'logs.tailLost' : 'logs.tailConnecting')}</span>
        ) : tail.paused ? (
          <strong>{t('logs.tailHeld', { count: tail.held.length })}</strong>
        ) : (
          <strong>{t('logs.rows', { n: num(tail.rows.length, locale) })}</strong>
        )}
      </span>
      {tail.full && <span className="muted wide-only">{t('logs.tailFull', { n: num(maxTailRows, locale) })}</span>}
      {tail.dropped > 0 && <span className="warn">{t('logs.tailDropped', { n: num(tail.dropped, locale) })}</span>}
    </>
  )
}
