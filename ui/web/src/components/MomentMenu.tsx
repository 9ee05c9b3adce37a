import { Menu } from '@mantine/core'
import { ListFilter, Waypoints, ZoomIn } from 'lucide-react'
import { useState } from 'react'
import { useText } from '../i18n/index.ts'
import { absolute, around } from '../time/range.ts'
import { useRange } from '../time/useRange.tsx'
import { fullTime } from '../format/time.ts'
import { useGo } from './PageLink.tsx'

interface Moment {
  ms: number
  x: number
  y: number
}

const minute = 30_000

/** What one can look at from a moment on a chart. `service` narrows it. */
export function useMoment(service?: string) {
  const { t, locale } = useText()
  const { span, setRange } = useRange()
  const go = useGo()
  const [moment, setMoment] = useState<Moment | null>(null)
  const open = (ms: number, at: { x: number; y: number }) => setMoment({ ms, ...at })
  const close = () => setMoment(null)
  const range = moment ? around(moment.ms, minute) : undefined
  const eighth = (span.to - span.from) / 16
  const menu = moment && (
    <Menu opened onClose={close} position="bottom-start" offset={4}>
      <Menu.Target>
        <button
          type="button"
          tabIndex={-1}
          className="moment-anchor"
          aria-label={t('moment.title', { time: fullTime(moment.ms, locale) })}
          style={{ left: moment.x, top: moment.y }}
        />
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Label>{t('moment.title', { time: fullTime(moment.ms, locale) })}</Menu.Label>
        <Menu.Item
          leftSection={<ListFilter size={14} />}
          onClick={() => go('/explore/logs', { ...range, q: service ? `service_name=${service}` : undefined })}
        >
          {t('moment.logs')}
        </Menu.Item>
        <Menu.Item leftSection={<Waypoints size={14} />} onClick={() => go('/explore/traces', { ...range, service })}>
          {t('moment.traces')}
        </Menu.Item>
        <Menu.Item
          leftSection={<ZoomIn size={14} />}
          onClick={() => setRange(absolute({ from: moment.ms - eighth, to: moment.ms + eighth }))}
        >
          {t('moment.zoom')}
        </Menu.Item>
      </Menu.Dropdown>
    </Menu>
  )
  return { open, menu }
}
