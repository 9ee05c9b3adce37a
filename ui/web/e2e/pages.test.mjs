// What people do on each page, with the demo company's data.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { base, expectNoErrors, launch, open } from './browser.mjs'

let browser
before(async () => {
  browser = await launch()
})
after(() => browser.close())

/** Runs fn on a page and closes it, whatever happens. */
async function on(path, fn, options) {
  const { page, errors, close } = await open(browser, path, options)
  try {
    await fn(page, errors)
    expectNoErrors(errors)
  } finally {
    await close()
  }
}

const cells = '.service-grid .cell'

test('overview: says what is broken and leads there', () =>
  on('/', async (page) => {
    await page.locator(cells).nth(14).waitFor()
    assert.match(await page.locator('h1').innerText(), /broken/)
    assert.equal(await page.locator(cells).first().locator('.cell-name').innerText(), 'payment')
    await page.locator('.alert-list li', { hasText: 'payment' }).first().waitFor()
    assert.match(await page.locator('.intake').innerText(), /spans\/s/)
    await page.locator(cells).first().click()
    await page.waitForURL(/\/services\/payment/)
  }))

test('the first load fits its budget', () =>
  on('/', async (page) => {
    await page.locator(cells).nth(14).waitFor()
    const scripts = await page.evaluate(() =>
      performance
        .getEntriesByType('resource')
        .filter((r) => r.name.endsWith('.js'))
        .map((r) => r.encodedBodySize),
    )
    const total = scripts.reduce((a, b) => a + b, 0)
    assert.ok(total > 0 && total <= 350 * 1024, `${total} bytes of compressed script`)
  }))

test('services: sorts, finds, and keeps both in the URL', () =>
  on('/services', async (page) => {
    const rows = page.locator('.services-table tbody tr')
    await rows.nth(14).waitFor()
    assert.match(await rows.first().innerText(), /broken/)
    await page.getByRole('button', { name: 'Service', exact: true }).click()
    await page.waitForURL(/sort=name/)
    await page.waitForFunction(() => document.querySelector('.services-table tbody .name-link')?.textContent === 'auth')
    await page.getByPlaceholder('Find a service').fill('pay')
    await page.waitForFunction(() => document.querySelectorAll('.services-table tbody tr').length === 1)
    await page.reload()
    await rows.first().waitFor()
    assert.equal(await rows.count(), 1)
  }))

test('service: verdict, charts, operations, dependencies, errors, and the way to a trace', () =>
  on('/services/payment?from=now-15m&to=now', async (page) => {
    await page.getByRole('heading', { level: 1, name: /payment: \d+ % of requests fail/ }).waitFor()
    await page.waitForFunction(() => document.querySelectorAll('.red-charts canvas').length === 3)
    await page.getByText('POST /v1/charges').first().waitFor()
    await page.locator('.dependency', { hasText: 'fraud' }).waitFor()
    await page.locator('.dependency', { hasText: 'trip' }).waitFor()
    const record = page.locator('.log-line', { hasText: 'injected fault' }).first()
    await record.click()
    await page.getByRole('link', { name: 'Open the trace' }).first().click()
    await page.waitForURL(/\/traces\/[0-9a-f]{32}/)
    await page.locator('.span-selected').waitFor()
  }))

test('service: a moment on a chart opens its logs', () =>
  on('/services/payment?from=now-15m&to=now', async (page) => {
    const over = page.locator('.red-charts .u-over').first()
    await over.waitFor()
    const box = await over.boundingBox()
    await page.mouse.click(box.x + box.width - 30, box.y + 40)
    await page.getByRole('menuitem', { name: 'Logs of this minute' }).click()
    await page.waitForURL(/\/explore\/logs\?.*from=\d+/)
    await page.locator('.log-line').first().waitFor()
  }))

test('service: dragging over a chart zooms all of them', () =>
  on('/services/gateway?from=now-15m&to=now', async (page) => {
    const over = page.locator('.red-charts .u-over').first()
    await over.waitFor()
    const box = await over.boundingBox()
    await page.mouse.move(box.x + box.width - 120, box.y + 40)
    await page.mouse.down()
    await page.mouse.move(box.x + box.width - 20, box.y + 40, { steps: 5 })
    await page.mouse.up()
    await page.waitForURL(/from=\d{13}&to=\d{13}/)
    await page.goBack()
    await page.waitForURL(/from=now-15m/)
  }))

test('an unknown service is said to be unknown', async () => {
  const { page, close } = await open(browser, '/services/nobody.example')
  await page.getByText('No service is called nobody.example').waitFor()
  await close()
})

async function write(page, text) {
  const editor = page.locator('.cm-content').first()
  await editor.click()
  await page.keyboard.press('ControlOrMeta+a')
  await page.keyboard.insertText(text)
}

