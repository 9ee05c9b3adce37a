// Runs the browser tests against a real Hinomi that observes the demo company.
// It builds nothing: node e2e/run.mjs --hinomi bin/hinomi --rideshare bin/rideshare
// With HINOMI_URL set, the tests run against what is there.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

const here = dirname(fileURLToPath(import.meta.url))
const { values: args } = parseArgs({
  options: {
    hinomi: { type: 'string', default: join(here, '../../../bin/hinomi') },
    rideshare: { type: 'string', default: join(here, '../../../bin/rideshare') },
    artifacts: { type: 'string', default: join(here, 'artifacts') },
  },
})

const running = []

/** Below the ports that systems give to outgoing connections, which may take one before its server starts. */
const firstPort = 20_000
const endPort = 32_000

/** Ports that were free a moment ago, all different. */
async function freePorts(n) {
  const ports = []
  for (let port = firstPort + Math.floor((Math.random() * (endPort - firstPort)) / 2); ports.length < n; port++) {
    if (port >= endPort) throw new Error(`no port from ${firstPort} to ${endPort} is free`)
    if (await isFree(port)) ports.push(port)
  }
  return ports
}

function isFree(port) {
  return new Promise((done) => {
    const s = createServer()
    s.once('error', () => done(false))
    s.listen(port, '127.0.0.1', () => s.close(() => done(true)))
  })
}

function start(name, file, argv) {
  if (!existsSync(file)) throw new Error(`${file} is not there: build it first (make build)`)
  const child = spawn(file, argv, { stdio: ['ignore', 'pipe', 'pipe'] })
  const out = []
  child.stdout.on('data', (d) => out.push(d))
  child.stderr.on('data', (d) => out.push(d))
  const process_ = { name, child, output: () => Buffer.concat(out).toString() }
  running.push(process_)
  return process_
}

async function stopAll() {
  for (const { child } of running.toReversed()) {
    if (child.exitCode !== null) continue
    child.kill('SIGTERM')
    const killer = setTimeout(() => child.kill('SIGKILL'), 20_000)
    await once(child, 'exit')
    clearTimeout(killer)
  }
}

/** Asks until the answer is good; says what was missing when it never is. */
async function waitFor(what, ask, seconds) {
  const end = Date.now() + seconds * 1000
  let last
  while (Date.now() < end) {
    for (const p of running) {
      if (p.child.exitCode !== null) throw new Error(`${p.name} ended:\n${p.output().slice(-3000)}`)
    }
    try {
      if (await ask()) return
    } catch (err) {
      last = err
    }
    await new Promise((next) => setTimeout(next, 500))
  }
  throw new Error(`${what} did not happen within ${seconds} s${last ? `: ${last}` : ''}`)
}

async function startDemo(dir) {
  const [http, grpc, otlp, company] = await freePorts(4)
  const url = `http://127.0.0.1:${http}`
  const config = join(dir, 'hinomi.yaml')
  await writeFile(
    config,
    `server:
  listen: 127.0.0.1:${http}
data:
  dir: ${join(dir, 'data')}
ingest:
  receivers:
    otlp:
      protocols:
        grpc: {endpoint: "127.0.0.1:${grpc}"}
        http: {endpoint: "127.0.0.1:${otlp}"}
  exporters:
    hinomi: {}
  service:
    pipelines:
      traces: {receivers: [otlp], exporters: [hinomi]}
      metrics: {receivers: [otlp], exporters: [hinomi]}
      logs: {receivers: [otlp], exporters: [hinomi]}
`,
  )
  start('hinomi', resolve(args.hinomi), ['serve', '--config', config])
  const ready = async () => (await fetch(`${url}/-/ready`)).ok
  await waitFor('Hinomi being ready', ready, 30)
  start('rideshare', resolve(args.rideshare), [
    ...['run', '--otlp', `http://127.0.0.1:${otlp}`, '--listen', `127.0.0.1:${company}`],
    ...['--rate', '4', '--daily-curve', 'off'],
  ])
  const overview = async () => (await fetch(`${url}/api/hinomi/v1/overview`)).json()
  await waitFor('fifteen services', async () => (await overview()).services.length >= 15, 60)
  const fault = await fetch(`http://127.0.0.1:${company}/faults`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ service: 'payment', kind: 'errors', share: 0.5 }),
  })
  if (!fault.ok) throw new Error(`the company refused the fault: ${await fault.text()}`)
  await waitFor(
    'an alert for payment',
    async () => {
      const { alerts, services } = await overview()
      const broken = services.some((s) => s.name === 'payment' && s.state === 'broken' && s.verdict.code === 'errors')
      return broken && alerts.some((a) => a.service === 'payment' && a.state === 'firing')
    },
    180,
  )
  return url
}

async function main() {
  const dir = await mkdtemp(join(tmpdir(), 'hinomi-e2e-'))
  try {
    await rm(args.artifacts, { recursive: true, force: true })
    await mkdir(args.artifacts, { recursive: true })
    const url = process.env.HINOMI_URL ?? (await startDemo(dir))
    console.log(`Hinomi at ${url}`)
    const tests = (await readdir(here)).filter((f) => f.endsWith('.test.mjs')).map((f) => join(here, f))
    const child = spawn(process.execPath, ['--test', '--test-concurrency=1', ...tests], {
      stdio: 'inherit',
      env: { ...process.env, HINOMI_URL: url, HINOMI_ARTIFACTS: resolve(args.artifacts) },
    })
    const [code] = await once(child, 'exit')
    return code ?? 1
  } finally {
    await stopAll()
    for (const p of running) await writeFile(join(args.artifacts, `${p.name}.log`), p.output())
    await rm(dir, { recursive: true, force: true })
  }
}

process.exitCode = await main().catch((err) => {
  console.error(err)
  return 1
})
