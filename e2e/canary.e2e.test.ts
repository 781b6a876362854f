import { execFile } from 'node:child_process'
import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { assertLedger } from './harness/accounting.ts'
import { readAudit } from './harness/audit.ts'
import { request } from './harness/client.ts'
import { testDatabase } from './harness/database.ts'
import { startForwarder } from './harness/failure-forwarder.ts'
import { startGateway, type TestGateway } from './harness/gateway.ts'
import { startUpstream } from './harness/upstream.ts'
import { until, untilTrue } from './harness/wait.ts'

const routes = (upstream: string): readonly unknown[] => [
  { name: 'open', kind: 'generic', path: '/open/', upstream, auth: 'public' },
]

async function health(gateway: TestGateway): Promise<{ status: number; text: string }> {
  const response = await fetch(`${gateway.adminUrl}/healthz`, { headers: { connection: 'close' } })
  return { status: response.status, text: await response.text() }
}

t.test('canaries measure the way into the database, and are in nobody’s figures', async (t) => {
  const db = await testDatabase(t)
  const upstream = await startUpstream(t)
  const gateway = await startGateway(t, {
    databaseUrl: db.url,
    config: { routes: routes(upstream.url), accessLog: { flushIntervalMs: 50 } },
    env: { WAYBILL_ACCESS_LOG_CANARY_INTERVAL_MS: '100' },
  })
  for (let i = 0; i < 5; i++) {
    t.equal((await request(`${gateway.proxyUrl}/open/ok`)).status, 200)
  }
  const canaries = async (): Promise<number> => {
    const [row] = await db.query<{ n: number }>(
      `SELECT count(*)::int AS n FROM access_log WHERE tenant = '__canary__' AND outcome = 'canary'`,
    )
    return row?.n ?? 0
  }
  await untilTrue('ten canaries are in the table', async () => (await canaries()) >= 10)
  const metrics = await gateway.metrics()
  const roundTrip = metrics.sum('waybill_canary_round_trip_seconds')
  t.ok(roundTrip > 0 && roundTrip < 10, `the newest took ${roundTrip} s`)
  t.ok(metrics.sum('waybill_canary_age_seconds') < 10)
  t.ok(metrics.sum('waybill_canary_sent_total') >= 10)
  t.equal(metrics.sum('waybill_canary_lost_total'), 0)
  t.equal(metrics.sum('waybill_writer_stuck'), 0)
  t.equal((await gateway.overview()).requests.total, 5, 'no request')
  const list = async (...command: readonly string[]): Promise<Record<string, unknown>[]> =>
    JSON.parse(await gateway.must(...command, '--json')) as Record<string, unknown>[]
  t.equal((await list('logs')).length, 5, 'only requests are listed')
  t.equal(
    (await list('logs', '--outcome', 'canary', '--limit', '3')).length,
    3,
    'unless canaries are asked for',
  )
  const usage = await list('usage')
  t.same([...new Set(usage.map(({ tenant }) => tenant))], [null])
  t.equal(
    usage.reduce((sum, { requests }) => sum + Number(requests), 0),
    5,
  )
  t.equal(await gateway.stop(), 0)
  const { isComplete, tenants, total } = await readAudit(gateway, '--deep')
  t.equal(isComplete, true)
  const stored = await canaries()
  t.match(tenants, [
    { tenant: '', stored: 5 },
    { tenant: '__canary__', stored },
  ])
  t.equal(total.stored, 5 + stored)
  await assertLedger(t, db)
})

t.test(
  'an outage shows in the canary’s age; /healthz stays green, for the gateway does its work',
  async (t) => {
    const db = await testDatabase(t)
    const forwarder = await startForwarder(t, db)
    await forwarder.open()
    const accessLog = { flushIntervalMs: 50, copyTimeoutMs: 500, backoffMaxMs: 200, stuckAfterMs: 1500 }
    const gateway = await startGateway(t, {
      databaseUrl: forwarder.url,
      config: { routes: routes('http://127.0.0.1:9'), accessLog: { ...accessLog, spillAfterMs: 100 } },
      env: { WAYBILL_ACCESS_LOG_CANARY_INTERVAL_MS: '100' },
    })
    const age = async (): Promise<number> => (await gateway.metrics()).sum('waybill_canary_age_seconds')
    await untilTrue('a canary arrived', async () => {
      return (await gateway.metrics()).sum('waybill_canary_round_trip_seconds') > 0
    })
    await forwarder.close()
    await untilTrue('the age of the newest grows', async () => (await age()) > 4.5)
    t.same(await health(gateway), { status: 200, text: 'ok\n' }, 'three times stuckAfterMs')
    await forwarder.open()
    await untilTrue('canaries arrive again', async () => (await age()) < 2)
    t.ok((await gateway.metrics()).sum('waybill_canary_lost_total') === 0)
    t.equal(await gateway.stop(), 0)
  },
)

t.test('a disk that hangs turns /healthz red, and green when it answers', async (t) => {
  const db = await testDatabase(t)
  const forwarder = await startForwarder(t, db)
  await forwarder.open()
  const upstream = await startUpstream(t)
  const accessLog = { flushIntervalMs: 50, copyTimeoutMs: 500, backoffMaxMs: 200, spillAfterMs: 100 }
  const gateway = await startGateway(t, {
    databaseUrl: forwarder.url,
    config: { routes: routes(upstream.url), accessLog: { ...accessLog, stuckAfterMs: 1000 } },
  })
  // Opening a pipe for writing waits for its reader, as a call to a dead network disk waits for its server.
  const { instance } = await gateway.overview()
  const directory = join(gateway.cwd, '.waybill', 'spill', instance)
  const pipe = join(directory, 'owner.json')
  await mkdir(directory, { recursive: true })
  await promisify(execFile)('mkfifo', [pipe])
  await forwarder.close()
  t.equal((await request(`${gateway.proxyUrl}/open/ok`)).status, 200)
  const red = await until('/healthz is red', async () => {
    const answer = await health(gateway)
    return answer.status === 503 ? answer : undefined
  })
  t.match(JSON.parse(red.text), { healthy: false, reasons: [{ code: 'writer_stuck' }] }, 'and says why')
  t.equal((await gateway.metrics()).sum('waybill_writer_stuck', { loop: 'writer' }), 1)
  await gateway.waitForLog('stuck', ({ level, msg }) => level === 'error' && /is stuck/.test(String(msg)))
  t.equal((await request(`${gateway.proxyUrl}/open/ok`)).status, 200, 'requests go on')
  await readFile(pipe)
  await untilTrue('/healthz is green', async () => (await health(gateway)).status === 200)
  await forwarder.open()
  await untilTrue('both entries are stored', async () => (await gateway.overview()).accessLog.stored === 2)
  t.equal(await gateway.stop(), 0)
  await assertLedger(t, db)
})
