import { readFile } from 'node:fs/promises'
import t from 'tap'
import { NO_BROWSER, openTab, overflowOf, startBrowser, violationsOf } from './browser.ts'
import { consoleScene, traffic } from './scene.ts'

t.test(
  'an hour has its state, its proof and its link',
  NO_BROWSER === null ? {} : { skip: NO_BROWSER },
  async (t) => {
    const scene = await consoleScene(t)
    await traffic(scene)
    const browser = await startBrowser(t)
    const page = await openTab(t, browser)
    await page.goto(`${scene.gateway.adminUrl}/completeness`)
    const hours = page.getByRole('group', { name: 'Hours' })
    await hours
      .locator('tbody tr')
      .first()
      .locator('.cell:is(.complete, .so_far)')
      .filter({ hasText: /[✓…]/ })
      .first()
      .waitFor()
    await hours.locator('tbody th:has-text("acme")').waitFor()
    await hours.getByRole('button', { name: '00:00 to 00:59' }).click()
    await page.waitForURL(/hour=00/)
    const proof = page.locator('.panel:has(h2:text("00:00 to 00:59"))')
    const saved = page.waitForEvent('download')
    await proof.getByRole('button', { name: 'Save the proof' }).click()
    const file = await saved
    t.match(file.suggestedFilename(), /^audit-\d{4}-\d\d-\d\dT00\.json$/)
    const { since, until } = JSON.parse(await readFile(await file.path(), 'utf8')) as Record<string, string>
    t.equal(Date.parse(until ?? '') - Date.parse(since ?? ''), 3_600_000)
    const other = await openTab(t, browser, { width: 390, theme: 'dark' })
    await other.goto(page.url())
    await other.locator('h2:text("00:00 to 00:59")').waitFor()
    await other.getByRole('group', { name: 'Hours' }).waitFor()
    t.strictSame(await violationsOf(other), [])
    t.equal(await overflowOf(other), 0)
  },
)

t.test(
  'a day that is not read yet can be chosen: the calendar stays, and the focus in it',
  NO_BROWSER === null ? {} : { skip: NO_BROWSER },
  async (t) => {
    const { gateway } = await consoleScene(t)
    const page = await openTab(t, await startBrowser(t))
    let letOthers = (): void => {}
    const others = new Promise<void>((resolve) => (letOthers = resolve))
    let asked = 0
    await page.route('**/api/v1/completeness?*', async (route) => {
      if (asked++ > 0) await others
      await route.continue()
    })
    await page.goto(`${gateway.adminUrl}/completeness`)
    const calendar = page.getByRole('group', { name: 'Calendar' })
    const first = calendar.locator('thead button').first()
    const day = (await first.getAttribute('aria-label')) ?? ''
    await first.click()
    await page.waitForURL(`**/completeness?day=${day}`)
    await calendar.locator(`button[aria-label="${day}"][aria-pressed="true"]:focus`).waitFor()
    t.equal(await page.getByRole('group', { name: 'Hours' }).count(), 0, 'its hours are not known')
    letOthers()
    await page.locator(`h2:text("Hours of ${day}")`).waitFor()
    t.equal(await first.evaluate('document.activeElement.ariaLabel'), day)
  },
)
