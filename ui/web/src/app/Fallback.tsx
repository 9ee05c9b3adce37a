import { Button } from '@mantine/core'
import { PageLink } from '../components/PageLink.tsx'
import { useText } from '../i18n/index.ts'

export function NotFound() {
  const { t } = useText()
  return (
    <div className="empty">
      <strong>{t('app.notFound')}</strong>
      <span>{t('app.notFoundHint')}</span>
      <PageLink className="link" to="/">
        {t('nav.overview')}
      </PageLink>
    </div>
  )
}

export function Crashed({ error }: { error: unknown }) {
  const { t } = useText()
  return (
    <div className="error-box" role="alert">
      <strong>{t('app.crashed')}</strong>
      <code>{error instanceof Error ? error.message : String(error)}</code>
      <Button size="compact-sm" variant="default" onClick={() => location.reload()}>
        {t('app.reload')}
      </Button>
    </div>
  )
}
