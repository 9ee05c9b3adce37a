import { useElementSize } from '@mantine/hooks'
import { useMemo, useRef, useState, type PointerEvent } from 'react'
import { useText } from '../i18n/index.ts'
import { fullTime, shortTime } from '../format/time.ts'
import { compact } from '../format/units.ts'
import { absolute, type Span } from '../time/range.ts'
import { useRange } from '../time/useRange.tsx'
import { levelColor, levelOf, levels, type Level } from './colors.ts'
import './chart.css'

export interface Bucket {
  /** Start of the bucket, Unix milliseconds. */
  ms: number
  counts: Partial<Record<Level, number>>
  total: number
}

/** Buckets of a count by level. Loki's values belong to the time before them. */
export function toBuckets(
  series: readonly { metric: Record<string, string>; values: readonly [number, string][] }[],
  span: Span,
  stepSeconds: number,
): Bucket[] {
  const step = stepSeconds * 1000
  const n = Math.max(0, Math.ceil((span.to - span.from) / step))
  const buckets: Bucket[] = Array.from({ length: n }, (_, i) => ({ ms: span.from + i * step, counts: {}, total: 0 }))
  for (const s of series) {
    const level = levelOf(s.metric.detected_level ?? s.metric.level)
    for (const [t, v] of s.values) {
      const b = buckets[Math.round((t * 1000 - span.from) / step) - 1]
      if (!b) continue
      b.counts[level] = (b.counts[level] ?? 0) + Number(v)
      b.total += Number(v)
    }
  }
  return buckets
}

// The worst at the bottom, where its height is easy to see.
const order = levels

/** How many records of each level over time. Drag to zoom. */
export function LevelHistogram({ buckets, span, height = 90 }: { buckets: Bucket[]; span: Span; height?: number }) {
  const { t, locale } = useText()
  const { setRange } = useRange()
  const { ref, width } = useElementSize<HTMLDivElement>()
  const [hover, setHover] = useState<number | null>(null)
  const [drag, setDrag] = useState<{ from: number; to: number } | null>(null)
  const start = useRef<number | null>(null)
  const top = Math.max(1, ...buckets.map((b) => b.total))
  const plot = height - 18
  const x = (ms: number) => ((ms - span.from) / (span.to - span.from)) * width
  const at = (e: PointerEvent) => {
    const box = e.currentTarget.getBoundingClientRect()
    return Math.min(width, Math.max(0, e.clientX - box.left))
  }
  const msAt = (px: number) => span.from + (px / Math.max(1, width)) * (span.to - span.from)
  const bars = useMemo(() => {
    const w = buckets.length ? width / buckets.length : 0
    return order.flatMap((level) => {
      let d = ''
      buckets.forEach((b, i) => {
        const count = b.counts[level]
        if (!count) return
        const below = order.slice(0, order.indexOf(level)).reduce((sum, l) => sum + (b.counts[l] ?? 0), 0)
        const y0 = plot - (below / top) * plot
        // Even one error among thousands is seen.
        const h = Math.max(1, (count / top) * plot)
        d += `M${(i * w).toFixed(1)} ${y0.toFixed(1)}h${Math.max(1, w - 1).toFixed(1)}v${(-h).toFixed(1)}h${(-Math.max(1, w - 1)).toFixed(1)}Z`
      })
      return d ? [{ level, d }] : []
    })
  }, [buckets, width, plot, top])
  const hovered = hover === null ? undefined : buckets[hover]
  const labels = Math.max(2, Math.floor(width / 140))
  const ticks = Array.from({ length: labels }, (_, i) => i / (labels - 1))
  return (
    <div ref={ref} className="chart histogram" style={{ height }}>
      <svg
        width={width}
        height={height}
        role="img"
        aria-label={t('logs.histogram')}
        onPointerDown={(e) => {
          e.currentTarget.setPointerCapture(e.pointerId)
          start.current = at(e)
        }}
        onPointerMove={(e) => {
          const px = at(e)
          setHover(Math.min(buckets.length - 1, Math.floor((px / Math.max(1, width)) * buckets.length)))
          if (start.current !== null) setDrag({ from: Math.min(start.current, px), to: Math.max(start.current, px) })
        }}
        onPointerLeave={() => setHover(null)}
        onPointerUp={() => {
          if (drag && drag.to - drag.from > 4) setRange(absolute({ from: msAt(drag.from), to: msAt(drag.to) }))
          else if (hovered && start.current !== null && buckets.length > 1) {
            const step = buckets[1]!.ms - buckets[0]!.ms
            setRange(absolute({ from: hovered.ms, to: hovered.ms + step }))
          }
          start.current = null
          setDrag(null)
        }}
      >
        <line x1={0} x2={width} y1={plot + 0.5} y2={plot + 0.5} stroke="var(--line)" />
        {bars.map((b) => (
          <path key={b.level} d={b.d} fill={levelColor[b.level]} />
        ))}
        {ticks.map((f) => (
          <text
            key={f}
            x={f * width}
            y={height - 4}
            textAnchor={f === 0 ? 'start' : f === 1 ? 'end' : 'middle'}
            className="axis-text"
          >
            {shortTime(span.from + f * (span.to - span.from), locale)}
          </text>
        ))}
        {drag && <rect x={drag.from} width={drag.to - drag.from} y={0} height={plot} className="brush" />}
        {hovered && !drag && (
          <rect x={x(hovered.ms)} width={width / buckets.length} y={0} height={plot} className="brush" />
        )}
      </svg>
      {hovered && hovered.total > 0 && (
        <div
          className="chart-tip"
          style={x(hovered.ms) > width / 2 ? { right: width - x(hovered.ms) + 8 } : { left: x(hovered.ms) + 24 }}
        >
          <div className="muted">{fullTime(hovered.ms, locale)}</div>
          {order.map((level) =>
            hovered.counts[level] ? (
              <div key={level} className="chart-tip-row">
                <i style={{ background: levelColor[level] }} />
                <span>{level}</span>
                <b>{compact(hovered.counts[level], locale)}</b>
              </div>
            ) : null,
          )}
        </div>
      )}
    </div>
  )
}
