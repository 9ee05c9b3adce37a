import { useElementSize } from '@mantine/hooks'
import { useState, type PointerEvent } from 'react'
import type { FoundTrace } from '../../api/tempo.ts'
import { useGo } from '../../components/PageLink.tsx'
import { fullTime, shortTime } from '../../format/time.ts'
import '../../charts/chart.css'
import { ms } from '../../format/units.ts'
import { useText } from '../../i18n/index.ts'
import type { Span } from '../../time/range.ts'

interface Props {
  traces: FoundTrace[]
  span: Span
  /** A rectangle was drawn: times and durations in milliseconds. */
  onBrush: (span: Span, minMs: number, maxMs: number) => void
  color: (service: string) => string
  highlighted: string | null
  onHighlight: (traceId: string | null) => void
}

const height = 170
const left = 58
const bottom = 20

/** Duration (logarithmic) over time; a dot is a trace, a diamond one with errors. */
export function Scatter({ traces, span, onBrush, color, highlighted, onHighlight }: Props) {
  const { t, locale } = useText()
  const go = useGo()
  const { ref, width } = useElementSize<HTMLDivElement>()
  const [drag, setDrag] = useState<{ x0: number; y0: number; x1: number; y1: number } | null>(null)
  const plotW = Math.max(1, width - left - 8)
  const plotH = height - bottom - 8
  const durations = traces.map((x) => Math.max(0.01, x.durationMs))
  const low = Math.log10(Math.min(...durations, 1000)) - 0.1
  const high = Math.log10(Math.max(...durations, 1)) + 0.1
  const x = (at: number) => left + ((at - span.from) / (span.to - span.from)) * plotW
  const y = (d: number) => 8 + (1 - (Math.log10(Math.max(0.01, d)) - low) / (high - low)) * plotH
  const msAt = (px: number) => span.from + ((px - left) / plotW) * (span.to - span.from)
  const durationAt = (py: number) => 10 ** (low + (1 - (py - 8) / plotH) * (high - low))
  const decades: number[] = []
  for (let e = Math.ceil(low); e <= high; e++) decades.push(10 ** e)
  // The edges too when there are few, where their text has room.
  if (decades.length < 2) {
    for (const d of [10 ** low, 10 ** high]) if (decades.every((e) => Math.abs(y(e) - y(d)) > 16)) decades.push(d)
  }
  const at = (e: PointerEvent) => {
    const box = e.currentTarget.getBoundingClientRect()
    return { px: e.clientX - box.left, py: e.clientY - box.top }
  }
  const ticks = Math.max(2, Math.floor(plotW / 140))
  const hit = traces.find((x) => x.traceId === highlighted)
  return (
    <div ref={ref} className="chart" style={{ height }}>
      <svg
        width={width}
        height={height}
        className="scatter"
        role="img"
        aria-label={t('traces.scatter')}
        onPointerDown={(e) => {
          const { px, py } = at(e)
          setDrag({ x0: px, y0: py, x1: px, y1: py })
        }}
        onPointerMove={(e) => {
          if (!drag) return
          const { px, py } = at(e)
          setDrag({ ...drag, x1: px, y1: py })
        }}
        onPointerLeave={() => setDrag(null)}
        onPointerUp={() => {
          if (drag && Math.abs(drag.x1 - drag.x0) > 5) {
            const [a, b] = [Math.min(drag.x0, drag.x1), Math.max(drag.x0, drag.x1)]
            const tall = Math.abs(drag.y1 - drag.y0) > 8
            onBrush(
              { from: msAt(Math.max(left, a)), to: msAt(b) },
              tall ? durationAt(Math.max(drag.y0, drag.y1)) : 0,
              tall ? durationAt(Math.min(drag.y0, drag.y1)) : 0,
            )
          }
          setDrag(null)
        }}
      >
        {decades.map((d) => (
          <g key={d}>
            <line x1={left} x2={width - 8} y1={y(d)} y2={y(d)} stroke="var(--line)" />
            <text x={left - 6} y={y(d) + 4} textAnchor="end" className="axis-text">
              {ms(d, locale)}
            </text>
          </g>
        ))}
        {Array.from({ length: ticks }, (_, i) => (
          <text
            key={i}
            x={left + (i / (ticks - 1)) * plotW}
            y={height - 5}
            textAnchor={i === 0 ? 'start' : i === ticks - 1 ? 'end' : 'middle'}
            className="axis-text"
          >
            {shortTime(span.from + (i / (ticks - 1)) * (span.to - span.from), locale)}
          </text>
        ))}
        {traces.map((trace) => {
          const cx = x(trace.startMs)
          const cy = y(trace.durationMs)
          const big = trace.traceId === highlighted
          const r = big ? 6 : 4
          const common = {
            className: 'scatter-dot',
            fill: trace.errorCount ? 'var(--broken)' : color(trace.service),
            onPointerEnter: () => onHighlight(trace.traceId),
            onPointerLeave: () => onHighlight(null),
            onPointerDown: (e: PointerEvent) => e.stopPropagation(),
            onClick: () => go(`/traces/${trace.traceId}`),
          }
          return trace.errorCount ? (
            <path
              key={trace.traceId}
              {...common}
              d={`M${cx} ${cy - r - 1}L${cx + r + 1} ${cy}L${cx} ${cy + r + 1}L${cx - r - 1} ${cy}Z`}
            />
          ) : (
            <circle key={trace.traceId} {...common} cx={cx} cy={cy} r={r} />
          )
        })}
        {drag && (
          <rect
            className="brush"
            x={Math.min(drag.x0, drag.x1)}
            y={Math.min(drag.y0, drag.y1)}
            width={Math.abs(drag.x1 - drag.x0)}
            height={Math.abs(drag.y1 - drag.y0)}
          />
        )}
      </svg>
      {hit && (
        <div
          className="chart-tip"
          style={x(hit.startMs) > width / 2 ? { right: width - x(hit.startMs) + 12 } : { left: x(hit.startMs) + 12 }}
        >
          <div className="muted">{fullTime(hit.startMs, locale)}</div>
          <div>
            {hit.service} · {hit.name}
          </div>
          <b>{ms(hit.durationMs, locale)}</b>
        </div>
      )}
    </div>
  )
}
