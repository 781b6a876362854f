import { existsSync } from 'node:fs'
import axe from 'axe-core'
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core'
import type { Test } from 'tap'
import { testFolder } from '../harness/product.ts'

/** Where Debian has it. */
const CHROMIUM = '/usr/bin/chromium'

/** Why the console cannot be looked at here; null when it can. */
export const NO_BROWSER = existsSync(CHROMIUM)
  ? null
  : 'NOT RUN: there is no /usr/bin/chromium (make e2e-deps installs it)'

export const WIDTHS = [1280, 390] as const
export const THEMES = ['light', 'dark'] as const

/** How a page is looked at. */
export interface Look {
  readonly width: (typeof WIDTHS)[number]
  readonly theme: (typeof THEMES)[number]
}

/** A browser of its own, which asks nobody but the gateway; closed on teardown. */
export async function startBrowser(t: Test): Promise<Browser> {
  const home = await testFolder(t)
  const browser = await chromium.launch({
    executablePath: CHROMIUM,
    env: { ...process.env, HOME: home, XDG_CONFIG_HOME: home, XDG_CACHE_HOME: home },
    args: [
      '--no-sandbox',
      '--headless',
      '--disable-gpu',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  })
  t.teardown(() => browser.close())
  return browser
}

/** A tab at this width and in this theme. What its script logs as an error, or throws, fails the test. */
export async function openTab(
  t: Test,
  browser: Browser,
  look: Look = { width: 1280, theme: 'light' },
): Promise<Page> {
  const context: BrowserContext = await browser.newContext({
    viewport: { width: look.width, height: 860 },
    colorScheme: look.theme,
    reducedMotion: 'reduce',
    timezoneId: 'UTC',
    permissions: ['clipboard-read', 'clipboard-write'],
  })
  const page = await context.newPage()
  await page.addInitScript(WATCH_SHIFTS)
  page.on('pageerror', (error) => t.fail(`the page threw: ${error.message}`))
  page.on('console', (message) => {
    // What the API refuses, the console shows; the browser logs it as well.
    const isRefusal = message.text().startsWith('Failed to load resource')
    if (message.type() === 'error' && !isRefusal) t.fail(`the page logged: ${message.text()}`)
  })
  t.teardown(() => context.close())
  return page
}

/** Notes by how much what is on the page moves without being asked to (Layout Instability API). */
const WATCH_SHIFTS = `
  globalThis.layoutShifts = []
  new PerformanceObserver((list) => {
    for (const { value, hadRecentInput, sources } of list.getEntries())
      if (!hadRecentInput)
        layoutShifts.push({ value, of: sources.map(({ node }) => node?.outerHTML?.slice(0, 120) ?? String(node)) })
  }).observe({ type: 'layout-shift', buffered: true })`

/** By how much the page has moved since it was loaded: the sum of all shifts, 0 for none; 0.1 and less is good. */
export async function layoutShiftOf(page: Page): Promise<number> {
  return (await layoutShiftsOf(page)).reduce((sum, { value }) => sum + value, 0)
}

/** Each shift, and what moved. */
export function layoutShiftsOf(
  page: Page,
): Promise<readonly { readonly value: number; readonly of: readonly string[] }[]> {
  return page.evaluate('layoutShifts') as Promise<readonly { value: number; of: string[] }[]>
}

/** Signs in with a token, by clicking; the view that was open is there again. */
export async function signIn(page: Page, token: string): Promise<void> {
  const ask = page.locator('button:has-text("Sign in to change things")')
  await ask.or(page.locator('#token')).waitFor()
  if (await ask.isVisible()) await ask.click()
  await page.locator('#token').fill(token)
  await page.keyboard.press('Enter')
  await page.locator('button:has-text("Sign out")').waitFor()
}

/** What axe-core finds against the page, by rule and element. */
export async function violationsOf(page: Page): Promise<readonly string[]> {
  // The page's policy lets no script in; the debugger's evaluation is not the page's.
  const found = (await page.evaluate(`${axe.source}; axe.run()`)) as {
    violations: readonly { id: string; nodes: readonly { html: string; failureSummary?: string }[] }[]
  }
  return found.violations.flatMap(({ id, nodes }) =>
    nodes.map(({ html, failureSummary = '' }) => `${id}: ${html.slice(0, 200)} ${failureSummary}`),
  )
}

/** By how many pixels the page is wider than the window. */
export function overflowOf(page: Page): Promise<number> {
  return page.evaluate('document.documentElement.scrollWidth - innerWidth') as Promise<number>
}