test('metrics: a query with completion, as graph and table', () =>
  on('/explore/metrics?from=now-15m&to=now', async (page) => {
    await page.getByText('traces_spanmetrics_calls_total').first().waitFor()
    const editor = page.locator('.cm-content').first()
    await editor.click()
    await page.keyboard.type('rides_req')
    await page.locator('.cm-tooltip-autocomplete', { hasText: 'rides_requested_total' }).waitFor()
    await page.keyboard.press('Escape')
    await write(page, 'sum by (service) (rate(traces_spanmetrics_calls_total{span_kind="SPAN_KIND_SERVER"}[1m]))')
    await page.keyboard.press('Enter')
    await page.waitForURL(/q=sum/)
    await page.locator('.legend tbody tr').nth(14).waitFor()
    assert.match(await page.locator('.legend').innerText(), /payment/)
    await page.locator('.chart canvas').waitFor()
    await page.getByText('Table', { exact: true }).click()
    await page.waitForURL(/view=table/)
    await page.locator('.series-cell', { hasText: 'service="payment"' }).waitFor()
  }))

test('metrics: a wrong query says where', async () => {
  const { page, close } = await open(browser, '/explore/metrics?q=sum(rate(up%5B5m%5D)')
  await page
    .getByRole('alert')
    .getByText(/not valid at character \d+/)
    .waitFor()
  await close()
})

