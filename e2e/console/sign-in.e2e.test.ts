import t from 'tap'
import { startGateway } from '../harness/gateway.ts'
import { NO_BROWSER, openTab, startBrowser, violationsOf } from './browser.ts'

const TOKEN = 'a-token-of-the-console-tests'

const options = NO_BROWSER === null ? {} : { skip: NO_BROWSER }

t.test('the console asks for the token, refuses a wrong one, and shows none', options, async (t) => {
  const gateway = await startGateway(t, {
    config: {
      admin: { host: '127.0.0.1', port: 0, token: TOKEN },
      routes: [{ name: 'files', kind: 'generic', path: '/files/', upstream: 'http://127.0.0.1:9' }],
    },
  })
  const page = await openTab(t, await startBrowser(t))
  const methods = page.waitForResponse((response) => response.url().endsWith('/session/methods'))
  await page.goto(`${gateway.adminUrl}/requests?status=5xx`)
  await page.locator('#token:focus').waitFor()
  t.strictSame(await (await methods).json(), { oidc: null })
  t.equal(await page.getByRole('button', { name: /Sign in with/ }).count(), 0, 'there is no issuer')
  t.strictSame(await violationsOf(page), [])
  await page.keyboard.type('a-wrong-token-of-someone')
  await page.keyboard.press('Enter')
  await page.locator('#token-hint:has-text("refused")').waitFor()
  t.equal(await page.locator('#token').inputValue(), '')
  await page.keyboard.type(TOKEN)
  await page.keyboard.press('Enter')
  await page.locator('.chip:has-text("5xx")').waitFor()
  const html = await page.content()
  t.notMatch(html, TOKEN)
  t.notMatch(page.url(), TOKEN)
  t.equal(
    await page
      .evaluate('JSON.stringify(localStorage) + document.cookie')
      .then(String)
      .then((text) => text.includes(TOKEN)),
    false,
  )
})
