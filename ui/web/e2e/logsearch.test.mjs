// A log search whose records come while it runs, and the patterns of a service.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { accessibility, base, expectNoErrors, launch, open, shot } from './browser.mjs'
import { slowSearch } from './slow.mjs'

let browser
const run = Date.now().toString(36)
const shop = `search-${run}`
before(async () => {
  browser = await launch()
  const values = Array.from({ length: 200 }, (_, i) => {
    const ms = Date.now() - 3_300_000 + i * 16_000
    return [`${ms}000000`, `order ${1000 + i} was paid after ${i % 7} s`]
  })
  const body = JSON.stringify({ streams: [{ stream: { service_name: shop }, values }] })
  const headers = { 'Content-Type': 'application/json' }
  const answer = await fetch(`${base}/loki/api/v1/push`, { method: 'POST', headers, body })
  assert.ok(answer.ok, `${answer.status} ${await answer.text()}`)
})
after(() => browser.close())

const path = `/explore/logs?from=now-1h&to=now&q=service_name%3D${shop}`

async function on(target, fn, options) {
  const { page, errors, close } = await open(browser, target, options)
  try {
    await fn(page)
    expectNoErrors(errors)
  } finally {
    await close()
  }
}

/** A page that searches as slowly as fn allows. */
async function slowly(target, fn, options = {}) {
  const slow = await slowSearch(options)
  try {
    await on(slow.url + target, (page) => fn(page, slow), options)
  } finally {
    slow.parts(100)
    await slow.close()
  }
}

const fields = (page, n) => page.locator('.field-list', { hasText: `in the newest ${n} records` }).waitFor()

async function givenUp(slow) {
  for (let i = 0; slow.gone() < 1 && i < 100; i++) await new Promise((next) => setTimeout(next, 50))
  assert.ok(slow.gone() >= 1, 'the search was not given up')
}

test('search: records appear newest first while it runs, Stop keeps them, and it goes on', () =>
  slowly(path, async (page, slow) => {
    await page.getByText('Searching…').waitFor()
    slow.parts(3)
    await page.getByText(/searched back to \d\d:\d\d:\d\d, 30\s?%/).waitFor()
    await fields(page, 60)
    assert.match(await page.locator('.log-line').first().innerText(), /order 1199 /)
    assert.equal(await page.getByRole('progressbar').getAttribute('aria-valuenow'), '30')
    assert.deepEqual(await accessibility(page), [])
    slow.parts(1)
    await fields(page, 80)
    assert.match(await page.locator('.log-line').first().innerText(), /order 1199 /)
    await page.getByRole('button', { name: 'Stop' }).click()
    await page.getByText(/^Stopped: complete back to \d\d:\d\d:\d\d$/).waitFor()
    await fields(page, 80)
    assert.equal(await page.getByRole('progressbar').count(), 0)
    await givenUp(slow)
    slow.parts(100)
    await page.getByRole('button', { name: 'Search on' }).click()
    await fields(page, 200)
    await page.getByText(/records read in/).waitFor()
    await page.locator('.virtual-logs').evaluate((e) => e.scrollTo(0, e.scrollHeight))
    await page.locator('.log-line', { hasText: 'order 1000 ' }).waitFor()
  }))

test('search: the clock does not begin a search again that runs', () =>
  slowly(`${path}&refresh=5s`, async (page, slow) => {
    slow.parts(2)
    await fields(page, 40)
    await page.waitForTimeout(6000)
    slow.parts(1)
    await fields(page, 60)
    assert.equal(slow.gone(), 0)
    // Who asks for it gets a new one, above what is known.
    await page.getByRole('button', { name: 'Run', exact: true }).click()
    await givenUp(slow)
    slow.parts(1)
    await page.getByText(/searched back to .*, 10\s?%/).waitFor()
    await fields(page, 60)
  }))

