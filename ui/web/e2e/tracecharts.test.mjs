// Rate, errors and durations above the list of traces.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { expectNoErrors, launch, open } from './browser.mjs'

let browser
before(async () => {
  browser = await launch()
})
after(() => browser.close())

async function on(path, fn) {
  const { page, errors, close } = await open(browser, path)
  try {
    await fn(page)
    expectNoErrors(errors)
  } finally {
    await close()
  }
}

test('trace charts: follow the form, tell numbers, and zoom', () =>
  on('/explore/traces?from=now-15m&to=now&service=payment', async (page) => {
    await page.waitForFunction(() => document.querySelectorAll('.trace-charts canvas').length === 3)
    const over = page.locator('.trace-charts .u-over').first()
    const box = await over.boundingBox()
    await page.mouse.move(box.x + box.width - 20, box.y + 40)
    const tip = page.locator('.trace-charts .chart-tip').first()
    await tip.waitFor()
    assert.match(await tip.innerText(), /Spans per second\s*[\d.]+\/s/)
    // The cursor is shared: half of the calls to payment fail.
    const share = page.locator('.trace-charts .chart-tip').nth(1)
    assert.match(await share.innerText(), /Share of spans that fail\s*[\d.]+ %/)
    await page.mouse.move(box.x + box.width - 120, box.y + 40)
    await page.mouse.down()
    await page.mouse.move(box.x + box.width - 20, box.y + 40, { steps: 5 })
    await page.mouse.up()
    await page.waitForURL(/from=\d{13}&to=\d{13}/)
  }))

test('trace charts: of a query with an aggregate', () =>
  on(
    `/explore/traces?from=now-15m&to=now&q=${encodeURIComponent('{ status = error } | count() > 1')}`,
    async (page) => {
      await page.waitForFunction(() => document.querySelectorAll('.trace-charts canvas').length === 3)
      const box = await page.locator('.trace-charts .u-over').nth(1).boundingBox()
      await page.mouse.move(box.x + box.width - 40, box.y + 40)
      const tip = page.locator('.trace-charts .chart-tip').nth(1)
      await tip.waitFor()
      // The filter finds spans that fail, and no others.
      assert.match(await tip.innerText(), /Share of spans that fail\s*100 %/)
    },
  ))
