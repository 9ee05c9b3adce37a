import { Button, Popover, TextInput, Tooltip } from '@mantine/core'
import { ChevronLeft, ChevronRight, Clock, RefreshCw, ZoomOut } from 'lucide-react'
import { useState } from 'react'
import { useIsFetching } from '@tanstack/react-query'
import { useText, type T } from '../i18n/index.ts'
import { fullTime, shortTime, utc } from '../format/time.ts'
import {
  absolute,
  defaultRange,
  isRelative,
  parseDuration,
  parseTime,
  preset,
  presets,
  shift,
  zoomOut,
  type Range,
} from '../time/range.ts'
import { refreshChoices, useRange } from '../time/useRange.tsx'
import { durationText } from '../components/When.tsx'

/** The page's time range and how often it refreshes. */
export function TimeControl() {
  const { t, locale } = useText()
  const { range, span, now, setRange, tick } = useRange()
  const [opened, setOpened] = useState(false)
  const fetching = useIsFetching() > 0
  const relative = isRelative(range)
  return (
    <div className="time-control" role="group" aria-label={t('time.range')}>
      <Tooltip label={t('time.back')}>
        <button
          type="button"
          className="wide-only"
          aria-label={t('time.back')}
          onClick={() => setRange(absolute(shift(span, -1, now)))}
        >
          <ChevronLeft size={14} />
        </button>
      </Tooltip>
      <Popover opened={opened} onChange={setOpened} position="bottom-end" trapFocus>
        <Popover.Target>
          <button
            type="button"
            data-time-range
            aria-haspopup="dialog"
            aria-expanded={opened}
            onClick={() => setOpened(!opened)}
            title={`${utc(span.from)} – ${utc(span.to)}`}
          >
            <Clock size={14} />
            {rangeText(range, t) ?? `${shortTime(span.from, locale)} – ${shortTime(span.to, locale)}`}
          </button>
        </Popover.Target>
        <Popover.Dropdown p={12}>
          <RangeForm
            range={range}
            onDone={(r) => {
              setOpened(false)
              if (r) setRange(r)
            }}
          />
        </Popover.Dropdown>
      </Popover>
      <Tooltip label={t('time.zoomOut')}>
        <button
          type="button"
          className="wide-only"
          aria-label={t('time.zoomOut')}
          onClick={() => setRange(absolute(zoomOut(span, now)))}
        >
          <ZoomOut size={14} />
        </button>
      </Tooltip>
      {!relative && (
        <Tooltip label={t('time.forward')}>
          <button
            type="button"
            className="wide-only"
            aria-label={t('time.forward')}
            onClick={() => setRange(absolute(shift(span, 1, now)))}
          >
            <ChevronRight size={14} />
          </button>
        </Tooltip>
      )}
      {!relative && (
        <button type="button" onClick={() => setRange(defaultRange)}>
          {t('time.toNow')}
        </button>
      )}
      <Tooltip label={t('time.refresh')}>
        <button type="button" aria-label={t('time.refresh')} onClick={tick} aria-busy={fetching}>
          <RefreshCw size={14} className={fetching ? 'busy' : ''} />
        </button>
      </Tooltip>
    </div>
  )
}

export function rangeText(range: Range, t: T): string | null {
  const p = preset(range)
  const d = p === null ? null : parseDuration(p)
  return d === null ? null : t('time.last', { duration: durationText(d, t) })
}

function RangeForm({ range, onDone }: { range: Range; onDone: (range: Range | null) => void }) {
  const { t, locale } = useText()
  const { now, refresh, setRefresh } = useRange()
  const show = (text: string) => (/^\d{11,}$/.test(text) ? fullTime(Number(text), locale) : text)
  const [from, setFrom] = useState(show(range.from))
  const [to, setTo] = useState(show(range.to))
  const read = (text: string, shown: string, original: string) =>
    text === shown ? original : text.trim().startsWith('now') ? text.trim() : String(parseTime(text, now) ?? '')
  const next = { from: read(from, show(range.from), range.from), to: read(to, show(range.to), range.to) }
  const fromMs = parseTime(next.from, now)
  const toMs = parseTime(next.to, now)
  const order = fromMs !== null && toMs !== null && fromMs >= toMs
  return (
    <div className="range-form">
      <div className="range-presets">
        {presets.map((p) => (
          <Button
            key={p}
            size="compact-sm"
            variant={preset(range) === p ? 'light' : 'subtle'}
            color={preset(range) === p ? undefined : 'gray'}
            justify="flex-start"
            onClick={() => onDone({ from: `now-${p}`, to: 'now' })}
          >
            {rangeText({ from: `now-${p}`, to: 'now' }, t)}
          </Button>
        ))}
      </div>
      <form
        className="stack"
        onSubmit={(e) => {
          e.preventDefault()
          if (fromMs !== null && toMs !== null && !order) onDone(next)
        }}
      >
        <strong>{t('time.custom')}</strong>
        <TextInput
          size="xs"
          label={t('time.from')}
          value={from}
          onChange={(e) => setFrom(e.currentTarget.value)}
          error={fromMs === null ? t('time.unreadable') : order ? t('time.order') : undefined}
        />
        <TextInput
          size="xs"
          label={t('time.to')}
          description={t('time.hint')}
          inputWrapperOrder={['label', 'input', 'description', 'error']}
          value={to}
          onChange={(e) => setTo(e.currentTarget.value)}
          error={toMs === null ? t('time.unreadable') : undefined}
        />
        <Button type="submit" size="compact-sm">
          {t('time.apply')}
        </Button>
        <div>
          <div className="muted">{t('time.auto')}</div>
          <div className="row wrap" style={{ gap: 2 }}>
            {refreshChoices.map((r) => (
              <Button
                key={r}
                size="compact-xs"
                variant={refresh === r ? 'light' : 'subtle'}
                color={refresh === r ? undefined : 'gray'}
                onClick={() => setRefresh(r)}
              >
                {r === 'off' ? t('time.off') : r}
              </Button>
            ))}
          </div>
        </div>
      </form>
    </div>
  )
}
