import { Button } from '@mantine/core'
import type { ReactNode } from 'react'
import { ApiError } from '../api/http.ts'
import { useText } from '../i18n/index.ts'

/** Says what went wrong and what to do about it. */
export function ErrorBox({ error, onRetry }: { error: unknown; onRetry?: () => void }) {
  const { t } = useText()
  const kind = error instanceof ApiError ? error.kind : 'other'
  const position = error instanceof ApiError ? error.position : undefined
  const title =
    kind === 'other'
      ? t('error.title')
      : kind === 'query' && position
        ? t('error.queryAt', { position })
        : t(`error.${kind}`)
  const hint = kind === 'other' || kind === 'query' ? null : t(`error.${kind}Hint`)
  const message = error instanceof Error ? error.message : String(error)
  return (
    <div className="error-box" role="alert">
      <strong>{title}</strong>
      {kind !== 'offline' && <code>{message}</code>}
      {hint && <span>{hint}</span>}
      {onRetry && kind !== 'query' && (
        <Button size="compact-sm" variant="default" onClick={onRetry}>
          {t('action.retry')}
        </Button>
      )}
    </div>
  )
}

/** Grey lines in the place of what is coming. */
export function Skeleton({ height = 16, width = '100%' }: { height?: number | string; width?: number | string }) {
  return <span className="skeleton" style={{ height, width }} aria-hidden />
}

export function Empty({ title, children }: { title: string; children?: ReactNode }) {
  return (
    <div className="empty">
      <strong>{title}</strong>
      {children}
    </div>
  )
}
