import { Modal, useComputedColorScheme, useMantineColorScheme } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { useCallback, useEffect, useRef, useState, type KeyboardEvent as ReactKeyboardEvent } from 'react'
import { Search } from 'lucide-react'
import { getJSON } from '../api/http.ts'
import { useGo } from '../components/PageLink.tsx'
import { setLanguage, useText } from '../i18n/index.ts'
import { useRange } from '../time/useRange.tsx'

/** Second key after "g". */
export const jumps = {
  o: ['/', 'overview'],
  s: ['/services', 'services'],
  m: ['/explore/metrics', 'metrics'],
  l: ['/explore/logs', 'logs'],
  t: ['/explore/traces', 'traces'],
  a: ['/alerts', 'alerts'],
} as const

const inText = (e: KeyboardEvent) => {
  const el = e.target as HTMLElement | null
  return !!el && (el.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(el.tagName))
}

/** The keyboard: jumps, search, the palette and its help. */
export function Commands() {
  const { t } = useText()
  const go = useGo()
  const { tick } = useRange()
  const [palette, setPalette] = useState(false)
  const [help, setHelp] = useState(false)
  const pending = useRef(0)
  const open = useCallback(() => setPalette(true), [])
  const live = useRef({ go, tick })
  useEffect(() => {
    live.current = { go, tick }
  })
  useEffect(() => {
    const onKey = (e: KeyboardEvent) => {
      if ((e.metaKey || e.ctrlKey) && e.key.toLowerCase() === 'k') {
        e.preventDefault()
        setPalette((v) => !v)
        return
      }
      if (e.metaKey || e.ctrlKey || e.altKey || inText(e) || document.querySelector('[role=dialog]')) return
      const jump = jumps[e.key as keyof typeof jumps]
      if (jump && e.timeStamp - pending.current < 1200) {
        pending.current = 0
        e.preventDefault()
        live.current.go(jump[0])
        return
      }
      const act: Record<string, () => void> = {
        g: () => (pending.current = e.timeStamp),
        '?': () => setHelp(true),
        '/': () => document.getElementById('page-search')?.focus(),
        t: () => document.querySelector<HTMLElement>('[data-time-range]')?.click(),
        r: () => live.current.tick(),
      }
      const fn = act[e.key]
      if (!fn) return
      e.preventDefault()
      fn()
    }
    addEventListener('keydown', onKey)
    return () => removeEventListener('keydown', onKey)
  }, [])
  const mac = /Mac|iP/.test(navigator.platform)
  return (
    <>
      <button
        type="button"
        className="search-button"
        aria-label={`${t('app.commands')} ${mac ? '⌘K' : 'Ctrl K'}`}
        onClick={open}
      >
        <Search size={14} />
        <span className="grow">{t('app.commands')}</span>
        <kbd>{mac ? '⌘K' : 'Ctrl K'}</kbd>
      </button>
      {palette && <Palette onClose={() => setPalette(false)} onHelp={() => setHelp(true)} />}
      <Modal
        opened={help}
        onClose={() => setHelp(false)}
        title={t('app.help')}
        closeButtonProps={{ 'aria-label': t('action.close') }}
      >
        <table className="shortcuts">
          <tbody>
            <Shortcut keys={[mac ? '⌘K' : 'Ctrl K']} text={t('app.commands')} />
            {Object.entries(jumps).map(([k, [, name]]) => (
              <Shortcut key={k} keys={['g', k]} text={t(`nav.${name}`)} />
            ))}
            <Shortcut keys={['/']} text={t('keys.search')} />
            <Shortcut keys={['t']} text={t('time.range')} />
            <Shortcut keys={['r']} text={t('time.refresh')} />
            <Shortcut keys={['↑', '↓']} text={t('keys.spans')} />
            <Shortcut keys={['?']} text={t('app.help')} />
          </tbody>
        </table>
      </Modal>
    </>
  )
}

