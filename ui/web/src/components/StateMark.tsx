import type { State } from '../api/hinomi.ts'
import { useText } from '../i18n/index.ts'

/** A state as a shape, so that nobody needs to see colours. */
export function StateMark({ state, size = 12, label = true }: { state: State; size?: number; label?: boolean }) {
  const { t } = useText()
  const text = t(`state.${state}`)
  return (
    <svg
      className={`state-mark state-${state}`}
      width={size}
      height={size}
      viewBox="0 0 12 12"
      role={label ? 'img' : undefined}
      aria-label={label ? text : undefined}
      aria-hidden={label ? undefined : true}
    >
      {state === 'broken' && <path d="M6 .4 11.6 6 6 11.6.4 6Z" fill="currentColor" />}
      {state === 'risk' && <path d="M6 .8 11.7 11H.3Z" fill="currentColor" />}
      {state === 'ok' && <circle cx="6" cy="6" r="4" fill="none" stroke="currentColor" strokeWidth="2" />}
      {state === 'unknown' && (
        <circle cx="6" cy="6" r="4.5" fill="none" stroke="currentColor" strokeWidth="1.5" strokeDasharray="2 2" />
      )}
    </svg>
  )
}

/** The shape and the word. */
export function StateBadge({ state }: { state: State }) {
  const { t } = useText()
  return (
    <span className={`state-badge state-${state}`}>
      <StateMark state={state} size={10} label={false} />
      {t(`state.${state}`)}
    </span>
  )
}
