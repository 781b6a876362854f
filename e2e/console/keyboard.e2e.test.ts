import { readFile } from 'node:fs/promises'
import type { Page } from 'playwright-core'
import t, { type Test } from 'tap'
import { NO_BROWSER, openTab, startBrowser } from './browser.ts'
import { consoleScene, traffic } from './scene.ts'

const options = NO_BROWSER === null ? {} : { skip: NO_BROWSER }

/** One task of each view: where it is in the navigation, and what is done there. */
const TASKS: readonly (readonly [
  task: string,
  address: string,
  perform: (t: Test, page: Page) => Promise<void>,
])[] = [
  ['the overview: another window', '/', chooseWindow],
  ['requests: one is found and read', '/requests', findRequest],
  ['live tail: it is stopped, and a row read', '/tail', stopTail],
  ['packages: who had one', '/packages', askWho],
  ["completeness: a day's proof is saved", '/completeness', saveProof],
  ['tenants: one is created', '/tenants', createTenant],
  ['a tenant: its limit is changed', '/tenants', changeLimit],
  ['keys: one is minted', '/keys', mintKey],
  ['system: a token is made', '/system', makeToken],
]

t.test('each view is worked with by keyboard alone', options, async (t) => {
  const scene = await consoleScene(t)
  await traffic(scene)
  const page = await openTab(t, await startBrowser(t))
  await page.goto(`${scene.gateway.adminUrl}/system`)
  await page.locator('h1').waitFor()
  await tabTo(page, 'button:has-text("Sign in to change things")')
  await page.keyboard.press('Enter')
  await page.locator('#token:focus').waitFor()
  await page.keyboard.type(await scene.gateway.must('tokens', 'create', '--name', 'ann', '--role', 'admin'))
  await page.keyboard.press('Enter')
  await page.locator('h1:focus').waitFor()
  for (const [task, address, perform] of TASKS) {
    await t.test(task, async (t) => {
      await goTo(page, address)
      await perform(t, page)
    })
  }
})

/** Goes to a view by the navigation: its title has the focus then. */
async function goTo(page: Page, address: string): Promise<void> {
  await tabTo(page, `nav a[href="${address}"]`)
  await page.keyboard.press('Enter')
  await page.locator('h1:focus').waitFor()
}

/** The most presses of Tab on a view. */
const MAX_TABS = 120

/** Presses Tab until what has the focus is such an element. */
async function tabTo(page: Page, selector: string): Promise<void> {
  for (let i = 0; i < MAX_TABS; i++) {
    await page.keyboard.press('Tab')
    if ((await page.locator(`${selector}:focus`).count()) > 0) return
  }
  throw new Error(`Tab does not lead to ${selector}`)
}

/** Goes to what the selector names, and presses Enter. */
async function press(page: Page, selector: string): Promise<void> {
  await page.locator(selector).first().waitFor()
  await tabTo(page, selector)
  await page.keyboard.press('Enter')
}

/** Goes to a field of the dialog that is open, and types. */
async function type(page: Page, name: string, text: string): Promise<void> {
  await page.locator(`dialog [name="${name}"]`).waitFor()
  await tabTo(page, `dialog [name="${name}"]`)
  await page.keyboard.press('Control+A')
  await page.keyboard.type(text)
}

async function chooseWindow(t: Test, page: Page): Promise<void> {
  await press(page, '.range-picker > button')
  await press(page, '.choice:text("Last hour")')
  await page.waitForURL(/since=1h/)
  t.pass(page.url())
}

async function findRequest(t: Test, page: Page): Promise<void> {
  await page.locator('.entries tbody button').first().waitFor()
  await tabTo(page, '.filter-bar > .menu > button')
  await page.keyboard.press('Enter')
  await tabTo(page, '.add-filter select')
  await page.keyboard.type('Status')
  await tabTo(page, '.add-filter input')
  await page.keyboard.type('429')
  await page.keyboard.press('Enter')
  await page.locator('.chip:has-text("429")').waitFor()
  await page.locator('.entries td.c-status:has-text("200")').first().waitFor({ state: 'detached' })
  await tabTo(page, '.entries tbody button')
  await page.keyboard.press('ArrowDown')
  await page.keyboard.press('Enter')
  const drawer = page.locator('.drawer')
  await drawer.waitFor()
  t.match(await drawer.locator('.why').innerText(), 'The rate limit of the tenant globex was used up.')
  await page.keyboard.press('Escape')
  await drawer.waitFor({ state: 'detached' })
  await page.locator('.entries tbody button:focus').waitFor()
  t.pass('the focus is back in the table')
}

