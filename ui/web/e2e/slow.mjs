// Hinomi seen through a server that hands a log search over part by part, when the
// test says so: a search of demo data is done before anybody could look.

import { once } from 'node:events'
import { createServer, request } from 'node:http'
import { base } from './browser.mjs'

const path = '/api/hinomi/v1/logs/search'

/** Cuts what Hinomi finds into ten parts; `last` may replace the end, as an error does. */
export async function slowSearch({ last } = {}) {
  let waiting = []
  let open = 0
  let gone = 0
  const turn = (res) => (open > 0 ? (open--, undefined) : new Promise((go) => waiting.push({ res, go })))
  const server = createServer((req, res) => {
    if (req.url.startsWith(path)) {
      void search(req, res)
      return
    }
    const url = new URL(req.url, base)
    const up = request(url, { method: req.method, headers: { ...req.headers, host: url.host } }, (answer) => {
      res.writeHead(answer.statusCode, answer.headers)
      answer.pipe(res)
    })
    up.on('error', () => res.destroy())
    res.on('close', () => up.destroy())
    req.pipe(up)
  })

  async function search(req, res) {
    const url = new URL(req.url, base)
    const text = await (await fetch(url)).text()
    const events = text.trim().split('\n').map(JSON.parse)
    const lines = events.flatMap((e) => e.lines ?? [])
    const { progress, end } = events.at(-1)
    const [from, to] = [Number(url.searchParams.get('from')), Number(url.searchParams.get('to'))]
    res.on('close', () => {
      if (!res.writableFinished) gone++
      // The others' parts are not for one that nobody reads.
      waiting = waiting.filter((w) => w.res !== res)
    })
    res.writeHead(200, { 'Content-Type': 'application/x-ndjson' })
    for (let i = 1; i <= 10; i++) {
      await turn(res)
      const part = lines.slice(Math.floor((lines.length * (i - 1)) / 10), Math.floor((lines.length * i) / 10))
      const fromMs = i === 10 ? from : Math.ceil(to - ((to - from) * i) / 10)
      const until = part.length > 0 ? Math.floor(Number(part.at(-1).ts) / 1e6) : fromMs
      const event = { lines: part, progress: { ...progress, share: i / 10, fromMs: i === 10 ? from : until, toMs: to } }
      res.write(`${JSON.stringify(event)}\n`)
      if (last && i === 6) {
        res.end(`${JSON.stringify(last)}\n`)
        return
      }
    }
    res.end(`${JSON.stringify({ progress: { ...progress, share: 1, fromMs: from, toMs: to }, end })}\n`)
  }

  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    /** Lets n more parts through. */
    parts(n) {
      open += n
      while (open > 0 && waiting.length > 0) {
        open--
        waiting.shift().go()
      }
    },
    /** Searches that the page gave up. */
    gone: () => gone,
    async close() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}
