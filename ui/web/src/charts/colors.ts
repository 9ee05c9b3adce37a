// Series colours: Okabe and Ito's set, told apart by people with any kind of
// colour vision, with a darker or lighter step where the set has too few.
// Yellow is darkened for light paper; black is left out for dark.

const light = [
  '#0072b2',
  '#d55e00',
  '#009e73',
  '#cc79a7',
  '#e69f00',
  '#3a9fd8',
  '#8a7a00',
  '#6a5aa8',
  '#00506f',
  '#8f3f00',
  '#006b4f',
  '#94497a',
  '#5b7f00',
  '#a04a8f',
  '#b07a00',
  '#4f6d8f',
]
const dark = [
  '#4ba3e3',
  '#f08a4b',
  '#2fc49a',
  '#e5a3c8',
  '#f0b43c',
  '#8fd0f5',
  '#e5d95a',
  '#a99be0',
  '#2f86b0',
  '#c26a33',
  '#1f9c78',
  '#b86f9c',
  '#a6c34a',
  '#d08fe0',
  '#c99a2e',
  '#8fa9c9',
]

export type Scheme = 'light' | 'dark'

export function seriesColor(index: number, scheme: Scheme): string {
  const set = scheme === 'dark' ? dark : light
  return set[index % set.length]!
}

/** --broken, for a canvas. */
export const brokenColor = (scheme: Scheme) => (scheme === 'dark' ? '#ff8177' : '#c3271b')

/** FNV-1a: small, and the same everywhere. */
export function hash(text: string): number {
  let h = 0x811c9dc5
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193)
  // The low bits of FNV differ little for short names.
  return (h ^ (h >>> 15)) >>> 0
}

/**
 * A place in the colour set for every service: the one its name hashes to, or
 * the next free one. So a service keeps its colour on every page, two services
 * share one only when there are more services than colours, and a new service
 * moves few others.
 */
export function assignColors(services: readonly string[]): Map<string, number> {
  const taken = new Map<number, number>()
  const out = new Map<string, number>()
  for (const name of [...new Set(services)].toSorted()) {
    const uses = Math.floor(out.size / light.length)
    let slot = hash(name) % light.length
    while ((taken.get(slot) ?? 0) > uses) slot = (slot + 1) % light.length
    taken.set(slot, (taken.get(slot) ?? 0) + 1)
    out.set(name, slot)
  }
  return out
}

/** Log levels: state colours for what is a state, greys for the rest. */
export const levels = ['fatal', 'critical', 'error', 'warn', 'info', 'debug', 'trace', 'unknown'] as const
export type Level = (typeof levels)[number]

export function levelOf(text: string | undefined): Level {
  const t = (text ?? '').toLowerCase()
  if (t.startsWith('warn')) return 'warn'
  if (t.startsWith('err')) return 'error'
  if (t.startsWith('crit') || t === 'alert' || t === 'emerg') return 'critical'
  return (levels as readonly string[]).includes(t) ? (t as Level) : 'unknown'
}

export const levelColor: Record<Level, string> = {
  fatal: 'var(--broken)',
  critical: 'var(--broken)',
  error: 'var(--broken)',
  warn: 'var(--risk-mark)',
  info: 'var(--level-info)',
  debug: 'var(--level-debug)',
  trace: 'var(--level-debug)',
  unknown: 'var(--level-debug)',
}
