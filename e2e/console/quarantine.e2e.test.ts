import t from 'tap'
import { NO_BROWSER, openTab, signIn, startBrowser } from './browser.ts'
import { consoleScene } from './scene.ts'

t.test(
  'of many entries in quarantine the oldest are drawn, and the others counted',
  NO_BROWSER === null ? {} : { skip: NO_BROWSER },
  async (t) => {
    const { db, gateway } = await consoleScene(t)
    await db.query('ALTER TABLE quarantine ALTER COLUMN id RESTART WITH 12345')
    await db.query(
      `INSERT INTO quarantine (instance, seq, tenant, code, row)
       SELECT gen_random_uuid(), n, 'acme', '22P02', 'no row' FROM generate_series(1, 230) n`,
    )
    const page = await openTab(t, await startBrowser(t))
    await page.goto(`${gateway.adminUrl}/system`)
    await signIn(page, await gateway.must('tokens', 'create', '--name', 'operator', '--role', 'operator'))
    const panel = page.locator('.panel:has(h2:text("Quarantine"))')
    await panel.locator('.note:has-text("and 130 others: see `waybill quarantine`")').waitFor()
    t.equal(await panel.locator('tbody tr').count(), 100)
    await panel.getByRole('button', { name: 'Store again: entry 12345' }).click()
    t.equal(await page.locator('dialog h2').innerText(), 'Store again: entry 12345?')
  },
)