function Shortcut({ keys, text }: { keys: string[]; text: string }) {
  return (
    <tr>
      <td>
        {keys.map((k) => (
          <kbd key={k}>{k}</kbd>
        ))}
      </td>
      <td>{text}</td>
    </tr>
  )
}

interface Entry {
  label: string
  hint: string
  run: () => void
}

/** One box that finds pages, services, traces and actions. */
function Palette({ onClose, onHelp }: { onClose: () => void; onHelp: () => void }) {
  const { t, locale } = useText()
  const go = useGo()
  const { setColorScheme } = useMantineColorScheme()
  const dark = useComputedColorScheme('light') === 'dark'
  const [text, setText] = useState('')
  const [at, setAt] = useState(0)
  const { data } = useQuery({
    queryKey: ['service names'],
    queryFn: async ({ signal }) => {
      const params = { 'match[]': 'traces_spanmetrics_calls_total' }
      return (await getJSON<{ data: string[] | null }>('/api/v1/label/service/values', params, signal)).data ?? []
    },
    staleTime: 300_000,
  })
  const all: Entry[] = [
    ...Object.values(jumps).map(([to, name]) => ({ label: t(`nav.${name}`), hint: t('keys.page'), run: () => go(to) })),
    ...(data ?? []).map((s) => ({
      label: s,
      hint: t('services.name'),
      run: () => go(`/services/${encodeURIComponent(s)}`),
    })),
    { label: t('alerts.newSilence'), hint: t('keys.action'), run: () => go('/alerts', { silence: 'new' }) },
    {
      label: dark ? t('app.themeLight') : t('app.themeDark'),
      hint: t('app.theme'),
      run: () => setColorScheme(dark ? 'light' : 'dark'),
    },
    {
      label: locale === 'ja' ? 'English' : '日本語',
      hint: t('app.language'),
      run: () => setLanguage(locale === 'ja' ? 'en' : 'ja'),
    },
    { label: t('app.help'), hint: '?', run: onHelp },
  ]
  const words = text.toLowerCase().trim()
  const entries = all.filter((e) => e.label.toLowerCase().includes(words))
  if (/^[0-9a-f]{16,32}$/.test(words)) {
    entries.unshift({ label: words, hint: t('traces.trace'), run: () => go(`/traces/${words}`) })
  } else if (words) {
    entries.push({ label: text.trim(), hint: t('logs.search'), run: () => go('/explore/logs', { q: text.trim() }) })
  }
  const chosen = Math.min(at, entries.length - 1)
  const run = (e: Entry | undefined) => {
    onClose()
    e?.run()
  }
  const onKey = (e: ReactKeyboardEvent) => {
    const step = e.key === 'ArrowDown' ? 1 : e.key === 'ArrowUp' ? -1 : 0
    if (step) {
      e.preventDefault()
      setAt((chosen + step + entries.length) % entries.length)
    } else if (e.key === 'Enter') {
      e.preventDefault()
      run(entries[chosen])
    }
  }
  return (
    <Modal opened onClose={onClose} withCloseButton={false} padding={0} size={520} yOffset="12vh">
      <input
        className="palette-input"
        role="combobox"
        aria-expanded
        aria-controls="palette-list"
        aria-activedescendant={`palette-${chosen}`}
        aria-label={t('app.commands')}
        placeholder={t('app.commands')}
        value={text}
        data-autofocus
        onChange={(e) => {
          setText(e.currentTarget.value)
          setAt(0)
        }}
        onKeyDown={onKey}
      />
      <div id="palette-list" role="listbox" className="palette-list" aria-label={t('app.commands')}>
        {entries.slice(0, 40).map((e, i) => (
          <div
            key={`${e.hint} ${e.label}`}
            id={`palette-${i}`}
            role="option"
            aria-selected={i === chosen}
            className="palette-entry"
            onPointerMove={() => setAt(i)}
            onClick={() => run(e)}
          >
            <span className="grow">{e.label}</span>
            <span className="muted">{e.hint}</span>
          </div>
        ))}
      </div>
    </Modal>
  )
}
