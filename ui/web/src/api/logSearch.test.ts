import { afterEach, describe, expect, it, vi } from 'vitest'
import { partOf, searchLogs, type SearchPart } from './logSearch.ts'
import { ApiError } from './http.ts'

const line = { ts: '1700000000123456789', line: 'a', labels: { service_name: 'x' }, metadata: { level: 'info' } }
const progress = {
  share: 0.5,
  fromMs: 1,
  toMs: 2,
  lines: 1,
  rowsScanned: 1,
  bytesScanned: 1,
  units: 2,
  unitsPruned: 0,
  elapsedMs: 3,
}
const end = { reason: 'complete' as const, warnings: [] }

/** An answer that arrives in the given pieces. */
function answer(pieces: string[], init?: ResponseInit) {
  const body = new ReadableStream({
    start(c) {
      for (const p of pieces) c.enqueue(new TextEncoder().encode(p))
      c.close()
    },
  })
  vi.stubGlobal('fetch', () => Promise.resolve(new Response(body, init)))
}
const search = async (parts: SearchPart[] = []) => {
  await searchLogs('{a="b"}', { from: 0, to: 1 }, 10, new AbortController().signal, (p) => parts.push(p))
  return parts
}
afterEach(() => vi.unstubAllGlobals())

describe('searchLogs', () => {
  it('reads events wherever the network cuts them', async () => {
    const text = `${JSON.stringify({ lines: [line], progress })}\n${JSON.stringify({ lines: [line], progress, end })}\n`
    for (const at of [1, 60, text.indexOf('\n'), text.indexOf('\n') + 1, text.length - 1]) {
      answer([text.slice(0, at), text.slice(at)])
      const parts = await search()
      expect(parts.flatMap((p) => p.rows)).toHaveLength(2)
      expect(parts.at(-1)!.end?.reason).toBe('complete')
      expect(parts[0]!.rows[0]).toMatchObject({ ms: 1700000000123.456, fields: { level: 'info' } })
    }
  })
  it('joins events that arrive together', () => {
    expect(partOf([])).toBeUndefined()
    const p = partOf([{ lines: [line] }, { lines: [line], progress }, { progress: { ...progress, share: 1 }, end }])
    expect(p!.rows).toHaveLength(2)
    expect(p!.progress!.share).toBe(1)
    expect(p!.end).toEqual(end)
  })
  it('tells an error before the first event, after it, and a lost connection apart', async () => {
    answer(['{"status":400,"detail":"parse error at line 1, col 7: x"}'], { status: 400 })
    await expect(search()).rejects.toMatchObject({ kind: 'query', position: 7 })
    const parts: SearchPart[] = []
    answer([`${JSON.stringify({ lines: [line], progress })}\n{"error":{"status":503,"detail":"closed"}}\n`])
    await expect(search(parts)).rejects.toMatchObject({ kind: 'notReady', message: 'closed' })
    answer([`${JSON.stringify({ lines: [line], progress })}\n`])
    await expect(search(parts)).rejects.toBeInstanceOf(ApiError)
    expect(parts).toHaveLength(2)
  })
})