test('logs: search, filter by a field, read a record, go to its trace', () =>
  on('/explore/logs?from=now-15m&to=now', async (page) => {
    await page.locator('.log-line').nth(10).waitFor()
    await page.locator('.histogram path').first().waitFor()
    await write(page, 'level=error service=payment')
    await page.keyboard.press('Enter')
    await page.waitForURL(/q=level/)
    await page.locator('.log-line', { hasText: 'injected fault' }).first().waitFor()
    await page.waitForFunction(() =>
      [...document.querySelectorAll('.log-service')].every((e) => e.textContent === 'payment'),
    )
    await page.locator('.field-name', { hasText: 'http_route' }).click()
    await page.locator('.field-value', { hasText: '/v1/charges' }).getByRole('button').first().click()
    await page.waitForURL(/http_route/)
    await page.locator('.log-line').first().click()
    await page.locator('.log-message').first().waitFor()
    await page.getByRole('link', { name: 'Open the trace' }).first().click()
    await page.waitForURL(/\/traces\//)
  }))

test('logs: LogQL, also for numbers; a wrong one says why', async () => {
  await on(
    '/explore/logs?from=now-15m&to=now&q=sum%20by%20(service_name)%20(rate(%7Bteam%3D%22money%22%7D%5B1m%5D))',
    async (page) => {
      await page.locator('.chart canvas').waitFor()
      await page.getByText('payment').first().waitFor()
    },
  )
  const { page, close } = await open(browser, '/explore/logs?q=%7Bteam%3D')
  await page
    .getByRole('alert')
    .getByText(/not valid/)
    .first()
    .waitFor()
  await close()
})

test('traces: filter, scatter, waterfall, the span and its logs', () =>
  on('/explore/traces?from=now-15m&to=now&service=payment', async (page) => {
    await page.locator('.traces-table tbody tr').nth(3).waitFor()
    await page.locator('.scatter-dot').nth(3).waitFor()
    await page.getByText('Errors', { exact: true }).first().click()
    await page.waitForURL(/status=error/)
    await page.locator('.traces-table tbody tr .bad').first().waitFor()
    await page.locator('.traces-table .name-link').first().click()
    await page.waitForURL(/\/traces\//)
    await page.locator('.span-row').nth(5).waitFor()
    assert.match(await page.locator('h1').innerText(), /gateway POST \/v1\/rides/)
    await page.locator('.span-detail', { hasText: 'payment' }).waitFor()
    await page.locator('.span-button', { hasText: 'gateway' }).first().click()
    await page.locator('.span-detail .facts').waitFor()
    await page.locator('.span-detail', { hasText: 'gateway' }).waitFor()
    await page.locator('.trace-logs .log-line').first().waitFor()
  }))

test('a trace: what it logs after the page was opened is shown', async () => {
  const q = encodeURIComponent('{ resource.service.name = "gateway" }')
  const found = await fetch(`${base}/tempo/api/search?q=${q}&limit=1`)
  const [trace] = (await found.json()).traces
  await on(`/traces/${trace.traceID}`, async (page) => {
    await page.locator('.span-row').first().waitFor()
    const line = 'late line of the browser test'
    const sent = await fetch(`${base}/loki/api/v1/push`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({
        streams: [
          {
            stream: { service_name: 'gateway' },
            values: [[`${Date.now()}000000`, line, { trace_id: trace.traceID }]],
          },
        ],
      }),
    })
    assert.equal(sent.status, 204)
    await page.locator('.trace-logs .log-line', { hasText: line }).waitFor()
  })
})

test('traces: TraceQL', () =>
  on('/explore/traces?from=now-15m&to=now', async (page) => {
    await page.getByRole('button', { name: 'Edit as TraceQL' }).click()
    await page.locator('.cm-content').waitFor()
    await write(page, '{ resource.service.name = "fraud" && kind = server }')
    await page.keyboard.press('Enter')
    await page.waitForURL(/fraud/)
    await page.locator('.traces-table tbody tr').first().waitFor()
  }))

test('alerts: what fires, its rule, and a silence from preview to expiry', () =>
  on('/alerts', async (page) => {
    const alert = page.locator('.alert-cards li', { hasText: 'payment' }).first()
    await alert.waitFor()
    await page.getByRole('tab', { name: 'Rules' }).click()
    await page.locator('.rule-line').nth(5).waitFor()
    await page.locator('.rule-line', { hasText: 'ServiceErrorRateHigh' }).click()
    await page.locator('.rule-expression').waitFor()
    await page.getByRole('button', { name: 'New silence' }).click()
    await page.getByRole('textbox', { name: 'Matchers' }).fill('service="payment"')
    await page.getByText(/firing alerts? would be silenced/).waitFor()
    await page.locator('.preview li', { hasText: 'payment' }).first().waitFor()
    await page.getByRole('textbox', { name: 'Comment' }).fill('browser test')
    await page.getByRole('textbox', { name: 'Your name' }).fill('test')
    await page.getByRole('button', { name: 'Create the silence' }).click()
    await page.waitForURL(/tab=silences/)
    const row = page.locator('tr', { hasText: 'browser test' })
    await row.waitFor()
    await page.getByRole('tab', { name: 'Firing' }).click()
    await page.locator('.muted-alert', { hasText: 'payment' }).waitFor()
    await page.getByRole('tab', { name: 'Silences' }).click()
    await row.getByRole('button', { name: 'Expire' }).click()
    await row.getByText('expired').waitFor()
  }))

test('time range, theme and language', () =>
  on('/', async (page) => {
    await page.locator(cells).first().waitFor()
    await page.locator('[data-time-range]').click()
    await page.getByRole('button', { name: 'Last 30 minutes' }).click()
    await page.waitForURL(/from=now-30m/)
    await page.getByRole('link', { name: 'Services', exact: true }).click()
    await page.waitForURL(/\/services\?from=now-30m/)
    await page.getByRole('button', { name: 'Theme' }).click()
    await page.getByRole('menuitem', { name: 'Dark' }).click()
    await page.waitForFunction(() => document.documentElement.dataset.mantineColorScheme === 'dark')
    await page.getByRole('button', { name: 'Language' }).click()
    await page.getByRole('menuitem', { name: '日本語' }).click()
    await page.getByRole('link', { name: '概要' }).waitFor()
    await page.reload()
    await page.getByRole('link', { name: '概要' }).waitFor()
    assert.equal(await page.evaluate(() => document.documentElement.dataset.mantineColorScheme), 'dark')
  }))

test('keyboard: palette, jumps, help', () =>
  on('/', async (page) => {
    await page.locator(cells).first().waitFor()
    await page.keyboard.press('ControlOrMeta+k')
    await page.getByRole('combobox').fill('fraud')
    await page.keyboard.press('Enter')
    await page.waitForURL(/\/services\/fraud/)
    await page.keyboard.press('g')
    await page.keyboard.press('l')
    await page.waitForURL(/\/explore\/logs/)
    await page.locator('.log-line').first().waitFor()
    await page.locator('.header').click({ position: { x: 5, y: 5 } })
    await page.keyboard.press('?')
    await page.getByRole('heading', { name: 'Keyboard shortcuts' }).waitFor()
    await page.keyboard.press('Escape')
    await page.getByRole('dialog').waitFor({ state: 'hidden' })
    await page.keyboard.press('/')
    await page.waitForFunction(() => document.activeElement?.id === 'page-search')
  }))

test('links of Prometheus and of alerts lead to pages', () =>
  on('/graph?g0.expr=up&g0.range_input=30m', async (page) => {
    await page.waitForURL(/\/explore\/metrics\?.*q=up/)
    await page.goto('/services/payment?range=15m')
    await page.getByText('Last 15 minutes').waitFor()
  }))

test('an address without a page says so', () =>
  on('/nowhere', async (page) => {
    await page.getByText('There is no page at this address').waitFor()
    assert.equal((await fetch(`${base}/assets/nothing.js`)).status, 404)
  }))
