import type { Page } from 'playwright-core'
import t from 'tap'
import { NO_BROWSER, openTab, signIn, startBrowser } from './browser.ts'
import { consoleScene, traffic } from './scene.ts'

/** What an operator asks, and how it is found from the overview, by clicking alone. */
const QUESTIONS: readonly (readonly [question: string, find: (page: Page) => Promise<void>])[] = [
  [
    'is it up, and how many requests a second',
    async (page) => {
      await page.locator('.state-words:has-text("Ready")').waitFor()
      await page
        .locator('.figure:has-text("Requests per second") .figure-value')
        .filter({ hasText: /\d/ })
        .waitFor()
    },
  ],
  [
    'is anything lost',
    async (page) => {
      await page.locator('.account :text("It adds up")').waitFor()
      await go(page, 'Completeness')
      await page.locator('.panel strong:text("complete")').first().waitFor()
    },
  ],
  [
    'why did this build get a 429',
    async (page) => {
      await page.locator('section:has(h2:text("How requests ended")) a:text("rate limited")').click()
      await page.locator('.entries tbody td.c-status').first().click()
      await page.locator('.why:has-text("The rate limit of the tenant globex was used up.")').waitFor()
      await page.locator('.limits-then:has-text("The limit is now 1/s")').waitFor()
    },
  ],
  [
    'what comes of a tenant, as it happens',
    async (page) => {
      await go(page, 'Live tail')
      await page.locator('.filter-bar > .menu > button').click()
      await page.locator('.add-filter input').fill('globex')
      await page.locator('.add-filter button').click()
      await page.locator('.chip:has-text("globex")').waitFor()
      await page.mouse.move(0, 0)
      await page.locator('.tail-state strong:text-is("Following")').waitFor()
      await page.locator('.entries td.c-status:has-text("429")').first().waitFor()
    },
  ],
  [
    'who is using what, now',
    async (page) => {
      await go(page, 'Live tail')
      await page.locator('.entries td.c-tenant:text("acme")').first().waitFor()
    },
  ],
  [
    'which tenant costs most',
    async (page) => {
      await go(page, 'Tenants')
      await page.locator('tbody tr:first-child a:text("acme")').waitFor()
    },
  ],
  [
    'what happened at a time',
    async (page) => {
      await go(page, 'Requests')
      await page.locator('.range-picker > button').click()
      await page.locator('.choice:text("Last 15 minutes")').click()
      await page.locator('.entries td:text("/broken/x")').first().waitFor()
    },
  ],
  [
    'which keys expire soon, are unused, were never used',
    async (page) => {
      await go(page, 'Keys')
      await page.locator('.tab:has-text("Expire in 14 days")').click()
      await page.locator('.tab:has-text("Unused for 90 days")').click()
      await page.locator('.tab:has-text("Never used")').click()
      await page.locator('h2:text("Never used")').waitFor()
    },
  ],
  [
    'is the upstream or the gateway slow',
    async (page) => {
      await go(page, 'Requests')
      await page.locator('.entries tr:has-text("/files/ok") td.c-status:has-text("200")').first().click()
      await page.locator('.timeline li:has-text("Upstream")').waitFor()
    },
  ],
  [
    'latency percentiles by route, last day',
    async (page) => {
      await go(page, 'Overview')
      await page
        .locator('section:has(h2:text("How long requests took")) tr:has-text("files") td:has-text("ms")')
        .first()
        .waitFor()
    },
  ],
  [
    'how many requests came over time, and before',
    async (page) => {
      await go(page, 'Overview')
      await page.locator('.plot[aria-label*="in the period before"] canvas').waitFor()
    },
  ],
  [
    'what fails, and why',
    async (page) => {
      await go(page, 'Overview')
      await page.locator('section:has(h2:text("What failed")) a:text("connection refused")').click()
      await page.locator('.entries td:text("/broken/x")').waitFor()
      await page.locator('nav a:has-text("Overview")').click()
      await page.locator('section:has(h2:text("What was refused")) a:text("tenant rate")').click()
      await page.locator('.entries td.c-status:has-text("429")').first().waitFor()
    },
  ],
  [
    'who downloaded a package',
    async (page) => {
      await go(page, 'Packages')
      await page.locator('input[name="package"]').fill('left-pad')
      await page.keyboard.press('Enter')
      await page.locator('.why').waitFor()
      await page.locator('table a:text("acme-ci")').first().waitFor()
    },
  ],
  [
    'which packages are asked for most',
    async (page) => {
      await page.locator('section:has(h2:text("Top packages")) a:text("left-pad")').click()
      await page.locator('.why').waitFor()
    },
  ],
  [
    'which tenant waits longest',
    async (page) => {
      await page.locator('section:has(.hint:text("by tenant")) a:text("acme")').click()
      await page.locator('.chip:has-text("acme")').waitFor()
    },
  ],
  [
    'who changed the limit',
    async (page) => {
      await go(page, 'Tenants')
      await page.locator('a:text("globex")').click()
      await page.locator('section:has(h2:text("Changes")) td:has-text("tenant created")').waitFor()
    },
  ],
  [
    'is a tenant within its limits',
    async (page) => {
      await go(page, 'Tenants')
      await page.locator('tr:has(a:text("globex")) td:text("1/s")').waitFor()
      await page.locator('tr:has(a:text("globex")) td.warn').waitFor()
    },
  ],
]

/** Whoever answers by a change has signed in. */
async function mintAndRevoke(page: Page): Promise<void> {
  await go(page, 'Tenants')
  await page.locator('a:text("acme")').click()
  await page.locator('button:has-text("Mint a key")').click()
  await page.locator('dialog input[name="name"]').fill('leaked')
  await page.locator('dialog button:text("Mint")').click()
  await page.locator('dialog code[aria-label="key"]').waitFor()
  await page.locator('dialog button:text("I have it")').click()
  await page.locator('a:text("leaked")').click()
  await page.locator('button:text("Revoke")').click()
  await page.locator('dialog button:text("Revoke it")').click()
  await page.locator('dialog :text("All of 1 gateway process serve by it.")').waitFor()
}

async function go(page: Page, view: string): Promise<void> {
  await page.locator(`nav a:has-text("${view}")`).click()
  await page.locator(`h1:text("${view}")`).waitFor()
}

t.test(
  'an operator finds answers by clicking',
  NO_BROWSER === null ? {} : { skip: NO_BROWSER },
  async (t) => {
    const scene = await consoleScene(t)
    await traffic(scene)
    const page = await openTab(t, await startBrowser(t))
    for (const [question, find] of QUESTIONS) {
      await t.test(question, async (t) => {
        await page.goto(scene.gateway.adminUrl)
        await find(page)
        t.pass(page.url())
      })
    }
    await t.test('how is a key minted, and how revoked', async (t) => {
      await page.goto(scene.gateway.adminUrl)
      const token = await scene.gateway.must('tokens', 'create', '--name', 'ann', '--role', 'operator')
      await signIn(page, token)
      await mintAndRevoke(page)
      t.pass(page.url())
    })
  },
)
