import { createServer as createHttpServer, type RequestListener } from 'node:http'
import { connect, createServer, type AddressInfo, type Server } from 'node:net'
import { once } from 'node:events'
import { Provider } from 'oidc-provider'
import t, { type Test } from 'tap'
import { testDatabase } from '../harness/database.ts'
import { startGateway, type TestGateway } from '../harness/gateway.ts'
import { NO_BROWSER, openTab, startBrowser, violationsOf } from './browser.ts'

const TOKEN = 'a-token-of-the-sign-in-tests'
const SECRET = 'a-secret_of.the~client+with/more'
const options = NO_BROWSER === null ? {} : { skip: NO_BROWSER }

async function urlOf(server: Server): Promise<string> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

/** A front of the admin listener: its address is known before the gateway starts. */
async function startFront(t: Test): Promise<{ readonly url: string; leadTo(adminUrl: string): void }> {
  let port = 0
  const front = createServer((client) => {
    const gateway = connect(port, '127.0.0.1')
    client.on('error', () => gateway.destroy())
    gateway.on('error', () => client.destroy())
    client.pipe(gateway).pipe(client)
  })
  t.teardown(() => front.close())
  const url = await urlOf(front)
  return {
    url,
    leadTo: (adminUrl) => {
      port = Number(new URL(adminUrl).port)
    },
  }
}

/** A provider that knows people by the name they give: `ann` may operate, nobody else anything. */
async function startProvider(t: Test, redirectUri: string): Promise<string> {
  let answer: RequestListener = () => {}
  const server = createHttpServer((request, response) => answer(request, response))
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  const issuer = await urlOf(server)
  const provider = new Provider(issuer, {
    clients: [{ client_id: 'waybill', client_secret: SECRET, redirect_uris: [redirectUri] }],
    claims: { openid: ['sub'], email: ['email'], groups: ['groups'] },
    scopes: ['openid', 'email', 'groups'],
    findAccount: (_, id) => ({
      accountId: id,
      claims: () => ({ sub: id, email: `${id}@example.com`, groups: id === 'ann' ? ['platform'] : [] }),
    }),
    cookies: { keys: ['a key of the test'] },
  })
  const callback = provider.callback()
  answer = (request, response) => void callback(request, response)
  return issuer
}

async function scene(t: Test): Promise<{ readonly gateway: TestGateway; readonly url: string }> {
  const front = await startFront(t)
  const issuer = await startProvider(t, `${front.url}/api/v1/session/oidc/callback`)
  const gateway = await startGateway(t, {
    databaseUrl: (await testDatabase(t)).url,
    env: { OIDC_SECRET: SECRET },
    config: {
      admin: {
        host: '127.0.0.1',
        port: 0,
        token: TOKEN,
        publicUrl: front.url,
        oidc: {
          issuer,
          clientId: 'waybill',
          clientSecret: '${env:OIDC_SECRET}',
          scopes: 'openid email groups',
          label: 'Example',
          roles: { platform: 'operator' },
        },
      },
      routes: [{ name: 'files', kind: 'generic', path: '/files/', upstream: 'http://127.0.0.1:9' }],
    },
  })
  front.leadTo(gateway.adminUrl)
  return { gateway, url: front.url }
}

t.test('people sign in by clicking, come back to their view, and sign out', options, async (t) => {
  const { gateway, url } = await scene(t)
  const page = await openTab(t, await startBrowser(t))
  const signInAs = async (name: string): Promise<void> => {
    await page.getByRole('button', { name: 'Sign in with Example' }).click()
    await page.locator('input[name=login]').fill(name)
    await page.locator('input[name=password]').fill('any')
    await page.locator('button[type=submit]').click()
    await page.getByRole('button', { name: 'Continue' }).click()
  }
  await page.goto(`${url}/requests?status=5xx`)
  await page.getByRole('button', { name: 'Sign in with Example' }).waitFor()
  t.strictSame(await violationsOf(page), [])

  await signInAs('bob')
  await page.locator('#token-hint:has-text("bob@example.com")').waitFor()
  t.match(await page.locator('#token-hint').textContent(), /You are bob@example.com.*claim "groups"/)
  t.strictSame(await violationsOf(page), [])
  await page.context().clearCookies()

  await page.goto(`${url}/requests?status=5xx`)
  await signInAs('ann')
  await page.locator('.chip:has-text("5xx")').waitFor()
  t.equal(page.url(), `${url}/requests?status=5xx`)
  await page.getByRole('button', { name: 'Sign out ann@example.com' }).waitFor()
  await page.reload()
  await page.getByRole('button', { name: 'Sign out ann@example.com' }).click()
  await page.locator('#token').waitFor()
  await page.reload()
  await page.locator('#token').waitFor()
  t.notMatch(JSON.stringify(gateway.log), SECRET)
})
