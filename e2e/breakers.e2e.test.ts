import { createServer, type Server } from 'node:http'
import t, { type Test } from 'tap'
import { request, type Answer } from './harness/client.ts'
import { testDatabase } from './harness/database.ts'
import { startGateway, type TestGateway } from './harness/gateway.ts'
import { closeAtOnce, freePort, listenOnLoopback } from './harness/loopback.ts'
import { startUpstream } from './harness/upstream.ts'
import { until, untilTrue } from './harness/wait.ts'

const FAILURES = 4
const breaker = { minAttempts: FAILURES, openMs: '1s', maxOpenMs: '1s' }

/** Has a server answer 200 at a port; resolves when it listens. */
async function serveAt(t: Test, port: number): Promise<Server> {
  const server = createServer((_req, res) => res.end('ok'))
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
  t.teardown(() => closeAtOnce(server))
  return server
}

function untilState(gateway: TestGateway, state: string, upstream: string): Promise<void> {
  return untilTrue(`${upstream} to be ${state}`, async () => {
    const scrape = await gateway.metrics()
    return scrape.sum('waybill_upstream_addresses', { route: 'r', state, upstream }) === 1
  })
}

t.test('an upstream that is down is left alone, tried again, and serves again', async (t) => {
  const db = await testDatabase(t)
  const port = await freePort()
  const upstream = `127.0.0.1:${port}`
  const route = {
    name: 'r',
    kind: 'generic',
    path: '/r/',
    auth: 'public',
    upstream: `http://${upstream}/`,
    breaker,
  }
  const gateway = await startGateway(t, { databaseUrl: db.url, config: { routes: [route], workers: 1 } })
  const ask = (): Promise<Answer> => request(`${gateway.proxyUrl}/r/x`)
  // Who comes late, on a machine that is busy, is let pass as the next trial instead.
  const untilRefused = (): Promise<Answer> =>
    until('a request to be refused', async () => {
      const answer = await ask()
      return answer.status === 503 ? answer : undefined
    })
  const stateLine = (state: string, from: number) =>
    gateway.waitForLog(state, (line) => line['state'] === state && line['upstream'] === upstream, { from })

  for (let i = 0; i < FAILURES; i++) t.equal((await ask()).status, 502)
  await stateLine('open', 0)
  const refused = await untilRefused()
  t.equal(refused.status, 503)
  t.equal(refused.headers['retry-after'], '1')
  await untilState(gateway, 'open', upstream)

  const changes = async (state: string): Promise<number> =>
    (await gateway.metrics()).sum('waybill_upstream_state_changes_total', { route: 'r', state })
  const opened = await changes('open')
  const trial = await until('a request to be let pass as a trial', async () => {
    const { status } = await ask()
    return status === 502 ? status : undefined
  })
  t.equal(trial, 502, 'which fails')
  await untilTrue('open again', async () => (await changes('open')) > opened)
  t.ok((await changes('half_open')) >= 1)
  t.equal((await untilRefused()).status, 503, 'open again')

  await serveAt(t, port)
  const before = gateway.log.length
  await until('the upstream to serve again', async () => ((await ask()).status === 200 ? true : undefined))
  await stateLine('serving', before)
  for (let i = 0; i < 10; i++) t.equal((await ask()).status, 200)
  await untilState(gateway, 'serving', upstream)
  const told = gateway.log.filter((line) => line['upstream'] === upstream).map((line) => line['state'])
  t.same(told, ['open', 'serving'], 'trials that fail fill no log')

  const [entry] = await until('entries of refusals', async () => {
    const rows = await db.query<{ status: number; upstream: string | null; outcome: string }>(
      "SELECT status, outcome, upstream FROM access_log WHERE reason = 'breaker_open' LIMIT 1",
    )
    return rows.length > 0 ? rows : undefined
  })
  t.match(entry, { status: 503, outcome: 'upstream_refused', upstream: null })
})

t.test('of two addresses one may be down, and no request fails', async (t) => {
  const db = await testDatabase(t)
  const up = await startUpstream(t)
  const down = `127.0.0.1:${await freePort()}`
  const route = {
    name: 'r',
    kind: 'generic',
    path: '/r/',
    auth: 'public',
    upstream: [`http://${down}/`, up.url],
    ejection: { failures: 2, minMs: '1m' },
  }
  const gateway = await startGateway(t, { databaseUrl: db.url, config: { routes: [route], workers: 1 } })
  for (let i = 0; i < 20; i++) {
    const { status } = await request(`${gateway.proxyUrl}/r/ok`, { method: 'PUT', body: 'x' })
    t.equal(status, 200)
  }
  await untilState(gateway, 'ejected', down)
})

t.test('an address whose health check fails gets no requests until it is well', async (t) => {
  const db = await testDatabase(t)
  let isWell = true
  const served: string[] = []
  const serverOf = async (name: string, status: () => number): Promise<string> => {
    const server = createServer((req, res) => {
      if (req.url !== '/healthz') served.push(name)
      res.writeHead(req.url === '/healthz' ? status() : 200).end()
    })
    return `127.0.0.1:${await listenOnLoopback(t, server)}`
  }
  const ill = await serverOf('ill', () => (isWell ? 200 : 503))
  const well = await serverOf('well', () => 200)
  const healthCheck = { path: '/healthz', intervalMs: 100, unhealthyAfter: 2, healthyAfter: 2 }
  const upstream = [`http://${ill}/`, `http://${well}/`]
  const route = { name: 'r', kind: 'generic', path: '/r/', auth: 'public', upstream, healthCheck }
  const gateway = await startGateway(t, { databaseUrl: db.url, config: { routes: [route], workers: 1 } })
  isWell = false
  await untilState(gateway, 'unhealthy', ill)
  served.length = 0
  for (let i = 0; i < 6; i++) await request(`${gateway.proxyUrl}/r/x`)
  t.same(new Set(served), new Set(['well']))
  isWell = true
  await untilState(gateway, 'serving', ill)
  for (let i = 0; i < 6; i++) await request(`${gateway.proxyUrl}/r/x`)
  t.same(new Set(served), new Set(['well', 'ill']))
})
