import type { Page } from 'playwright-core'
import t, { type Test } from 'tap'
import { NO_BROWSER, openTab, signIn, startBrowser, violationsOf } from './browser.ts'
import { type ConsoleScene, consoleScene, sendMany, traffic } from './scene.ts'

const options = NO_BROWSER === null ? {} : { skip: NO_BROWSER }

t.test('the live tail', options, async (t) => {
  const scene = await consoleScene(t)
  await traffic(scene)
  const page = await openTab(t, await startBrowser(t))
  await page.goto(`${scene.gateway.adminUrl}/tail?tenant=acme`)
  await page.locator('.tail-state strong:text-is("Following")').waitFor()
  await t.test('begins with what was before, and shows what comes', (t) => checkNew(t, scene, page))
  await t.test('loses nothing silently of thousands', (t) => checkMany(t, scene, page))
  await t.test('goes on where it was, after nobody saw it', (t) => checkHidden(t, scene, page))
  await t.test('ends with the session', (t) => checkEnd(t, scene, page))
})

async function checkNew(t: Test, scene: ConsoleScene, page: Page): Promise<void> {
  await page.locator('.entries td:text("/broken/x")').first().waitFor()
  await sendMany(scene, { n: 1, path: '/files/first' })
  await page.locator('.entries td:text("/files/first")').waitFor()
  await page.locator('.entries tbody tr').nth(2).hover()
  await page.locator('.tail-state strong:text-is("Paused")').waitFor()
  // Of another tenant, before what is waited for: it would have come by then.
  await sendMany(scene, { n: 1, path: '/files/other', tenant: 'globex' })
  await sendMany(scene, { n: 2, path: '/files/second' })
  await page.locator('.tail-state span:text-is("2 new")').waitFor()
  t.equal(await page.locator('.entries td:text("/files/second")').count(), 0)
  t.strictSame(await violationsOf(page), [])
  await page.mouse.move(0, 0)
  await page.locator('.entries td:text("/files/second")').first().waitFor()
  await page.locator('.entries tbody button').first().focus()
  await page.locator('.tail-state strong:text-is("Paused")').waitFor()
  await page.locator('h1').focus()
  await page.locator('.tail-state strong:text-is("Following")').waitFor()
  t.equal(await cameOf(page), 3)
}

/** Requests that the page says came. */
async function cameOf(page: Page): Promise<number> {
  const text = await page.locator('.tail-state span:has-text("since it was opened")').innerText()
  return Number(text.replaceAll(/\D/g, ''))
}

/** What comes at once when the tab is seen again, to a page that is paused. */
async function checkMany(t: Test, scene: ConsoleScene, page: Page): Promise<void> {
  const before = await cameOf(page)
  await page.locator('.entries tbody tr').nth(2).hover()
  await setHidden(page, true)
  await sendMany(scene, { n: 1600, path: '/files/many' })
  await setHidden(page, false)
  await page.locator('.tail-state span:text-is("1,600 new")').waitFor()
  await page.locator('.tail-state .warn:has-text("600 left out")').waitFor()
  t.equal((await cameOf(page)) - before, 1600)
  await page.mouse.move(0, 0)
  await page.locator('.entries table[aria-rowcount="1001"]').waitFor()
}

async function checkHidden(t: Test, scene: ConsoleScene, page: Page): Promise<void> {
  const before = await cameOf(page)
  await setHidden(page, true)
  await page.locator('.tail-state strong:text-is("Not connected")').waitFor()
  await sendMany(scene, { n: 5, path: '/files/unseen' })
  const again = page.waitForRequest((request) => request.url().includes('/entries/stream'))
  await setHidden(page, false)
  t.match((await again).headers()['last-event-id'], /^\d{13}$/)
  await page.locator('.entries td:text("/files/unseen")').nth(4).waitFor()
  t.equal((await cameOf(page)) - before, 5)
}

/** As the browser does when another tab is chosen. */
async function setHidden(page: Page, isHidden: boolean): Promise<void> {
  await page.evaluate(
    `Object.defineProperty(document, 'hidden', { configurable: true, get: () => ${isHidden} });
    document.dispatchEvent(new Event('visibilitychange'))`,
  )
}

async function checkEnd(t: Test, { gateway }: ConsoleScene, page: Page): Promise<void> {
  const token = await gateway.must('tokens', 'create', '--name', 'ann', '--role', 'viewer')
  await signIn(page, token)
  await page.locator('.tail-state strong:text-is("Following")').waitFor()
  const tokens = JSON.parse(await gateway.must('tokens', 'list', '--json')) as readonly { id: string }[]
  await gateway.must('tokens', 'revoke', tokens[0]?.id ?? '')
  await page.locator('#token-hint:has-text("session has ended")').waitFor()
  t.equal(await page.evaluate('sessionStorage.length'), 0)
}
