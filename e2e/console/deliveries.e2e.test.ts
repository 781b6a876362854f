import type { Page } from 'playwright-core'
import t, { type Test } from 'tap'
import { request } from '../harness/client.ts'
import { testDatabase } from '../harness/database.ts'
import { startGateway, type TestGateway } from '../harness/gateway.ts'
import { startReceiver, type Receiver } from '../harness/receiver.ts'
import { untilTrue } from '../harness/wait.ts'
import {
  layoutShiftOf,
  NO_BROWSER,
  openTab,
  overflowOf,
  signIn,
  startBrowser,
  violationsOf,
} from './browser.ts'

const options = NO_BROWSER === null ? {} : { skip: NO_BROWSER }
const SECRET = 'secret-of-the-hook'

interface Scene {
  readonly gateway: TestGateway
  readonly receiver: Receiver
  /** Sends a delivery to a route; the receiver answers with the status. */
  readonly send: (route: string, status: number) => Promise<void>
}

/** Two routes that accept: of `late` what fails waits for an hour; of both 422 is for good. */
async function scene(t: Test): Promise<Scene> {
  const [db, receiver] = [await testDatabase(t), await startReceiver(t)]
  receiver.answer = ({ body }, res) =>
    void res.writeHead((JSON.parse(body) as { status: number }).status).end()
  const hook = (name: string, minMs: string): object => ({
    name,
    kind: 'integration',
    path: `/${name}/`,
    upstream: receiver.url,
    auth: 'signature',
    tenant: 'acme',
    signature: { scheme: 'token', header: 'X-Token', secrets: [SECRET] },
    mode: 'accept',
    deliver: { permanent: [422], retries: { minMs, maxMs: '1h' } },
  })
  const gateway = await startGateway(t, {
    databaseUrl: db.url,
    config: { routes: [hook('ci', '100ms'), hook('late', '1h')], accessLog: { flushIntervalMs: 50 } },
  })
  await gateway.createTenant('acme')
  const send = async (route: string, status: number): Promise<void> => {
    const headers = { 'x-token': SECRET, 'content-type': 'application/json' }
    const body = JSON.stringify({ status })
    const answer = await request(`${gateway.proxyUrl}/${route}/`, { method: 'POST', headers, body })
    if (answer.status !== 202) throw new Error(`answered ${answer.status}`)
  }
  for (const status of [204, 200, 422]) await send('ci', status)
  await send('late', 500)
  await untilTrue('each had its attempt', async () => {
    const rows = await db.query<{ n: number }>(
      `SELECT count(*)::int AS n FROM access_log WHERE outcome IN ('delivered', 'delivery_failed')`,
    )
    return rows[0]?.n === 4
  })
  return { gateway, receiver, send }
}

t.test('deliveries are looked at, delivered once more, and given up', options, async (t) => {
  const { gateway, receiver } = await scene(t)
  const browser = await startBrowser(t)
  const page = await openTab(t, browser)
  await page.goto(`${gateway.adminUrl}/deliveries`)
  await page.locator('.entries td:text("answered 422")').waitFor()
  await t.test('who may look sees all of them, and is offered nothing to change', (t) => checkList(t, page))
  await t.test('one is read by keyboard, and a link shows the same', async (t) => {
    await checkOne(t, page)
    const other = await openTab(t, browser, { width: 390, theme: 'dark' })
    await other.goto(page.url())
    await other.locator('.drawer .why:has-text("Dead, after 1 attempt")').waitFor()
    t.strictSame(await violationsOf(other), [])
    t.equal(await overflowOf(other), 0)
    // On arrival the title of the view has the focus.
    await page.locator('.drawer h2').focus()
    await page.keyboard.press('Escape')
    await page.locator('.drawer').waitFor({ state: 'detached' })
    await page.locator('.entries tbody button:focus').waitFor()
  })
  await signIn(page, await gateway.must('tokens', 'create', '--name', 'ann', '--role', 'operator'))
  receiver.answer = (_, res) => void res.writeHead(204).end()
  await t.test('a dead letter is delivered once more', (t) => checkRedelivery(t, page))
  await t.test('all that a search finds is given up, or delivered once more', (t) => checkSearch(t, page))
})

