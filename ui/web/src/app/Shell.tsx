import { ActionIcon, Menu, Tooltip, useMantineColorScheme } from '@mantine/core'
import { Outlet, useRouterState } from '@tanstack/react-router'
import { Bell, Check, Languages, LayoutGrid, LineChart, List, Moon, ScrollText, Waypoints } from 'lucide-react'
import type { ComponentType } from 'react'
import { PageLink } from '../components/PageLink.tsx'
import { languages, setLanguage, useText, type LanguageCode } from '../i18n/index.ts'
import { ClockProvider } from '../time/useRange.tsx'
import { Commands } from './Commands.tsx'
import { TimeControl } from './TimeControl.tsx'
import { Title } from './Title.tsx'

interface Item {
  to: string
  text: 'overview' | 'services' | 'metrics' | 'logs' | 'traces' | 'alerts'
  icon: ComponentType<{ size?: number; strokeWidth?: number }>
  also?: string
}

/** The rail, in order; explore pages stand under their own label. */
export const railItems: Item[] = [
  { to: '/', text: 'overview', icon: LayoutGrid },
  { to: '/services', text: 'services', icon: List },
]

const alertsItem: Item = { to: '/alerts', text: 'alerts', icon: Bell }

export const exploreItems: Item[] = [
  { to: '/explore/metrics', text: 'metrics', icon: LineChart },
  { to: '/explore/logs', text: 'logs', icon: ScrollText },
  { to: '/explore/traces', text: 'traces', icon: Waypoints, also: '/traces/' },
]

export function Shell() {
  const { t } = useText()
  const path = useRouterState({ select: (s) => s.location.pathname })
  return (
    <ClockProvider>
      <a className="skip" href="#content">
        {t('app.skip')}
      </a>
      <div className="shell">
        <nav className="rail" aria-label={t('app.navigation')}>
          <PageLink to="/" className="brand">
            <Logo />
            {t('app.name')}
          </PageLink>
          {railItems.map((item) => (
            <RailItem key={item.to} item={item} path={path} />
          ))}
          {exploreItems.length > 0 && <div className="rail-label">{t('app.explore')}</div>}
          {exploreItems.map((item) => (
            <RailItem key={item.to} item={item} path={path} />
          ))}
          <div className="rail-gap" />
          <RailItem item={alertsItem} path={path} />
        </nav>
        <div className="main">
          <header className="header">
            <Title />
            <div className="grow" />
            <Commands />
            <TimeControl />
            <ThemeMenu />
            <LanguageMenu />
          </header>
          <main className="content" id="content">
            <Outlet />
          </main>
        </div>
      </div>
    </ClockProvider>
  )
}

function RailItem({ item, path }: { item: Item; path: string }) {
  const { t } = useText()
  const current = item.to === '/' ? path === '/' : path.startsWith(item.to) || (item.also && path.startsWith(item.also))
  const Icon = item.icon
  return (
    <PageLink to={item.to} className="rail-item" aria-current={current ? 'page' : undefined}>
      <Icon size={16} strokeWidth={1.75} />
      {t(`nav.${item.text}`)}
    </PageLink>
  )
}

/** A fire lookout tower. */
export function Logo() {
  return (
    <svg width="20" height="20" viewBox="0 0 24 24" fill="none" stroke="currentColor" strokeWidth="1.8" aria-hidden>
      <path
        d="M4.5 9 12 3.5 19.5 9M6.5 12h11M8.8 9 6.4 21M15.2 9l2.4 12M7.6 16.5h8.8"
        strokeLinecap="round"
        strokeLinejoin="round"
      />
    </svg>
  )
}

function ThemeMenu() {
  const { t } = useText()
  const { colorScheme, setColorScheme } = useMantineColorScheme()
  const choices = [
    ['light', t('app.themeLight')],
    ['dark', t('app.themeDark')],
    ['auto', t('app.themeSystem')],
  ] as const
  return (
    <Menu position="bottom-end">
      <Menu.Target>
        <Tooltip label={t('app.theme')}>
          <ActionIcon aria-label={t('app.theme')}>
            <Moon size={16} />
          </ActionIcon>
        </Tooltip>
      </Menu.Target>
      <Menu.Dropdown>
        {choices.map(([value, label]) => (
          <Menu.Item
            key={value}
            onClick={() => setColorScheme(value)}
            rightSection={colorScheme === value ? <Check size={14} /> : null}
          >
            {label}
          </Menu.Item>
        ))}
      </Menu.Dropdown>
    </Menu>
  )
}

function LanguageMenu() {
  const { t, locale } = useText()
  return (
    <Menu position="bottom-end">
      <Menu.Target>
        <Tooltip label={t('app.language')}>
          <ActionIcon aria-label={t('app.language')}>
            <Languages size={16} />
          </ActionIcon>
        </Tooltip>
      </Menu.Target>
      <Menu.Dropdown>
        {(Object.keys(languages) as LanguageCode[]).map((code) => (
          <Menu.Item
            key={code}
            lang={code}
            onClick={() => setLanguage(code)}
            rightSection={locale === code ? <Check size={14} /> : null}
          >
            {languages[code]}
          </Menu.Item>
        ))}
      </Menu.Dropdown>
    </Menu>
  )
}
