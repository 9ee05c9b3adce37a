// From a bag of spans to the rows of a waterfall.

import type { TraceSpan } from '../../api/tempo.ts'

export interface Node {
  span: TraceSpan
  depth: number
  /** Rows below it, at any depth. */
  descendants: number
  /** Time in which none of its children ran. */
  selfMs: number
  /** On the chain of spans that the trace's end waited for. */
  critical: boolean
  childIds: string[]
}

export interface Waterfall {
  /** Parents before their children, by start. */
  rows: Node[]
  startMs: number
  durationMs: number
  errors: number
  services: ServiceShare[]
  /** Spans whose parent is not here, other than the root. */
  orphans: number
}

export interface ServiceShare {
  name: string
  spans: number
  errors: number
  selfMs: number
  /** Fraction of the self time of all spans. */
  share: number
}

export function layout(spans: readonly TraceSpan[]): Waterfall {
  const byId = new Map<string, TraceSpan>()
  // A span that was sent twice is one span.
  for (const s of spans) if (!byId.has(s.spanId)) byId.set(s.spanId, s)
  const children = new Map<string, TraceSpan[]>()
  const roots: TraceSpan[] = []
  for (const s of byId.values()) {
    if (s.parentId && s.parentId !== s.spanId && byId.has(s.parentId)) {
      const list = children.get(s.parentId)
      if (list) list.push(s)
      else children.set(s.parentId, [s])
    } else roots.push(s)
  }
  const byStart = (a: TraceSpan, b: TraceSpan) => a.startMs - b.startMs || b.durationMs - a.durationMs
  for (const list of children.values()) list.sort(byStart)
  roots.sort((a, b) => Number(!!a.parentId) - Number(!!b.parentId) || byStart(a, b))

  const rows: Node[] = []
  const visited = new Set<string>()
  // Without recursion: a trace may be a chain of ten thousand spans.
  const stack: { span: TraceSpan; depth: number }[] = roots.toReversed().map((span) => ({ span, depth: 0 }))
  const visit = () => {
    while (stack.length > 0) {
      const { span, depth } = stack.pop()!
      if (visited.has(span.spanId)) continue
      visited.add(span.spanId)
      const below = children.get(span.spanId) ?? []
      rows.push({
        span,
        depth,
        descendants: 0,
        selfMs: selfTime(span, below),
        critical: false,
        childIds: below.map((c) => c.spanId),
      })
      for (const c of below.toReversed()) stack.push({ span: c, depth: depth + 1 })
    }
  }
  visit()
  // Spans that are each other's parents hang on nothing: they are shown all the same.
  for (const s of byId.values()) {
    if (visited.has(s.spanId)) continue
    stack.push({ span: s, depth: 0 })
    visit()
  }
  countDescendants(rows)
  const startMs = rows.reduce((m, r) => Math.min(m, r.span.startMs), Infinity)
  const endMs = rows.reduce((m, r) => Math.max(m, r.span.startMs + r.span.durationMs), -Infinity)
  markCritical(rows, children, roots[0])
  return {
    rows,
    startMs: rows.length ? startMs : 0,
    durationMs: rows.length ? endMs - startMs : 0,
    errors: rows.filter((r) => r.span.error).length,
    services: shares(rows),
    orphans: roots.filter((s) => s.parentId).length,
  }
}

/** The ids of a span and of all below it; none when it is not in rows. */
export function subtree(rows: readonly Node[], spanId: string | undefined): Set<string> {
  const first = rows.findIndex((r) => r.span.spanId === spanId)
  const last = first < 0 ? first : first + rows[first]!.descendants
  return new Set(rows.slice(Math.max(first, 0), last + 1).map((r) => r.span.spanId))
}

/** The part of the span that no child covers. Children may overlap and outlive it. */
function selfTime(span: TraceSpan, children: readonly TraceSpan[]): number {
  const end = span.startMs + span.durationMs
  let covered = 0
  let reached = span.startMs
  for (const c of children) {
    const from = Math.max(reached, c.startMs)
    const to = Math.min(end, c.startMs + c.durationMs)
    if (to > from) {
      covered += to - from
      reached = to
    }
  }
  return Math.max(0, span.durationMs - covered)
}

function countDescendants(rows: Node[]) {
  const open: Node[] = []
  for (const row of rows) {
    while (open.length && open.at(-1)!.depth >= row.depth) open.pop()
    for (const ancestor of open) ancestor.descendants++
    open.push(row)
  }
}

/** From the end backwards: of the children that ended before a moment, the last one was waited for. */
function markCritical(rows: Node[], children: Map<string, TraceSpan[]>, root: TraceSpan | undefined) {
  if (!root) return
  const nodes = new Map(rows.map((r) => [r.span.spanId, r]))
  const stack: TraceSpan[] = [root]
  while (stack.length > 0) {
    const span = stack.pop()!
    const node = nodes.get(span.spanId)
    if (!node || node.critical) continue
    node.critical = true
    let moment = span.startMs + span.durationMs
    const byEnd = (children.get(span.spanId) ?? []).toSorted(
      (a, b) => b.startMs + b.durationMs - (a.startMs + a.durationMs),
    )
    for (const c of byEnd) {
      // What ends after its parent is not waited for, such as a message's consumer.
      if (c.startMs + c.durationMs > moment + 0.001) continue
      stack.push(c)
      moment = c.startMs
    }
  }
}

function shares(rows: readonly Node[]): ServiceShare[] {
  const by = new Map<string, ServiceShare>()
  let total = 0
  for (const r of rows) {
    let s = by.get(r.span.service)
    if (!s) by.set(r.span.service, (s = { name: r.span.service, spans: 0, errors: 0, selfMs: 0, share: 0 }))
    s.spans++
    if (r.span.error) s.errors++
    s.selfMs += r.selfMs
    total += r.selfMs
  }
  return [...by.values()]
    .map((s) => ({ ...s, share: total > 0 ? s.selfMs / total : 0 }))
    .toSorted((a, b) => b.selfMs - a.selfMs)
}

/** The rows that are shown when the subtrees of `folded` are closed. */
export function visibleRows(rows: readonly Node[], folded: ReadonlySet<string>): Node[] {
  const out: Node[] = []
  for (let i = 0; i < rows.length; i++) {
    const row = rows[i]!
    out.push(row)
    if (folded.has(row.span.spanId)) i += row.descendants
  }
  return out
}
