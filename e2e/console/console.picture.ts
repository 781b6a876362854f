import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Page } from 'playwright-core'
import t from 'tap'
import { projectFolder } from '../harness/product.ts'
import { NO_BROWSER, openTab, startBrowser, THEMES, WIDTHS } from './browser.ts'
import { consoleScene, traffic } from './scene.ts'

/** What is photographed for the documents: the view, its address, and what has to be there first. */
const PICTURES: readonly (readonly [name: string, path: string, ready: (page: Page) => Promise<void>])[] = [
  ['overview', '/', (page) => page.locator('section:has(h2:text("Top tenants")) a:text("acme")').waitFor()],
  [
    'requests',
    '/requests',
    async (page) => {
      await page.locator('.entries tbody tr:has-text("429") td.c-status').first().click()
      await page.locator('.drawer').waitFor()
    },
  ],
]

void t.test('the pictures of docs/console', NO_BROWSER === null ? {} : { skip: NO_BROWSER }, async (t) => {
  const scene = await consoleScene(t)
  for (let round = 0; round < 3; round++) await traffic(scene)
  const browser = await startBrowser(t)
  const folder = join(projectFolder(), 'docs/console')
  await mkdir(folder, { recursive: true })
  for (const width of WIDTHS) {
    for (const theme of THEMES) {
      const page = await openTab(t, browser, { width, theme })
      for (const [name, path, ready] of PICTURES) {
        await page.goto(scene.gateway.adminUrl + path)
        await ready(page)
        await page.screenshot({ path: join(folder, `${name}-${theme}-${width}.png`) })
      }
    }
  }
})