test('search: a budget that ends it says up to when the answer is complete', () =>
  slowly(
    path,
    async (page, slow) => {
      slow.parts(10)
      await page.getByText(/^Out of time: complete back to \d\d:\d\d:\d\d$/).waitFor()
      await fields(page, 120)
      await page.getByRole('button', { name: 'Search on' }).waitFor()
      assert.deepEqual(await accessibility(page), [])
    },
    { last: { end: { reason: 'time', warnings: [] } } },
  ))

test('search: an error keeps what was found', () =>
  slowly(
    path,
    async (page, slow) => {
      slow.parts(10)
      await page.getByRole('alert').getByText('the disk is on fire').waitFor()
      await fields(page, 120)
    },
    { last: { error: { title: 'Internal Server Error', status: 500, detail: 'the disk is on fire' } } },
  ))

test('search: one that is done quickly shows no progress', () =>
  on('/', async (page) => {
    await page.addInitScript(() => {
      new MutationObserver(() => {
        globalThis.sawProgress ||= document.querySelector('.search-progress') !== null
      }).observe(document, { childList: true, subtree: true })
    })
    await page.goto(path)
    await fields(page, 200)
    await page.getByRole('button', { name: 'Run', exact: true }).click()
    await page.getByText(/records read in/).waitFor()
    assert.ok(!(await page.evaluate(() => globalThis.sawProgress)))
  }))

test('search: in Japanese', () =>
  slowly(
    path,
    async (page, slow) => {
      slow.parts(5)
      await page.getByText(/まで検索済み、50\s?%/).waitFor()
      await page.getByRole('button', { name: '停止' }).click()
      await page.getByText(/以降はすべて表示/).waitFor()
    },
    { locale: 'ja-JP' },
  ))

test('service: the patterns of its logs, one click from their lines', () =>
  on('/services/payment?from=now-15m&to=now', async (page) => {
    const panel = page.locator('.service-patterns')
    await panel.locator('tbody tr').first().waitFor()
    assert.ok((await panel.locator('tbody tr').count()) <= 8)
    await panel.locator('.pattern-text').first().click()
    await page.waitForURL(/\/explore\/logs\?.*service_name/)
    await page.locator('.log-line').first().waitFor()
    await page.goBack()
    await panel.getByRole('link').click()
    await page.waitForURL(/view=patterns/)
    await page.locator('.patterns-table tbody tr').first().waitFor()
  }))

for (const theme of ['light', 'dark']) {
  for (const width of [1440, 390]) {
    const size = { theme, width, height: width === 390 ? 844 : 900 }
    const wide = (page) => page.evaluate(() => document.documentElement.scrollWidth <= innerWidth)
    test(`logs-search, ${theme}, ${width}`, () =>
      slowly(
        '/explore/logs?from=now-15m&to=now',
        async (page, slow) => {
          slow.parts(4)
          await page.getByText(/searched back to .*, 40\s?%/).waitFor()
          await page.waitForFunction(() => document.querySelectorAll('.skeleton').length === 0)
          await shot(page, `logs-search-${theme}-${width}`)
          assert.ok(await wide(page))
          assert.deepEqual(await accessibility(page), [])
          await page.getByRole('button', { name: 'Stop' }).click()
          await page.getByText(/^Stopped: complete/).waitFor()
          await shot(page, `logs-stopped-${theme}-${width}`)
          assert.ok(await wide(page))
          assert.deepEqual(await accessibility(page), [])
        },
        size,
      ))
    test(`service-patterns, ${theme}, ${width}`, () =>
      on(
        '/services/payment?from=now-15m&to=now',
        async (page) => {
          await page.locator('.service-patterns tbody tr').first().scrollIntoViewIfNeeded()
          await page.waitForFunction(() => document.querySelectorAll('.skeleton').length === 0)
          await shot(page, `service-patterns-${theme}-${width}`)
          assert.ok(await wide(page))
          assert.deepEqual(await accessibility(page), [])
        },
        size,
      ))
  }
}