async function checkList(t: Test, page: Page): Promise<void> {
  const states = await page.locator('.entries td.c-state').allInnerTexts()
  t.strictSame(states.sort(), ['dead', 'delivered', 'delivered', 'tried again'])
  t.equal(await page.locator('button:has-text("Give up")').count(), 0)
  t.strictSame(await violationsOf(page), [])
  t.equal(await overflowOf(page), 0)
  const shift = await layoutShiftOf(page)
  t.ok(shift < 0.1, `what is on the page stays where it is: ${shift}`)
  await page.locator('.tab:text("Waiting")').click()
  await page.locator('.entries td:text("answered 422")').waitFor({ state: 'detached' })
  t.match(await page.locator('.entries tbody tr').innerText(), /tried again.*answered 500.*in \d+ min/s)
  await page.locator('input[name="route"]').fill('ci')
  await page.keyboard.press('Enter')
  await page.locator('.empty-title:text("No such delivery.")').waitFor()
  t.equal(new URL(page.url()).search, '?state=waiting&route=ci')
}

async function checkOne(t: Test, page: Page): Promise<void> {
  await page.locator('.tab:text("Dead letters")').click()
  await page.locator('.entries tbody button').first().focus()
  await page.keyboard.press('Enter')
  await page.locator('.drawer h2:focus').waitFor()
  const drawer = page.locator('.drawer')
  t.equal(
    (await drawer.locator('.why').innerText()).trim(),
    'Dead, after 1 attempt: answered 422. It is tried no more.',
  )
  await drawer.locator('.attempts li:has-text("422")').waitFor()
  const shown = new URL(page.url()).searchParams.get('open')
  await drawer.getByText(`waybill deliveries show ${shown}`, { exact: true }).waitFor()
  t.match(page.url(), /\/deliveries\?.*open=[\da-f-]{36}/)
  await drawer.locator('h3 a').click()
  await page.locator('.entries td.c-outcome:has-text("delivery failed")').waitFor()
  await page.goBack()
  await page.locator('.drawer .attempts li').first().waitFor()
}

async function checkRedelivery(t: Test, page: Page): Promise<void> {
  await page.locator('.entries td:text("answered 422")').click()
  await page.locator('.drawer button:text("Deliver once more")').click()
  await page.locator('dialog button:text("Deliver once more")').click()
  await page.locator('dialog').waitFor({ state: 'detached' })
  await page.locator('.drawer .why:has-text("Delivered, after 1 attempt: answered 204.")').waitFor()
  await page.locator('.drawer dt:text("Repeats") + dd a').click()
  await page.locator('.drawer dt:text("Repeated as")').waitFor()
  t.equal(await page.locator('.drawer button:text("Deliver once more")').count(), 0, 'once')
  await page.keyboard.press('Escape')
  await page.locator('.drawer').waitFor({ state: 'detached' })
}

async function checkSearch(t: Test, page: Page): Promise<void> {
  const giveUp = page.locator('.tabs button:has-text("Give up")')
  await page.locator('.tab:text("Delivered")').click()
  await page.locator('.tab[aria-pressed="true"]:text("Delivered")').waitFor()
  t.ok(await giveUp.isDisabled(), 'what is delivered is not given up')
  await page.locator('input[name="route"]').fill('late')
  await page.keyboard.press('Enter')
  await page.locator('.tab:text("Waiting")').click()
  await giveUp.click()
  const dialog = page.locator('dialog')
  await dialog.locator('p:text("Waiting of all tenants, of the route late, received since 30d.")').waitFor()
  await dialog.locator('button.danger').click()
  await dialog.locator('p:text("1 delivery is given up.")').waitFor()
  await dialog.locator('button:text-is("Close")').click()
  await page.locator('.empty-title:text("No such delivery.")').waitFor()
  await page.locator('.tab:text("Given up")').click()
  await page.locator('.entries td.c-state:has-text("given up")').waitFor()
  await page.locator('.tabs button:has-text("Deliver once more")').click()
  const asked = page.waitForRequest(/\/deliveries\/redeliver$/)
  await dialog.locator('button:text("Deliver once more")').click()
  const { until } = (await asked).postDataJSON() as { until?: string }
  t.match(until, /Z$/, 'what this makes is not delivered once more by who goes on')
  await dialog.locator('p:text("1 delivery is to be delivered once more.")').waitFor()
  await page.keyboard.press('Escape')
  await page.locator('.tab:text("Delivered")').click()
  await untilTrue('it is delivered', async () => {
    await page.locator('button:text("Refresh")').click()
    return (await page.locator('.entries td.c-state:has-text("delivered")').count()) === 1
  })
}
