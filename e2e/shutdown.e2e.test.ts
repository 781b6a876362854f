import { once } from 'node:events'
import { connect } from 'node:net'
import { createHash } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import t, { type Test } from 'tap'
import { assertLedger, waitForEntries } from './harness/accounting.ts'
import { open } from './harness/client.ts'
import { testDatabase } from './harness/database.ts'
import { readAccounts, untilAccounted } from './harness/failure-accounts.ts'
import { startForwarder } from './harness/failure-forwarder.ts'
import { embeddedServer, untilGone } from './harness/failure-postgres.ts'
import { startGateway, type TestGateway } from './harness/gateway.ts'
import { startLoad, type LoadResult } from './harness/load.ts'
import { generated, startUpstream } from './harness/upstream.ts'
import { untilTrue } from './harness/wait.ts'

const DOWNLOAD_BYTES = 64 * 1024 ** 2
/** What is left after the flush goes to closing connections that do not answer. */
const SHUTDOWN = { drainTimeoutMs: 1000, flushTimeoutMs: 1500, graceMs: 5000 }
/** With a spill nothing would be lost: see chaos/gateway-kill.e2e.test.ts. */
const MEMORY_ONLY = { maxBytes: 0 }
/** A busy machine may end a process a little late. */
const SLACK_MS = 1000

const routes = (upstream: string): readonly unknown[] => [
  { name: 'files', kind: 'generic', path: '/files/', upstream },
]

/** Load that goes on after the gateway refuses connections, until it is stopped. */
function load(gateway: TestGateway, key: string) {
  return startLoad({
    url: () => `${gateway.proxyUrl}/files/ok`,
    headers: { authorization: `Bearer ${key}` },
    concurrency: 8,
    perSecond: 1000,
  })
}

function assertOnlyGone(t: Test, { failed }: LoadResult): void {
  const codes = [...failed.keys()].filter((code) => !['ECONNREFUSED', 'ECONNRESET', 'EPIPE'].includes(code))
  t.strictSame(codes, [], 'what was not answered was not accepted', { failed: [...failed] })
}

async function isRefused(origin: string): Promise<boolean> {
  const { hostname, port } = new URL(origin)
  const socket = connect(Number(port), hostname)
  try {
    await once(socket, 'connect')
    return false
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ECONNREFUSED'
  } finally {
    socket.destroy()
  }
}

async function digestOf(response: IncomingMessage): Promise<string> {
  const hash = createHash('sha256')
  for await (const chunk of response as AsyncIterable<Buffer>) hash.update(chunk)
  return hash.digest('hex')
}

t.test('SIGTERM under load: a download in flight finishes, what was answered is stored', async (t) => {
  const db = await testDatabase(t)
  const upstream = await startUpstream(t)
  const gateway = await startGateway(t, { databaseUrl: db.url, config: { routes: routes(upstream.url) } })
  const key = await gateway.mint({ tenant: 'acme', scopes: ['files:read'] })
  const running = load(gateway, key)
  t.teardown(() => running.stop())
  const download = await open(`${gateway.proxyUrl}/files/bytes?size=${DOWNLOAD_BYTES}`, { key })
  await untilTrue('the load runs', () => running.answered >= 500)
  t.equal((await gateway.overview()).requests.byOutcome['draining'], 0)
  gateway.child.kill('SIGTERM')
  await gateway.waitForLog('stopping', ({ msg }) => msg === 'stopping')
  await untilTrue('new connections are refused', () => isRefused(gateway.proxyUrl))
  t.equal(gateway.child.exitCode, null, 'the gateway waits for the download')
  const ready = await fetch(`${gateway.adminUrl}/readyz`, { headers: { connection: 'close' } })
  t.equal(ready.status, 503, 'and tells the balancer that it goes')
  t.match(await ready.text(), /draining/)
  t.equal(
    await digestOf(download),
    createHash('sha256').update(generated(0, DOWNLOAD_BYTES)).digest('hex'),
    'the download is whole',
  )
  t.equal(await gateway.exit(), 0, 'the gateway exits with 0')
  running.stop()
  const result = await running.done
  assertOnlyGone(t, result)
  t.equal(result.byStatus.get(200) ?? 0, result.answered - (result.byStatus.get(503) ?? 0))
  const rows = await db.query<{ n: number }>('SELECT count(*)::int AS n FROM access_log')
  t.equal(rows[0]?.n, result.answered + 1, 'one row for each request that was answered', {
    failed: [...result.failed],
  })
  const draining = await db.query<{ n: number }>(
    `SELECT count(*)::int AS n FROM access_log WHERE outcome = 'draining'`,
  )
  t.equal(draining[0]?.n, result.byStatus.get(503) ?? 0, 'those refused while draining included')
  await assertLedger(t, db)
})

