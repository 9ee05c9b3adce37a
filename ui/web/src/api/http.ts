// One way to ask the server. Every API here reports errors in its own manner;
// ApiError makes them one.

export type ErrorKind = 'offline' | 'timeout' | 'query' | 'missing' | 'notReady' | 'limit' | 'other'

export class ApiError extends Error {
  constructor(
    readonly kind: ErrorKind,
    message: string,
    readonly status: number,
    /** 1-based column of a query's fault, when the server said one. */
    readonly position?: number,
  ) {
    super(message)
    this.name = 'ApiError'
  }
}

/** Query parameters; a list becomes a repeated one, undefined is left out. */
export type Params = Record<string, string | number | boolean | undefined | readonly string[]>

export function toParams(params: Params): URLSearchParams {
  const out = new URLSearchParams()
  for (const [k, v] of Object.entries(params)) {
    if (v === undefined) continue
    if (Array.isArray(v)) for (const item of v as readonly string[]) out.append(k, item)
    else out.set(k, String(v))
  }
  return out
}

export async function getJSON<T>(path: string, params: Params = {}, signal?: AbortSignal): Promise<T> {
  const query = toParams(params).toString()
  return requestJSON<T>(query ? `${path}?${query}` : path, { signal })
}

export async function requestJSON<T>(url: string, init: RequestInit): Promise<T> {
  let response: Response
  try {
    response = await fetch(url, { headers: { Accept: 'application/json' }, ...init })
  } catch (err) {
    if (err instanceof DOMException && err.name === 'AbortError') throw err
    throw new ApiError('offline', String(err), 0)
  }
  const text = await response.text()
  if (!response.ok) throw errorFrom(response.status, text)
  try {
    return (text ? JSON.parse(text) : null) as T
  } catch {
    throw new ApiError('missing', `the answer of ${url.split('?')[0]} is not JSON`, response.status)
  }
}

export function errorFrom(status: number, text: string): ApiError {
  const { message, type } = messageOf(text)
  return new ApiError(kindOf(status, type, message), message || `HTTP ${status}`, status, positionOf(message))
}

function messageOf(text: string): { message: string; type?: string } {
  try {
    const body: unknown = JSON.parse(text)
    if (typeof body === 'string') return { message: body }
    if (body && typeof body === 'object') {
      const b = body as Record<string, unknown>
      const details = Array.isArray(b.errors)
        ? b.errors.map((e: { message?: string }) => e.message).filter(Boolean)
        : []
      const message = [b.error ?? b.detail ?? b.message ?? b.title, ...details].filter(Boolean).join(': ')
      return { message, type: typeof b.errorType === 'string' ? b.errorType : undefined }
    }
  } catch {
    // Loki and Tempo answer with plain text.
  }
  return { message: text.trim().slice(0, 2000) }
}

function kindOf(status: number, type: string | undefined, message: string): ErrorKind {
  if (type === 'timeout' || status === 504 || status === 408) return 'timeout'
  if (/budget|too many|limit/i.test(message) && status !== 400) return 'limit'
  if (type === 'bad_data' || status === 400) return 'query'
  if (status === 503) return 'notReady'
  if (status === 502) return 'offline'
  if (status === 404 || status === 405 || status === 501) return 'missing'
  return 'other'
}

/** "1:9: parse error" (Prometheus) and "line 1, col 9" (Loki, Tempo) name a column. */
function positionOf(message: string): number | undefined {
  const m = /(?:^|\s)\d+:(\d+): parse error/.exec(message) ?? /col(?:umn)? (\d+)/.exec(message)
  return m ? Number(m[1]) : undefined
}
