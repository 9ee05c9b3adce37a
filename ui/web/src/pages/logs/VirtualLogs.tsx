import { measureElement, useVirtualizer } from '@tanstack/react-virtual'
import { useEffect, useMemo, useRef, useState } from 'react'
import type { LogRow } from '../../api/loki.ts'
import { LogLine } from '../../components/LogList.tsx'
import type { FieldAction } from '../../components/LogRecord.tsx'
import { useText } from '../../i18n/index.ts'

interface Props {
  rows: LogRow[]
  wrap: boolean
  onField: FieldAction
  /** The reader went away from the newest record, or opened one. */
  onRead?: () => void
  /** The newest record stays in sight. */
  follow?: boolean
}

/** A scroll position up to this, in pixels, is the top. */
const atTop = 4

/**
 * A closed line that does not wrap, as in logs.css. To measure it would lay out
 * the page once per line that a live tail brings.
 */
const lineHeight = 23

/** Any number of records: only the visible ones are in the page. */
export function VirtualLogs({ rows, wrap, onField, onRead, follow = false }: Props) {
  const { t } = useText()
  const parent = useRef<HTMLDivElement>(null)
  const [open, setOpen] = useState<ReadonlySet<string>>(new Set())
  const keys = useKeys(rows)
  const virtual = useVirtualizer({
    count: rows.length,
    getScrollElement: () => parent.current,
    estimateSize: () => lineHeight,
    overscan: 20,
    getItemKey: (i) => keys[i]!,
    measureElement: (element, entry, instance) =>
      wrap || element.querySelector('.log-open') ? measureElement(element, entry, instance) : lineHeight,
  })
  useEffect(() => {
    if (follow && parent.current) parent.current.scrollTop = 0
  }, [follow])
  const toggle = (key: string) => {
    const next = new Set(open)
    if (!next.delete(key)) next.add(key)
    setOpen(next)
    onRead?.()
  }
  return (
    <div
      ref={parent}
      className="virtual-logs"
      tabIndex={0}
      role="region"
      aria-label={t('nav.logs')}
      onScroll={(e) => {
        if (e.currentTarget.scrollTop > atTop) onRead?.()
      }}
    >
      <div style={{ height: virtual.getTotalSize(), position: 'relative' }}>
        {virtual.getVirtualItems().map((item) => {
          const key = keys[item.index]!
          return (
            <div
              key={item.key}
              data-index={item.index}
              ref={virtual.measureElement}
              className="virtual-log"
              style={{ transform: `translateY(${item.start}px)` }}
            >
              <LogLine
                row={rows[item.index]!}
                open={open.has(key)}
                onToggle={() => toggle(key)}
                wrap={wrap}
                onField={onField}
              />
            </div>
          )
        })}
      </div>
    </div>
  )
}

/** A key that stays with a record when newer ones come before it. */
function useKeys(rows: LogRow[]): string[] {
  return useMemo(() => {
    const seen = new Map<string, number>()
    return rows.map((r) => {
      const base = `${r.ts} ${r.labels.service_name} ${r.line.slice(0, 40)}`
      const n = seen.get(base) ?? 0
      seen.set(base, n + 1)
      return `${base} ${n}`
    })
  }, [rows])
}
