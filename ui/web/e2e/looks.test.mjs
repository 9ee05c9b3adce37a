// Every page in both themes and two widths: a picture for people to look at,
// no errors, and nothing that keeps somebody out.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { accessibility, base, expectNoErrors, launch, open, shot } from './browser.mjs'

let browser
let traceId
before(async () => {
  browser = await launch()
  const q = encodeURIComponent('{ resource.service.name = "payment" && status = error }')
  const { traces } = await (await fetch(`${base}/tempo/api/search?q=${q}&limit=20`)).json()
  traceId = traces.toSorted((a, b) => b.durationMs - a.durationMs)[0].traceID
})
after(() => browser.close())

const range = 'from=now-15m&to=now'
const query = encodeURIComponent(
  'sum by (service) (rate(traces_spanmetrics_calls_total{span_kind="SPAN_KIND_SERVER"}[1m]))',
)

const pages = {
  overview: [`/?${range}`, '.service-grid .cell'],
  services: [`/services?${range}`, '.services-table tbody tr'],
  service: [`/services/payment?${range}`, '.red-charts canvas'],
  metrics: [`/explore/metrics?${range}&q=${query}`, '.legend tbody tr'],
  'metric-list': ['/explore/metrics', '.metric-list li'],
  logs: [`/explore/logs?${range}&q=level=error`, '.log-line'],
  traces: [`/explore/traces?${range}`, '.traces-table tbody tr'],
  trace: [() => `/traces/${traceId}`, '.span-row'],
  alerts: ['/alerts', '.alert-cards li'],
  rules: ['/alerts?tab=rules', '.rule-line'],
  silence: ['/alerts?silence=service%3D%22payment%22', '.preview li'],
}

/** What makes a page wider than its window; empty when nothing does. */
function tooWide() {
  if (document.documentElement.scrollWidth <= innerWidth) return []
  return [...document.querySelectorAll('body *')]
    .filter((e) => e.getBoundingClientRect().right > innerWidth + 0.5)
    .map((e) => `${e.tagName}.${e.className} ends at ${e.getBoundingClientRect().right}`)
    .slice(0, 10)
}

for (const [name, [path, ready]] of Object.entries(pages)) {
  for (const theme of ['light', 'dark']) {
    for (const width of [1440, 390]) {
      test(`${name}, ${theme}, ${width}`, async () => {
        const size = { width, height: width === 390 ? 844 : 900 }
        const target = typeof path === 'function' ? path() : path
        const { page, errors, close } = await open(browser, target, { theme, ...size })
        try {
          await page.locator(ready).first().waitFor()
          await page.waitForFunction(() => document.querySelectorAll('.skeleton').length === 0)
          await shot(page, `${name}-${theme}-${width}`)
          assert.deepEqual(await page.evaluate(tooWide), [], 'the page is wider than the window')
          assert.deepEqual(await accessibility(page), [])
          expectNoErrors(errors)
        } finally {
          await close()
        }
      })
    }
  }
}
