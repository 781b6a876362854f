import type { Browser } from 'playwright-core'
import t, { type Test } from 'tap'
import {
  NO_BROWSER,
  openTab,
  overflowOf,
  signIn,
  startBrowser,
  THEMES,
  violationsOf,
  WIDTHS,
} from './browser.ts'
import { type ConsoleScene, consoleScene, traffic } from './scene.ts'

/** Each view: its address, and what is there when it has its data. */
const VIEWS: readonly (readonly [name: string, path: string, isThere: string])[] = [
  ['overview', '/', 'section:has(h2:text("Top tenants")) a:text("acme")'],
  ['requests', '/requests', '.entries td:text("/files/ok")'],
  ['tail', '/tail', '.tail-state'],
  ['deliveries', '/deliveries', '.empty-title'],
  ['packages', '/packages?package=left-pad', '.why'],
  ['top packages', '/packages', 'section:has(h2:text("Top packages")) a:text("left-pad")'],
  ['completeness', '/completeness', '.panel:has-text("complete so far") table'],
  ['tenants', '/tenants', 'a:text("globex")'],
  ['tenant', '/tenants/acme', 'a:text("acme-ci")'],
  ['keys', '/keys', 'a:text("acme-ci")'],
  ['system', '/system', '.panel:has(h2:text("Gateways")) td:text("live")'],
]

const options = NO_BROWSER === null ? {} : { skip: NO_BROWSER }

t.test('the console, on a gateway with requests', options, async (t) => {
  const scene = await consoleScene(t)
  await traffic(scene)
  const browser = await startBrowser(t)
  await t.test('no view breaks a rule of accessibility, in both themes and at both widths', (t) =>
    checkViews(t, scene, browser),
  )
  await t.test('the account adds up on the page, and a selection survives updates', (t) =>
    checkOverview(t, scene, browser),
  )
  await t.test('a link shows what the one who sends it sees', (t) => checkLink(t, scene, browser))
  await t.test('a name in a link is one word of a command, whatever is in it', async (t) => {
    const page = await openTab(t, browser)
    await page.goto(`${scene.gateway.adminUrl}/packages?package=${encodeURIComponent("x';touch /tmp/y;'")}`)
    await page.locator('button:has-text("Copy as")').click()
    const command = await page.locator('.copy-as code').first().innerText()
    t.equal(command, String.raw`waybill who 'x'\'';touch /tmp/y;'\''' --quick --since 7d`)
  })
  await t.test('the first link of a page takes the focus to its content', async (t) => {
    const page = await openTab(t, browser)
    await page.goto(`${scene.gateway.adminUrl}/tenants`)
    await page.locator('a:text("globex")').waitFor()
    await page.keyboard.press('Tab')
    await page.keyboard.press('Enter')
    await page.locator('#content:focus').waitFor()
  })
  await t.test('a session of a tenant sees its own, and nothing of the gateway', (t) =>
    checkTenant(t, scene, browser),
  )
})

async function checkTenant(t: Test, { gateway }: ConsoleScene, browser: Browser): Promise<void> {
  const token = await gateway.must(
    'tokens',
    'create',
    '--name',
    'acme',
    '--role',
    'tenant',
    '--tenant',
    'acme',
  )
  const page = await openTab(t, browser)
  await page.goto(gateway.adminUrl)
  await signIn(page, token)
  await page.locator('section:has(h2:text("Top routes")) a:text("npm")').waitFor()
  t.equal(await page.locator('.state-line').count(), 0)
  t.equal(await page.locator('nav a:has-text("System")').count(), 0)
  t.equal(await page.locator('section:has(h2:text("Top tenants")) a:text("globex")').count(), 0)
  await page.locator('nav a:has-text("Requests")').click()
  await page.locator('.entries td:text("/broken/x")').first().waitFor()
  t.equal(await page.locator('.entries td.c-tenant:text("globex")').count(), 0)
}

async function checkViews(t: Test, { gateway }: ConsoleScene, browser: Browser): Promise<void> {
  for (const width of WIDTHS) {
    for (const theme of THEMES) {
      const page = await openTab(t, browser, { width, theme })
      for (const [name, path, isThere] of VIEWS) {
        await page.goto(gateway.adminUrl + path)
        await page.locator(isThere).first().waitFor()
        const where = `${name}, ${theme}, ${width} px`
        t.strictSame(await violationsOf(page), [], `${where}: axe finds nothing`)
        t.equal(await overflowOf(page), 0, `${where}: nothing scrolls sideways`)
      }
    }
  }
}

async function checkOverview(t: Test, { gateway }: ConsoleScene, browser: Browser): Promise<void> {
  const page = await openTab(t, browser)
  await page.goto(gateway.adminUrl)
  const terms = page.locator('.equation .term > dd:not(.hint)')
  await terms.first().waitFor()
  const [accepted = 0, ...others] = (await terms.allInnerTexts()).map((text) =>
    Number(text.replaceAll(',', '')),
  )
  t.ok(accepted > 0)
  t.equal(
    others.reduce((sum, n) => sum + n, 0),
    accepted,
  )
  await page.locator('.facts:has-text("newest canary")').waitFor()
  await page.locator('h2:text("How requests ended")').selectText()
  const about = page.locator('.facts li:has-text("newest canary")')
  const before = await about.innerText()
  await about.filter({ hasNotText: before }).waitFor()
  t.equal(await page.evaluate('getSelection().toString()'), 'How requests ended')
}

async function checkLink(t: Test, { gateway }: ConsoleScene, browser: Browser): Promise<void> {
  const page = await openTab(t, browser)
  await page.goto(`${gateway.adminUrl}/requests?outcome=upstream_refused&since=24h`)
  await page.locator('.entries tbody tr:has-text("/broken/x")').click()
  await page.locator('.drawer').waitFor()
  const other = await openTab(t, browser)
  await other.goto(page.url())
  t.match(await other.locator('.drawer .why').innerText(), 'refused the connection')
  await other.locator('.page-tools button:has-text("Copy as")').click()
  const command = await other.locator('code[aria-label="command"]').first().innerText()
  t.equal(command, 'waybill logs --outcome upstream_refused --since 24h')
  const curl = await other.locator('code[aria-label="curl line"]').first().innerText()
  t.match(curl, 'Authorization: Bearer $WAYBILL_TOKEN')
}