async function stopTail(t: Test, page: Page): Promise<void> {
  await press(page, 'button:has-text("Pause")')
  await page.locator('.tail-state strong:text-is("Paused")').waitFor()
  await press(page, '.entries tbody button')
  await page.locator('.drawer h2:focus').waitFor()
  await page.keyboard.press('Escape')
  await page.locator('.drawer').waitFor({ state: 'detached' })
  await press(page, 'button:has-text("Go on")')
  await page.locator('.tail-state strong:text-is("Following")').waitFor()
  t.pass('it goes on')
}

async function askWho(t: Test, page: Page): Promise<void> {
  await tabTo(page, 'input[name="package"]')
  await page.keyboard.type('left-pad')
  await page.keyboard.press('Enter')
  await press(page, 'table a:text("acme-ci")')
  await page.locator('h1:focus:text("acme-ci")').waitFor()
  t.match(page.url(), '/keys/')
}

async function saveProof(t: Test, page: Page): Promise<void> {
  await page.locator('.panel strong:text("complete")').first().waitFor()
  const saved = page.waitForEvent('download')
  await press(page, 'button:text("Save the proof")')
  const file = await saved
  t.match(file.suggestedFilename(), /^audit-\d{4}-\d\d-\d\d\.json$/)
  const proof = JSON.parse(await readFile(await file.path(), 'utf8')) as Record<string, unknown>
  t.match(proof, { isComplete: true, gaps: [], total: { accepted: Number, stored: Number } })
}

async function createTenant(t: Test, page: Page): Promise<void> {
  await press(page, 'button:has-text("New tenant")')
  await type(page, 'slug', 'initech')
  await page.keyboard.press('Enter')
  await page.locator('h1:text("initech")').waitFor()
  await page.locator('dialog').waitFor({ state: 'detached' })
  t.match(page.url(), '/tenants/initech')
}

async function changeLimit(t: Test, page: Page): Promise<void> {
  await press(page, 'a:text("globex")')
  await page.locator('h1:focus:text("globex")').waitFor()
  await press(page, 'button:text("Change limits")')
  await type(page, 'rateLimit', '0.01:1')
  await page.locator('dialog .warn:has-text("would have refused at least")').waitFor()
  await type(page, 'rateLimit', '7:9')
  await page.locator('dialog .hint:has-text("would have refused none")').waitFor()
  await page.keyboard.press('Enter')
  await page.locator('dialog').waitFor({ state: 'detached' })
  await page.locator('dd:text("7/s, burst 9")').waitFor()
  await page.locator('button:text("Change limits"):focus').waitFor()
  t.pass('the focus is where it was')
}

async function mintKey(t: Test, page: Page): Promise<void> {
  await press(page, '.tab:has-text("Never used")')
  await press(page, 'button:has-text("Mint a key")')
  await type(page, 'tenant', 'acme')
  await type(page, 'name', 'typed')
  await type(page, 'scopes', 'files:read')
  await page.keyboard.press('Enter')
  await page.locator('dialog code[aria-label="key"]').waitFor()
  await press(page, 'dialog button:text("I have it")')
  await page.locator('a:text("typed")').waitFor()
  t.match(page.url(), /show=never/)
}

async function makeToken(t: Test, page: Page): Promise<void> {
  await press(page, 'button:has-text("New token")')
  await type(page, 'name', 'bob')
  await page.keyboard.press('Enter')
  t.match(await page.locator('dialog code').first().innerText(), /^wba_|^wb/)
  await page.keyboard.press('Escape')
  await page.locator('dialog').waitFor({ state: 'detached' })
  await page.locator('th:has-text("bob")').waitFor()
}
