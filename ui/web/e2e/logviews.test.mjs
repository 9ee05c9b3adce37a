// The log explorer beyond its list: patterns, the live tail, the context of a record.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { accessibility, base, expectNoErrors, launch, open, shot } from './browser.mjs'

let browser
// Of this run only: the tests may run twice against the same Hinomi.
const run = Date.now().toString(36)
const shop = `patterns-${run}`
const quiet = `tail-${run}`
before(async () => {
  browser = await launch()
  await push(shop, history())
})
after(() => browser.close())

const nanos = (ms) => `${Math.round(ms)}000000`

async function push(service, values) {
  const body = JSON.stringify({ streams: [{ stream: { service_name: service }, values }] })
  const headers = { 'Content-Type': 'application/json' }
  const answer = await fetch(`${base}/loki/api/v1/push`, { method: 'POST', headers, body })
  assert.ok(answer.ok, `${answer.status} ${await answer.text()}`)
}

/** An hour of lines: one pattern is steady, one begins, one grows, one ends. */
function history() {
  const values = []
  for (let minute = 59; minute >= 1; minute--) {
    const add = (second, line) => values.push([nanos(Date.now() - minute * 60_000 + second * 1000), line])
    for (let i = 0; i < 6; i++) add(i, `user ${minute * 7 + i} opened the page in ${minute + i} ms`)
    if (minute > 17) for (let i = 0; i < 3; i++) add(20 + i, `cache miss for key ${minute * 31 + i}, loading it`)
    for (let i = 0; i < (minute < 14 ? 8 : 1); i++) add(30 + i, `upstream "maps" refused: attempt ${minute + i} of 99`)
    if (minute < 5) add(50, `worker ${minute} found index ${minute * 11} out of range`)
  }
  return values
}

async function on(path, fn, options) {
  const { page, errors, close } = await open(browser, path, options)
  try {
    await fn(page)
    expectNoErrors(errors)
  } finally {
    await close()
  }
}

const patterns = `/explore/logs?from=now-1h&to=now&view=patterns&q=service_name%3D${shop}`
const row = (page, text) => page.locator('.patterns-table tbody tr', { hasText: text })

test('patterns: counts, shares, and what changed', () =>
  on(patterns, async (page) => {
    await row(page, 'opened the page').waitFor()
    assert.equal(await page.locator('.patterns-table tbody tr').count(), 4)
    const steady = await row(page, 'opened the page').innerText()
    assert.match(steady, /^user\s*<_>\s*opened the page in\s*<_>\s*ms/)
    assert.match(steady, /354/)
    assert.doesNotMatch(steady, /new|surging|gone/)
    assert.match(await row(page, 'out of range').innerText(), /new/)
    assert.match(await row(page, 'refused').innerText(), /surging/)
    assert.match(await row(page, 'cache miss').innerText(), /gone/)
    await page.getByRole('button', { name: 'Changes first' }).click()
    await page.waitForURL(/sort=changes/)
    assert.match(await page.locator('.patterns-table tbody tr').first().innerText(), /out of range/)
    await page.locator('.trend-surging:visible').hover()
    await page.getByText(/at least 3 times as often/).waitFor()
  }))

test('patterns: one click keeps the lines of one, or leaves them out', () =>
  on(patterns, async (page) => {
    await row(page, 'cache miss')
      .getByRole('button', { name: /^Without these records/ })
      .click()
    await page.waitForURL(/%21%3E|!%3E|!>/)
    await page.locator('.pattern-excluded', { hasText: 'cache miss' }).waitFor()
    await row(page, 'cache miss')
      .getByRole('button', { name: /^Show these records again/ })
      .click()
    await page.waitForFunction(() => !document.querySelector('.pattern-excluded'))
    await row(page, 'refused').locator('.pattern-text').click()
    await page.waitForFunction(() => !location.search.includes('view='))
    await page.locator('.log-line', { hasText: 'upstream "maps" refused' }).first().waitFor()
    await page.waitForFunction(() =>
      [...document.querySelectorAll('.log-text')].every((e) => e.textContent.startsWith('upstream "maps" refused')),
    )
    await page.goBack()
    await row(page, 'cache miss').waitFor()
  }))

