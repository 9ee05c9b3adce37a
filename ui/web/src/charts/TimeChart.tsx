import { useComputedColorScheme } from '@mantine/core'
import { useElementSize } from '@mantine/hooks'
import { useEffect, useMemo, useRef, useState } from 'react'
import uPlot from 'uplot'
import 'uplot/dist/uPlot.min.css'
import { useText } from '../i18n/index.ts'
import { absolute, type Span } from '../time/range.ts'
import { useRange } from '../time/useRange.tsx'
import { fullTime, utc } from '../format/time.ts'
import { withUnit, type Unit } from '../format/units.ts'
import './chart.css'

export interface ChartSeries {
  label: string
  color: string
  values: readonly (number | null)[]
  dash?: boolean
  fill?: boolean
}

/** A measured value with the trace it came from. */
export interface Exemplar {
  ms: number
  value: number
  traceId: string
}

interface Props {
  /** Unix seconds, rising. */
  times: readonly number[]
  series: readonly ChartSeries[]
  span: Span
  unit: Unit
  height?: number
  /** The scale starts at zero; without it, where the data is. */
  zero?: boolean
  /** Charts with the same key share their cursor. */
  sync?: string
  exemplars?: readonly Exemplar[]
  onExemplar?: (e: Exemplar) => void
  /** A click on the chart: the moment under the cursor. */
  onPick?: (ms: number, at: { x: number; y: number }) => void
  label: string
  /** Index of a series to bring forward. */
  focus?: number | null
}