t.test('a second SIGTERM stops at once', async (t) => {
  const db = await testDatabase(t)
  const upstream = await startUpstream(t)
  const gateway = await startGateway(t, { databaseUrl: db.url, config: { routes: routes(upstream.url) } })
  const key = await gateway.mint({ tenant: 'acme', scopes: ['files:read'] })
  const download = await open(`${gateway.proxyUrl}/files/endless`, { key })
  const cut = once(download, 'error')
  download.resume()
  gateway.child.kill('SIGTERM')
  await gateway.waitForLog('stopping', ({ msg }) => msg === 'stopping')
  const tick = performance.now()
  gateway.child.kill('SIGTERM')
  t.equal(await gateway.exit(5000), 1, 'the gateway exits with 1')
  t.comment(`gone ${Math.round(performance.now() - tick)} ms after the second signal`)
  await cut
  const line = gateway.log.find(({ msg }) => typeof msg === 'string' && msg.startsWith('second signal'))
  t.type(line?.['unstored'], 'number', 'the log tells what was not stored')
})

t.test(
  'SIGTERM with a database that answers nothing and no spill: gone within the deadline, the loss is told',
  async (t) => {
    const db = await testDatabase(t)
    const forwarder = await startForwarder(t, db)
    await forwarder.open()
    const upstream = await startUpstream(t)
    const gateway = await startGateway(t, {
      databaseUrl: forwarder.url,
      config: { routes: routes(upstream.url), shutdown: SHUTDOWN, spill: MEMORY_ONLY },
    })
    const key = await gateway.mint({ tenant: 'acme', scopes: ['files:read'] })
    forwarder.mode = 'swallow'
    const running = load(gateway, key)
    t.teardown(() => running.stop())
    await untilTrue('the load runs', () => running.answered >= 500)
    running.stop()
    const { answered } = await running.done
    const tick = performance.now()
    const code = await gateway.stop()
    const tookMs = performance.now() - tick
    t.comment(`gone after ${Math.round(tookMs)} ms`)
    t.equal(code, 1, 'the exit code tells of the loss')
    t.ok(tookMs > 1500 && tookMs < SHUTDOWN.graceMs + SLACK_MS, 'the flush has its time', { tookMs })
    const line = gateway.log.find(({ msg }) => typeof msg === 'string' && msg.includes('entries dropped'))
    t.match(line, { entries: answered, tenants: { acme: answered } }, 'the log says how many of whose')
    const accounts = await readAccounts(db)
    t.equal(accounts.get('acme')?.stored ?? 0, 0)
  },
)

t.test(
  'SIGTERM with the embedded Postgres frozen and no spill: gone within the deadlines, the loss is told',
  async (t) => {
    const upstream = await startUpstream(t)
    const config = { routes: routes(upstream.url), shutdown: SHUTDOWN, spill: MEMORY_ONLY }
    const gateway = await startGateway(t, { config })
    const server = await embeddedServer(t, gateway)
    const pid = await server.pid()
    const key = await gateway.mint({ tenant: 'acme', scopes: ['files:read'] })
    await server.freeze()
    const running = load(gateway, key)
    t.teardown(() => running.stop())
    await untilTrue('the load runs', () => running.answered >= 500)
    running.stop()
    const { answered } = await running.done
    const tick = performance.now()
    gateway.child.kill('SIGTERM')
    t.equal(await gateway.exit(40_000), 1, 'the exit code tells of the loss')
    t.comment(`gone after ${Math.round(performance.now() - tick)} ms`)
    const line = gateway.log.find(({ msg }) => typeof msg === 'string' && msg.includes('entries dropped'))
    t.match(line, { entries: answered }, 'the log says how many')
    server.thaw()
    await untilGone(pid, 20_000)
  },
)

t.test('a gateway that was killed leaves no database behind, and its successor goes on in it', async (t) => {
  const upstream = await startUpstream(t)
  const config = { routes: routes(upstream.url), accessLog: { flushIntervalMs: 50 } }
  const killed = await startGateway(t, { config })
  const server = await embeddedServer(t, killed)
  const pid = await server.pid()
  const key = await killed.mint({ tenant: 'acme', scopes: ['files:read'] })
  const running = load(killed, key)
  t.teardown(() => running.stop())
  await waitForEntries(server, 300)
  await killed.kill()
  running.stop()
  const before = await running.done
  assertOnlyGone(t, before)
  await untilGone(pid, 15_000)
  t.pass('Postgres has gone with it')

  const successor = await startGateway(t, { config, cwd: killed.cwd })
  const second = await startLoad({
    url: () => `${successor.proxyUrl}/files/ok`,
    headers: { authorization: `Bearer ${key}` },
    concurrency: 4,
    total: 200,
  }).done
  t.strictSame([...second.byStatus], [[200, 200]], 'the key is still good')
  await untilAccounted(server, 300 + 200)
  t.equal(await successor.stop(), 0)
  const reader = await startGateway(t, { config, cwd: killed.cwd })
  const byInstance = await server.query<{ n: number }>(
    `SELECT count(*)::int AS n FROM access_log GROUP BY instance ORDER BY min(started_at)`,
  )
  t.equal(byInstance.length, 2)
  const stored = byInstance[0]?.n ?? 0
  t.ok(stored >= 300 && stored <= before.answered, 'nothing is there that was not answered', {
    stored,
    answered: before.answered,
  })
  t.comment(`killed: ${before.answered} answered, ${stored} stored`)
  t.equal(byInstance[1]?.n, 200, 'the graceful stop lost nothing')
  await assertLedger(t, server)
  t.equal(await reader.stop(), 0)
})