test('patterns: without any, and with filters that they cannot follow', () =>
  on('/explore/logs?view=patterns&q=service_name%3Dnobody.example%20timeout', async (page) => {
    await page.getByText('No patterns in this range').waitFor()
    await page.getByText('Patterns follow the streams and the level of the search').waitFor()
    assert.deepEqual(await accessibility(page), [])
  }))

test('patterns: a wrong query says why', async () => {
  const { page, close } = await open(browser, '/explore/logs?view=patterns&q=%7Bteam%3D')
  await page
    .getByRole('alert')
    .getByText(/not valid/)
    .first()
    .waitFor()
  await close()
})

test('live tail: lines come by themselves, wait while it pauses, and come back with the link', () =>
  on(`/explore/logs?from=now-15m&to=now&q=service_name%3D${quiet}`, async (page) => {
    await page.getByRole('button', { name: 'Live' }).click()
    await page.waitForURL(/live=1/)
    await page.getByText('No record has arrived yet').waitFor()
    await push(quiet, [[nanos(Date.now()), 'the first line']])
    await page.locator('.log-line', { hasText: 'the first line' }).waitFor()
    await page.getByRole('button', { name: 'Pause' }).click()
    await push(quiet, [[nanos(Date.now()), 'the second line']])
    await page.getByText('Paused: 1 new record waits').waitFor()
    assert.equal(await page.locator('.log-line').count(), 1)
    await page.getByRole('button', { name: 'Go on' }).click()
    await page.locator('.log-line', { hasText: 'the second line' }).waitFor()
    assert.match(await page.locator('.log-line').first().innerText(), /second/)
    await page.reload()
    await page.locator('.log-line', { hasText: 'the first line' }).waitFor()
    await page.locator('.log-line').first().click()
    // Who opens a record reads: nothing moves under the pointer.
    await page.getByText('Paused: 0 new records wait').waitFor()
    await page.getByRole('button', { name: 'Live' }).click()
    await page.waitForFunction(() => !location.search.includes('live='))
  }))

test('context: the lines before and after, of the same stream', () =>
  on(`/explore/logs?from=now-1h&to=now&q=service_name%3D${shop}%20index%2033`, async (page) => {
    await page.locator('.log-line', { hasText: 'worker 3 found index 33' }).click()
    await page.getByRole('button', { name: 'Show context' }).click()
    const lines = page.locator('.log-context-line')
    await lines.nth(50).waitFor()
    assert.equal(await lines.count(), 51)
    assert.match(await lines.nth(25).innerText(), /worker 3 found index 33/)
    assert.equal(await lines.nth(25).getAttribute('aria-current'), 'true')
    // Before it the last refused attempt of the minute, after it the next minute's users.
    assert.match(await lines.nth(24).innerText(), /refused: attempt 10 of 99/)
    assert.match(await lines.nth(26).innerText(), /user 14 opened the page in 2 ms/)
    // It is in sight although half of the list is before it.
    const inside = await lines.nth(25).evaluate((line) => {
      const [a, b] = [line.getBoundingClientRect(), line.parentElement.getBoundingClientRect()]
      return a.top >= b.top && a.bottom <= b.bottom
    })
    assert.ok(inside)
    assert.deepEqual(await accessibility(page), [])
    await page.emulateMedia({ colorScheme: 'dark' })
    await page.waitForFunction(() => document.documentElement.dataset.mantineColorScheme === 'dark')
    assert.deepEqual(await accessibility(page), [])
    await page.getByRole('link', { name: 'Open these records' }).click()
    await page.waitForFunction(() => document.querySelectorAll('.log-line').length > 20)
  }))

const pictures = {
  patterns: [patterns, '.patterns-table tbody tr'],
  'logs-live': ['/explore/logs?from=now-15m&to=now&live=1', '.log-line'],
}

for (const [name, [path, ready]] of Object.entries(pictures)) {
  for (const theme of ['light', 'dark']) {
    for (const width of [1440, 390]) {
      test(`${name}, ${theme}, ${width}`, () =>
        on(
          path,
          async (page) => {
            await page.locator(ready).first().waitFor()
            await page.waitForFunction(() => document.querySelectorAll('.skeleton').length === 0)
            await shot(page, `${name}-${theme}-${width}`)
            assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth))
            assert.deepEqual(await accessibility(page), [])
          },
          { theme, width, height: width === 390 ? 844 : 900 },
        ))
    }
  }
}
