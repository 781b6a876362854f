import { setTimeout as sleep } from 'node:timers/promises'
import type { Page } from 'playwright-core'
import t from 'tap'
import { untilTrue } from '../harness/wait.ts'
import { layoutShiftsOf, NO_BROWSER, openTab, startBrowser } from './browser.ts'
import { consoleScene, traffic } from './scene.ts'

/** Each view, and what is there when it has its data. */
const VIEWS: readonly (readonly [path: string, isThere: string])[] = [
  ['/', 'section:has(h2:text("Top packages")) a'],
  ['/requests', '.facets .facet, .entries td.c-status'],
  ['/deliveries', '.empty-title'],
  ['/packages', 'section:has(h2:text("Top packages")) a'],
  ['/completeness', '.panel strong:text("complete")'],
  ['/tenants', 'a:text("globex")'],
  ['/keys', 'a:text("acme-ci")'],
  ['/system', '.panel:has(h2:text("Routes")) td'],
]

/** A high window: more of the page is in sight, and seen when it moves. */
const SIZE = { width: 1280, height: 1400 } as const

/** By which answers are late, in the order of the questions: each has its turn to move the page. */
const DELAYS_MS = [50, 450, 300, 150, 600, 225, 375]

/** Good, by the measure of Web Vitals (Cumulative Layout Shift). */
const GOOD = 0.1

/** Has the API's answers come late; tells how many are under way. */
async function delayAnswers(page: Page): Promise<() => number> {
  let asked = 0
  let underWay = 0
  await page.route('**/api/v1/**', async (route) => {
    underWay++
    await sleep(DELAYS_MS[asked++ % DELAYS_MS.length])
    await route.continue().catch(() => {})
    underWay--
  })
  return () => underWay
}

const options = NO_BROWSER === null ? {} : { skip: NO_BROWSER }

t.test('what is on a page stays where it is while its data come', options, async (t) => {
  const scene = await consoleScene(t)
  await traffic(scene)
  const browser = await startBrowser(t)
  for (const [path, isThere] of VIEWS) {
    const page = await openTab(t, browser)
    await page.setViewportSize(SIZE)
    const underWay = await delayAnswers(page)
    await page.goto(scene.gateway.adminUrl + path)
    await page.locator(isThere).first().waitFor()
    await untilTrue('no answer is missing', () => underWay() === 0)
    const shifts = await layoutShiftsOf(page)
    const sum = shifts.reduce((all, { value }) => all + value, 0)
    t.ok(sum < GOOD, `${path}: moves by ${sum.toFixed(3)}`, { shifts })
    await page.context().close()
  }
})
