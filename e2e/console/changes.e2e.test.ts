import type { Page } from 'playwright-core'
import t, { type Test } from 'tap'
import { untilTrue } from '../harness/wait.ts'
import { NO_BROWSER, openTab, signIn, startBrowser, violationsOf } from './browser.ts'
import { type ConsoleScene, consoleScene } from './scene.ts'

const options = NO_BROWSER === null ? {} : { skip: NO_BROWSER }

t.test('who has signed in changes what the role permits', options, async (t) => {
  const scene = await consoleScene(t)
  const { gateway } = scene
  const token = (role: string): Promise<string> =>
    gateway.must('tokens', 'create', '--name', role, '--role', role)
  const page = await openTab(t, await startBrowser(t))
  await t.test('who may look is offered nothing else', async (t) => {
    await page.goto(`${gateway.adminUrl}/keys`)
    await page.locator('a:text("acme-ci")').waitFor()
    t.equal(await page.locator('button:has-text("Mint")').count(), 0)
    await signIn(page, await token('viewer'))
    await page.locator('a:text("acme-ci")').waitFor()
    t.equal(await page.locator('button:has-text("Mint")').count(), 0)
    await page.locator('button:has-text("Sign out")').click()
  })
  await t.test('a tenant is created and limited', async (t) => {
    await page.goto(`${gateway.adminUrl}/tenants`)
    await signIn(page, await token('operator'))
    await checkTenant(t, page)
  })
  await t.test('a key is minted, works, is rotated, and is revoked with a receipt', (t) =>
    checkKey(t, page, scene),
  )
})

async function checkTenant(t: Test, page: Page): Promise<void> {
  await page.locator('button:has-text("New tenant")').click()
  t.strictSame(await violationsOf(page), [])
  await page.locator('dialog input[name="slug"]').fill('acme')
  await page.locator('dialog button:text("Create")').click()
  await page.locator('dialog .failure:has-text("exists")').waitFor()
  await page.locator('dialog input[name="slug"]').fill('initech')
  await page.locator('dialog input[name="rateLimit"]').fill('5:20')
  await page.locator('dialog button:text("Create")').click()
  await page.locator('h1:text("initech")').waitFor()
  await page.locator('dd:text("5/s, burst 20")').waitFor()
  await page.locator('button:text("Change limits")').click()
  await page.locator('dialog input[name="rateLimit"]').fill('many')
  await page.keyboard.press('Enter')
  await page.locator('dialog .field .bad:has-text("a number such as 5")').waitFor()
  await page.locator('dialog input[name="rateLimit"]').fill('')
  await page.keyboard.press('Enter')
  await page.locator('dialog').waitFor({ state: 'detached' })
  await page.locator('dd:text("no limit")').first().waitFor()
  await page.locator('button:text("Suspend")').click()
  await page.locator('dialog button:text("Suspend it")').click()
  await page.locator('.page-hint:has-text("suspended")').waitFor()
  await page.locator('button:text("Resume")').click()
  await page.locator('dialog button:text("Resume it")').click()
  await page.locator('.page-hint:has-text("active")').waitFor()
  t.pass('suspended and resumed')
}

async function checkKey(t: Test, page: Page, { gateway }: ConsoleScene): Promise<void> {
  await page.locator('button:has-text("Mint a key")').click()
  await page.locator('dialog input[name="name"]').fill('deploy')
  await page.locator('dialog input[name="scopes"]').fill('files:read')
  await page.locator('dialog button:text("Mint")').click()
  const shown = page.locator('dialog code[aria-label="key"]')
  const key = await shown.innerText()
  t.match(key, /^wb_[0-9a-z]{12}_/)
  t.match(
    await page.locator('dialog code[aria-label="setup line"]').innerText(),
    /^waybill setup npm --route \S+ --key \$KEY$/,
  )
  await page.locator('dialog button:text("I have it")').click()
  t.notMatch(await page.content(), key)
  const status = async (): Promise<number> => {
    const response = await fetch(`${gateway.proxyUrl}/files/ok`, {
      headers: { authorization: `Bearer ${key}`, connection: 'close' },
    })
    await response.arrayBuffer()
    return response.status
  }
  await untilTrue('the key works', async () => (await status()) === 200)
  await page.locator('a:text("deploy")').click()
  await page.locator('button:text("Rotate")').click()
  await page.locator('dialog button:text("Rotate")').click()
  t.not(await shown.innerText(), key)
  await page.locator('dialog button:text("I have it")').click()
  await page.locator('button:text("Revoke")').click()
  await page.locator('dialog button:text("Revoke it")').click()
  await page.locator('dialog :text("All of 1 gateway process serve by it.")').waitFor()
  t.equal(await status(), 401)
}
