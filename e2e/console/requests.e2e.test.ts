import { readFile } from 'node:fs/promises'
import type { Page } from 'playwright-core'
import t, { type Test } from 'tap'
import { NO_BROWSER, openTab, signIn, startBrowser } from './browser.ts'
import { type ConsoleScene, consoleScene, traffic } from './scene.ts'

const options = NO_BROWSER === null ? {} : { skip: NO_BROWSER }

t.test('requests are narrowed, exported, and followed to their neighbours', options, async (t) => {
  const scene = await consoleScene(t)
  await traffic(scene)
  const page = await openTab(t, await startBrowser(t))
  await page.goto(`${scene.gateway.adminUrl}/requests`)
  await t.test('a count adds its value to the filter, and takes it away', (t) => checkCounts(t, page))
  await t.test('a part that is marked becomes the window', (t) => checkMark(t, scene, page))
  await t.test('a link to a neighbour says when it was', (t) => checkNeighbours(t, scene, page))
  await t.test('exactly this search is exported, with a token and without', (t) =>
    checkExport(t, scene, page),
  )
})

async function checkCounts(t: Test, page: Page): Promise<void> {
  const limited = page.locator('.facet[title="rate_limited"]')
  const n = Number(await limited.locator('.soft').innerText())
  t.ok(n > 0)
  await limited.click()
  await page.locator('.chip:has-text("rate_limited")').waitFor()
  await page.locator(`.facet[title="globex"]:has-text("${n}")`).waitFor()
  await page.locator(`.entries table[aria-rowcount="${n + 1}"]`).waitFor()
  await page.locator(`.histogram .legend strong:text-is("${n}")`).first().waitFor()
  await page.locator('.facet[title="127.0.0.1"]').click()
  await page.locator('.chip:has-text("Address 127.0.0.1")').waitFor()
  await page.locator('.facet[title="127.0.0.1"][aria-pressed="true"]').click()
  await page.locator('.chip:has-text("Address")').waitFor({ state: 'detached' })
  await page.locator('.facet[aria-pressed="true"]').click()
  await page.locator('.chip').waitFor({ state: 'detached' })
  t.equal(new URL(page.url()).search, '')
}

async function checkMark(t: Test, { gateway }: ConsoleScene, page: Page): Promise<void> {
  await page.goto(`${gateway.adminUrl}/requests?since=15m`)
  const plot = page.locator('.histogram .u-over')
  const box = await plot.boundingBox()
  if (box === null) throw new Error('there is no plot')
  await page.mouse.move(box.x + box.width / 2, box.y + 20)
  await page.mouse.down()
  await page.mouse.move(box.x + box.width - 2, box.y + 20, { steps: 4 })
  await page.mouse.up()
  await page.waitForURL(/since=20.*until=20/)
  const { searchParams: asked } = new URL(page.url())
  const ms = Date.parse(asked.get('until') ?? '') - Date.parse(asked.get('since') ?? '')
  t.ok(ms > 60_000 && ms < 600_000, `${ms} ms of 15 minutes`)
  await page.locator('.entries td:text("/broken/x")').waitFor()
  await page.goBack()
  await page.waitForURL(/since=15m/)
}

async function checkNeighbours(t: Test, { gateway }: ConsoleScene, page: Page): Promise<void> {
  await page.goto(`${gateway.adminUrl}/requests?outcome=upstream_refused`)
  await page.locator('.entries tbody td.c-status').first().click()
  await page.locator('.timeline li:has-text("Waited for the upstream, in vain")').waitFor()
  await page.locator('.neighbours li.this:has-text("this request")').waitFor()
  await page.locator('.neighbours li:has-text("/files/ok") a').first().click()
  await page.waitForURL(/open=.*at=20/)
  const asked = page.waitForRequest((request) => /\/entries\/[^?]+\?since=20.*until=20/.test(request.url()))
  await page.reload()
  t.match((await asked).url(), 'since=')
  await page.locator('.drawer h2:has-text("/files/ok")').waitFor()
  await page.locator('.drawer h3 a:text("All within half an hour")').first().click()
  await page.waitForURL(/address=.*since=20.*until=20/)
  await page.locator('.entries td:text("/broken/x")').waitFor()
}

async function checkExport(t: Test, { gateway }: ConsoleScene, page: Page): Promise<void> {
  await page.goto(`${gateway.adminUrl}/requests?outcome=rate_limited`)
  const csv = await download(page, 'CSV')
  t.equal(csv.name, 'entries.csv')
  const n = csv.text.trimEnd().split('\n').length - 1
  t.ok(n > 0, `${n} requests`)
  const token = await gateway.must('tokens', 'create', '--name', 'ann', '--role', 'viewer')
  await signIn(page, token)
  const { text } = await download(page, 'NDJSON')
  const rows = text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as { outcome: string })
  t.strictSame(
    rows.map(({ outcome }) => outcome),
    Array.from({ length: n }, () => 'rate_limited'),
  )
}

async function download(page: Page, format: string): Promise<{ name: string; text: string }> {
  await page.locator('button:text-is("Export")').click()
  const [file] = await Promise.all([
    page.waitForEvent('download'),
    page.locator(`.export .button:text-is("${format}")`).click(),
  ])
  return { name: file.suggestedFilename(), text: await readFile(await file.path(), 'utf8') }
}
