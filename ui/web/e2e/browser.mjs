// A browser, and pages that notice what goes wrong in them.

import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { chromium } from 'playwright-core'

export const base = process.env.HINOMI_URL
export const artifacts = process.env.HINOMI_ARTIFACTS ?? 'e2e/artifacts'
if (!base) throw new Error('HINOMI_URL must name a running Hinomi: use npm run e2e')

const executablePath = process.env.CHROMIUM_PATH ?? '/usr/bin/chromium'
if (!existsSync(executablePath)) throw new Error(`there is no browser at ${executablePath}: set CHROMIUM_PATH`)

export const launch = () =>
  chromium.launch({
    executablePath,
    args: ['--no-sandbox', '--disable-dev-shm-usage', '--disable-gpu', '--force-color-profile=srgb'],
  })

const axeSource = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

/** A page in its own context, with the errors it reports. */
export async function open(browser, path, options = {}) {
  const { width = 1440, height = 900, theme = 'light', locale = 'en-US' } = options
  const context = await browser.newContext({
    baseURL: base,
    viewport: { width, height },
    colorScheme: theme,
    locale,
    reducedMotion: 'reduce',
  })
  await context.grantPermissions(['clipboard-read', 'clipboard-write'])
  const page = await context.newPage()
  const errors = []
  page.on('console', (m) => {
    if (m.type() === 'error') errors.push(m.text())
  })
  page.on('pageerror', (e) => errors.push(String(e)))
  page.setDefaultTimeout(20_000)
  await page.goto(path)
  return { page, errors, close: () => context.close() }
}

export function expectNoErrors(errors) {
  assert.deepEqual(errors, [], 'the page reported errors')
}

/** Serious and critical findings only: the others are matters of taste. */
export async function accessibility(page) {
  await page.evaluate(axeSource)
  const { violations } = await page.evaluate(() =>
    globalThis.axe.run(document, { resultTypes: ['violations'], rules: { region: { enabled: false } } }),
  )
  return violations
    .filter((v) => v.impact === 'serious' || v.impact === 'critical')
    .map(
      (v) =>
        `${v.id}: ${v.help}: ${v.nodes
          .slice(0, 3)
          .map((n) => `${n.html} (${n.failureSummary})`)
          .join(' | ')}`,
    )
}

export const shot = (page, name) => page.screenshot({ path: join(artifacts, `${name}.png`) })

/** Waits until an expression about the page is true. */
export async function until(page, fn, arg) {
  await page.waitForFunction(fn, arg, { timeout: 20_000 })
}