/** Values over time. Drag to zoom, click to see what happened then. */
export function TimeChart(props: Props) {
  const { times, series, span, unit, height = 180, zero = true, sync, exemplars, focus, label } = props
  const { locale } = useText()
  const { setRange } = useRange()
  const scheme = useComputedColorScheme('light')
  const { ref, width } = useElementSize<HTMLDivElement>()
  const host = useRef<HTMLDivElement>(null)
  const plot = useRef<uPlot | null>(null)
  const [hover, setHover] = useState<{ index: number; left: number; top: number } | null>(null)
  // What handlers of an existing plot read, so that data does not rebuild it.
  const live = useRef({ ...props, setRange })
  useEffect(() => {
    live.current = { ...props, setRange }
  })
  const data = useMemo(
    () => [times as number[], ...series.map((s) => s.values as (number | null)[])] as uPlot.AlignedData,
    [times, series],
  )
  const shape = JSON.stringify(series.map((s) => [s.label, s.color, s.dash, s.fill]))
  const spanRef = useRef(span)
  useEffect(() => {
    spanRef.current = span
    plot.current?.setScale('x', { min: span.from / 1000, max: span.to / 1000 })
  }, [span])

  useEffect(() => {
    if (!host.current || width === 0) return
    const style = getComputedStyle(document.documentElement)
    const color = (name: string) => style.getPropertyValue(name).trim()
    const font = `11px ${style.getPropertyValue('--mantine-font-family')}`
    const shapes = JSON.parse(shape) as [string, string, boolean?, boolean?][]
    let dragged = false
    const u = new uPlot(
      {
        width,
        height,
        legend: { show: false },
        // Room for the last label of the axis.
        padding: [8, 18, 0, 0],
        cursor: {
          sync: sync ? { key: sync, setSeries: false } : undefined,
          drag: { x: true, y: false, setScale: false },
          points: { size: 6 },
          y: false,
        },
        scales: {
          x: { time: true, range: () => [spanRef.current.from / 1000, spanRef.current.to / 1000] },
          y: { range: (_, min, max) => yRange(min, max, zero) },
        },
        axes: [
          {
            stroke: color('--muted'),
            grid: { show: false },
            ticks: { show: true, stroke: color('--line'), size: 4 },
            font,
            size: 26,
            gap: 3,
            values: (_, splits, _axis, _space, incr) => splits.map((s) => axisTime(s * 1000, incr, locale)),
          },
          {
            stroke: color('--muted'),
            grid: { stroke: color('--line'), width: 1 },
            ticks: { show: false },
            font,
            size: 58,
            gap: 4,
            space: 36,
            values: (_, splits) => splits.map((v) => withUnit(v, unit, locale)),
          },
        ],
        series: [
          {},
          ...shapes.map(([name, stroke, dash, fill]) => ({
            label: name,
            stroke,
            width: 1.5,
            dash: dash ? [4, 4] : undefined,
            fill: fill ? `color-mix(in srgb, ${stroke} 14%, transparent)` : undefined,
            points: { size: 4, show: (_: uPlot, _i: number, from: number, to: number) => to - from < 3 },
          })),
        ],
        focus: { alpha: 0.25 },
        hooks: {
          setSelect: [
            (p) => {
              if (p.select.width < 4) return
              dragged = true
              const from = p.posToVal(p.select.left, 'x') * 1000
              const to = p.posToVal(p.select.left + p.select.width, 'x') * 1000
              p.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false)
              live.current.setRange(absolute({ from, to }))
            },
          ],
          setCursor: [
            (p) => {
              const { idx, left, top } = p.cursor
              if (idx == null || left == null || left < 0) setHover(null)
              else setHover({ index: idx, left, top: top ?? 0 })
            },
          ],
          draw: [(p) => drawExemplars(p, live.current.exemplars ?? [], color('--text'), color('--panel'))],
        },
      },
      data,
      host.current,
    )
    plot.current = u
    const click = (e: MouseEvent) => {
      if (dragged) {
        dragged = false
        return
      }
      const box = u.over.getBoundingClientRect()
      const x = e.clientX - box.left
      const y = e.clientY - box.top
      const hit = nearest(u, live.current.exemplars ?? [], x, y)
      if (hit && live.current.onExemplar) live.current.onExemplar(hit)
      else live.current.onPick?.(u.posToVal(x, 'x') * 1000, { x: e.clientX, y: e.clientY })
    }
    u.over.addEventListener('click', click)
    return () => {
      plot.current = null
      u.destroy()
    }
    // data is set by the effect below; a new plot is for a new shape only.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [shape, width, height, scheme, unit, zero, sync, locale])

  useEffect(() => {
    plot.current?.setData(data)
  }, [data, exemplars])
  useEffect(() => {
    plot.current?.setSeries(focus == null ? (null as unknown as number) : focus + 1, { focus: focus != null })
  }, [focus])

  return (
    <div ref={ref} className="chart" style={{ height }} role="img" aria-label={label}>
      <div ref={host} />
      {hover && times[hover.index] !== undefined && (
        <ChartTip times={times} series={series} hover={hover} width={width} unit={unit} locale={locale} />
      )}
    </div>
  )
}

function ChartTip(p: {
  times: readonly number[]
  series: readonly ChartSeries[]
  hover: { index: number; left: number }
  width: number
  unit: Unit
  locale: string
}) {
  const ms = p.times[p.hover.index]! * 1000
  const rows = p.series
    .map((s) => ({ label: s.label, color: s.color, value: s.values[p.hover.index] }))
    .filter((r) => r.value != null)
    .toSorted((a, b) => b.value! - a.value!)
  if (rows.length === 0) return null
  const right = p.hover.left + 58 > p.width / 2
  return (
    <div
      className="chart-tip"
      style={right ? { right: p.width - p.hover.left - 58 + 12 } : { left: p.hover.left + 58 + 12 }}
      title={utc(ms)}
    >
      <div className="muted">{fullTime(ms, p.locale)}</div>
      {rows.slice(0, 10).map((r) => (
        <div key={r.label} className="chart-tip-row">
          <i style={{ background: r.color }} />
          <span>{r.label}</span>
          <b>{withUnit(r.value, p.unit, p.locale)}</b>
        </div>
      ))}
      {rows.length > 10 && <div className="muted">+{rows.length - 10}</div>}
    </div>
  )
}

export function yRange(min: number | null, max: number | null, zero: boolean): [number, number] {
  if (min == null || max == null) return [0, 1]
  if (zero || (min > 0 && min < max / 2)) {
    const top = max > 0 ? max * 1.08 : min < 0 ? 0 : 1
    return [Math.min(0, min * 1.08), top]
  }
  const pad = (max - min) * 0.1 || Math.abs(max) * 0.1 || 1
  return [min - pad, max + pad]
}

function axisTime(ms: number, stepSeconds: number, locale: string): string {
  const options: Intl.DateTimeFormatOptions =
    stepSeconds >= 86_400
      ? { month: 'short', day: 'numeric' }
      : stepSeconds < 60
        ? { hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' }
        : { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' }
  const d = new Date(ms)
  const midnight = d.getHours() === 0 && d.getMinutes() === 0 && stepSeconds < 86_400
  return d.toLocaleString(locale, midnight ? { month: 'short', day: 'numeric' } : options)
}

const dotRadius = 3.5

function position(u: uPlot, e: Exemplar): { x: number; y: number } | null {
  const x = u.valToPos(e.ms / 1000, 'x')
  if (x < 0 || x > u.over.clientWidth) return null
  // A slow request far above the lines is what one looks for: it stands at the top.
  const y = Math.max(dotRadius + 1, u.valToPos(e.value, 'y'))
  return { x, y }
}

function drawExemplars(u: uPlot, exemplars: readonly Exemplar[], ink: string, paper: string) {
  const ratio = devicePixelRatio
  const { ctx } = u
  ctx.save()
  ctx.fillStyle = paper
  ctx.strokeStyle = ink
  ctx.lineWidth = 1.25 * ratio
  for (const e of exemplars) {
    const p = position(u, e)
    if (!p) continue
    ctx.beginPath()
    const x = p.x * ratio + u.bbox.left
    const y = p.y * ratio + u.bbox.top
    const r = dotRadius * ratio
    ctx.moveTo(x, y - r)
    ctx.lineTo(x + r, y)
    ctx.lineTo(x, y + r)
    ctx.lineTo(x - r, y)
    ctx.closePath()
    ctx.fill()
    ctx.stroke()
  }
  ctx.restore()
}

function nearest(u: uPlot, exemplars: readonly Exemplar[], x: number, y: number): Exemplar | null {
  let best: Exemplar | null = null
  let distance = 12
  for (const e of exemplars) {
    const p = position(u, e)
    if (!p) continue
    const d = Math.hypot(p.x - x, p.y - y)
    if (d < distance) {
      distance = d
      best = e
    }
  }
  return best
}
