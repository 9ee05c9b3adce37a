import { useEffect } from 'react'
import { useRouterState } from '@tanstack/react-router'
import { PageLink } from '../components/PageLink.tsx'
import { useText } from '../i18n/index.ts'

const sections = {
  '/': 'overview',
  '/services': 'services',
  '/explore/metrics': 'metrics',
  '/explore/logs': 'logs',
  '/explore/traces': 'traces',
  '/traces': 'traces',
  '/alerts': 'alerts',
} as const

/** Where one is: the section, and the thing in it when there is one. */
export function Title() {
  const { t } = useText()
  const path = useRouterState({ select: (s) => s.location.pathname })
  const [, first = '', second = ''] = path.split('/')
  const section = (first === 'explore' ? `/explore/${second}` : `/${first}`) as keyof typeof sections
  const text = sections[section]
  const thing = first !== 'explore' && second ? decodeURIComponent(second) : ''
  const name = text ? t(`nav.${text}`) : ''
  useEffect(() => {
    document.title = [thing, name, t('app.name')].filter(Boolean).join(' · ')
  }, [thing, name, t])
  if (!thing) return <div className="header-title">{name}</div>
  const list = section === '/traces' ? '/explore/traces' : section
  return (
    <div className="header-title">
      <PageLink to={list}>{name}</PageLink> / <span className={section === '/traces' ? 'mono' : ''}>{thing}</span>
    </div>
  )
}
