import { useVirtualizer } from '@tanstack/react-virtual'
import { ChevronRight } from 'lucide-react'
import { useEffect, useMemo, useRef, useState, type KeyboardEvent } from 'react'
import { useServiceColor } from '../../charts/useServiceColor.ts'
import { ms } from '../../format/units.ts'
import { useText } from '../../i18n/index.ts'
import { visibleRows, type Node, type Waterfall } from './layout.ts'

const rowHeight = 26

interface Props {
  waterfall: Waterfall
  selected?: string
  onSelect: (spanId: string) => void
}

/** Spans as bars on one time axis, parents above their children. */
export function WaterfallView({ waterfall: w, selected, onSelect }: Props) {
  const { t, locale } = useText()
  const parent = useRef<HTMLDivElement>(null)
  const [folded, setFolded] = useState<ReadonlySet<string>>(new Set())
  const rows = useMemo(() => visibleRows(w.rows, folded), [w.rows, folded])
  const virtual = useVirtualizer({
    count: rows.length,
    getScrollElement: () => parent.current,
    estimateSize: () => rowHeight,
    overscan: 20,
  })
  const index = rows.findIndex((r) => r.span.spanId === selected)
  useEffect(() => {
    if (index >= 0) virtual.scrollToIndex(index, { align: 'center' })
    // Only a new selection scrolls, not every change of the list.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [selected])
  const toggle = (id: string) => {
    const next = new Set(folded)
    if (!next.delete(id)) next.add(id)
    setFolded(next)
  }
  const onKey = (e: KeyboardEvent) => {
    const step = e.key === 'ArrowDown' || e.key === 'j' ? 1 : e.key === 'ArrowUp' || e.key === 'k' ? -1 : 0
    const next = rows[Math.max(0, index + step)]
    if (step !== 0 && next && next.span.spanId !== selected) {
      e.preventDefault()
      onSelect(next.span.spanId)
    }
  }
  const ticks = [0, 0.25, 0.5, 0.75, 1]
  return (
    <section className="panel waterfall">
      <div className="waterfall-head">
        <div className="waterfall-name muted">{t('trace.span')}</div>
        <div className="waterfall-axis muted">
          {ticks.map((f) => (
            <span key={f} style={{ left: `${f * 100}%` }}>
              {ms(f * w.durationMs, locale)}
            </span>
          ))}
        </div>
      </div>
      <div
        ref={parent}
        className="waterfall-rows"
        style={{ height: Math.min(rows.length * rowHeight + 2, 720) }}
        tabIndex={0}
        role="region"
        aria-label={t('trace.waterfall')}
        onKeyDown={onKey}
      >
        <div style={{ height: virtual.getTotalSize(), position: 'relative' }}>
          {virtual.getVirtualItems().map((item) => {
            const node = rows[item.index]!
            return (
              <Row
                key={node.span.spanId}
                node={node}
                w={w}
                top={item.start}
                selected={node.span.spanId === selected}
                folded={folded.has(node.span.spanId)}
                onSelect={onSelect}
                onToggle={toggle}
              />
            )
          })}
        </div>
      </div>
    </section>
  )
}

interface RowProps {
  node: Node
  w: Waterfall
  top: number
  selected: boolean
  folded: boolean
  onSelect: (id: string) => void
  onToggle: (id: string) => void
}

function Row({ node, w, top, selected, folded, onSelect, onToggle }: RowProps) {
  const { t, locale } = useText()
  const color = useServiceColor()
  const s = node.span
  const own = color(s.service)
  const total = w.durationMs || 1
  const left = ((s.startMs - w.startMs) / total) * 100
  const width = (s.durationMs / total) * 100
  const labelLeft = left > 70
  // Deep traces keep room for the names.
  const indent = Math.min(node.depth, 14) * 12
  return (
    <div
      className={`span-row ${selected ? 'span-selected' : ''}`}
      style={{ transform: `translateY(${top}px)`, height: rowHeight }}
    >
      <div className="waterfall-name" style={{ paddingLeft: 6 + indent }}>
        {node.descendants > 0 ? (
          <button
            type="button"
            className="plain fold"
            aria-expanded={!folded}
            aria-label={t('trace.fold', { count: node.descendants })}
            onClick={() => onToggle(s.spanId)}
          >
            <ChevronRight size={12} className={folded ? '' : 'turned'} />
          </button>
        ) : (
          <span className="fold" />
        )}
        <button type="button" className="plain span-button" onClick={() => onSelect(s.spanId)}>
          <i className="span-color" style={{ background: own }} />
          <span className="span-service">{s.service}</span>
          <span className={`span-name ${s.error ? 'bad' : 'muted'}`}>{s.name}</span>
          {folded && <span className="tag">+{node.descendants}</span>}
        </button>
      </div>
      <button
        type="button"
        tabIndex={-1}
        aria-hidden
        className="plain waterfall-axis span-track"
        onClick={() => onSelect(s.spanId)}
      >
        <i
          className={`span-bar ${node.critical ? 'span-critical' : ''} ${s.error ? 'span-error' : ''}`}
          style={{ left: `${left}%`, width: `max(2px, ${width}%)`, background: own }}
        />
        {s.events.map((e, i) => (
          <i key={i} className="span-event" style={{ left: `${((e.ms - w.startMs) / total) * 100}%` }} title={e.name} />
        ))}
        <span
          className="span-duration"
          style={labelLeft ? { right: `calc(${100 - left}% + 5px)` } : { left: `calc(${left + width}% + 5px)` }}
        >
          {s.error && <span className="bad">◆ </span>}
          {ms(s.durationMs, locale)}
        </span>
      </button>
    </div>
  )
}
