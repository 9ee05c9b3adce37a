import { getJSON, requestJSON } from './http.ts'

const base = '/alertmanager/api/v2'

export interface AmAlert {
  fingerprint: string
  labels: Record<string, string>
  annotations: Record<string, string>
  startsAt: string
  generatorURL?: string
  receivers: { name: string }[]
  status: { state: 'active' | 'suppressed' | 'unprocessed'; silencedBy: string[]; inhibitedBy: string[] }
}

export interface AlertGroup {
  labels: Record<string, string>
  receiver: { name: string }
  alerts: AmAlert[]
}

export interface Matcher {
  name: string
  value: string
  isRegex: boolean
  isEqual: boolean
}

export interface Silence {
  id: string
  status: { state: 'active' | 'pending' | 'expired' }
  comment: string
  createdBy: string
  startsAt: string
  endsAt: string
  matchers: Matcher[]
}

export const alertGroups = (signal?: AbortSignal) =>
  getJSON<AlertGroup[]>(`${base}/alerts/groups`, { silenced: true, inhibited: true }, signal)

export const alertsMatching = (matchers: Matcher[], signal?: AbortSignal) =>
  getJSON<AmAlert[]>(`${base}/alerts`, { filter: matchers.map(matcherText) }, signal)

export const silences = (signal?: AbortSignal) => getJSON<Silence[]>(`${base}/silences`, {}, signal)

export function createSilence(s: Omit<Silence, 'id' | 'status'>): Promise<{ silenceID: string }> {
  return requestJSON(`${base}/silences`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', Accept: 'application/json' },
    body: JSON.stringify(s),
  })
}

export async function expireSilence(id: string): Promise<void> {
  await requestJSON(`${base}/silence/${encodeURIComponent(id)}`, { method: 'DELETE' })
}

export function operator(m: Pick<Matcher, 'isRegex' | 'isEqual'>): string {
  return `${m.isEqual ? '=' : '!'}${m.isRegex ? '~' : m.isEqual ? '' : '='}`
}

/** service="payment" */
export function matcherText(m: Matcher): string {
  return `${m.name}${operator(m)}${JSON.stringify(m.value)}`
}

const pattern = /([A-Za-z_][\w.]*)\s*(=~|!~|!=|=)\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,{}"]+))/y

/** The matchers of a line such as service="payment", severity=~"warn.*"; null when it is not one. */
export function parseMatchers(text: string): Matcher[] | null {
  const out: Matcher[] = []
  const body = text.trim().replace(/^\{|\}$/g, '')
  let at = 0
  while (at < body.length) {
    const skip = /^[\s,]*/.exec(body.slice(at))![0].length
    at += skip
    if (at >= body.length) break
    pattern.lastIndex = at
    const m = pattern.exec(body)
    if (!m) return null
    at = pattern.lastIndex
    out.push({
      name: m[1]!,
      value: m[3] !== undefined ? m[3].replace(/\\(.)/g, '$1') : m[4]!,
      isRegex: m[2]!.endsWith('~'),
      isEqual: m[2]!.startsWith('='),
    })
  }
  return out.length ? out : null
}

/** The expression in a link of Prometheus' kind, /graph?g0.expr=…; empty when there is none. */
export function expressionOf(generatorURL: string | undefined): string {
  if (!generatorURL) return ''
  try {
    return new URL(generatorURL, 'http://x').searchParams.get('g0.expr') ?? ''
  } catch {
    return ''
  }
}
