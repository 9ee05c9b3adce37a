/** Where a sparkline's line runs: one "M x y L x y" per stretch without gaps. */
export function linePath(values: readonly (number | null)[], width: number, height: number, max: number): string {
  const dx = values.length > 1 ? width / (values.length - 1) : 0
  let path = ''
  let gap = true
  values.forEach((v, i) => {
    if (v === null) {
      gap = true
      return
    }
    const y = max > 0 ? height - 1 - (v / max) * (height - 2) : height - 1
    path += `${gap ? 'M' : 'L'}${(i * dx).toFixed(1)} ${y.toFixed(1)}`
    gap = false
  })
  return path
}

/** The area under the line, down to the bottom. */
export function areaPath(values: readonly (number | null)[], width: number, height: number, max: number): string {
  const dx = values.length > 1 ? width / (values.length - 1) : 0
  let path = ''
  let start = -1
  const close = (end: number) => {
    if (start >= 0) path += `L${(end * dx).toFixed(1)} ${height}L${(start * dx).toFixed(1)} ${height}Z`
    start = -1
  }
  values.forEach((v, i) => {
    if (v === null) {
      close(i - 1)
      return
    }
    const y = max > 0 ? height - (v / max) * (height - 1) : height
    path += `${start < 0 ? 'M' : 'L'}${(i * dx).toFixed(1)} ${y.toFixed(1)}`
    if (start < 0) start = i
  })
  close(values.length - 1)
  return path
}

interface Props {
  values: readonly (number | null)[]
  /** Fractions of the values that are failures, drawn over them in red. */
  bad?: readonly (number | null)[]
  /** The top of the scale; the largest value by default. */
  max?: number
  height?: number
  label: string
  tone?: 'neutral' | 'bad'
}

/** A small picture of a trend. It has no axis: the numbers stand beside it. */
export function Sparkline({ values, bad, max, height = 28, label, tone = 'neutral' }: Props) {
  const width = 120
  const top = max ?? Math.max(0, ...values.map((v) => v ?? 0))
  const failures = bad?.map((share, i) => {
    const v = values[i]
    return share && v ? share * v : share === null || v == null ? null : 0
  })
  return (
    <svg
      className={`spark spark-${tone}`}
      viewBox={`0 0 ${width} ${height}`}
      preserveAspectRatio="none"
      height={height}
      role="img"
      aria-label={label}
    >
      <path className="spark-area" d={areaPath(values, width, height, top)} />
      {failures?.some((v) => v) && <path className="spark-bad" d={areaPath(failures, width, height, top)} />}
      <path className="spark-line" d={linePath(values, width, height, top)} />
    </svg>
  )
}
