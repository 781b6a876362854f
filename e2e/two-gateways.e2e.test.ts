import t, { type Test } from 'tap'
import { assertAllStored } from './harness/accounting.ts'
import { request } from './harness/client.ts'
import { testDatabase } from './harness/database.ts'
import { embeddedServer } from './harness/failure-postgres.ts'
import { startGateway, type TestGateway } from './harness/gateway.ts'
import { startLoad } from './harness/load.ts'
import { startUpstream } from './harness/upstream.ts'
import { until } from './harness/wait.ts'

/** The product's promise for a change of a key or tenant, everywhere. */
const PROMISED_MS = 1000

/** Asks every gateway, again and again, until all have answered so. Returns when the last did, epoch ms, and how many were asked. */
async function untilAll(
  gateways: readonly TestGateway[],
  key: string,
  status: number,
): Promise<{ seenAtMs: number; asked: number }> {
  let asked = 0
  const one = (gateway: TestGateway): Promise<number> =>
    until(`${gateway.proxyUrl} answers ${status}`, async () => {
      asked++
      const answer = await request(`${gateway.proxyUrl}/files/ok`, { key })
      return answer.status === status ? Date.now() : undefined
    })
  const seen = await Promise.all(gateways.map(one))
  return { seenAtMs: Math.max(...seen), asked }
}

async function twoGateways(t: Test, databaseUrl: string): Promise<readonly [TestGateway, TestGateway]> {
  const upstream = await startUpstream(t)
  const config = {
    routes: [{ name: 'files', kind: 'generic', path: '/files/', upstream: upstream.url }],
    accessLog: { flushIntervalMs: 100 },
  }
  // At once: both migrate, both make partitions.
  return Promise.all([startGateway(t, { databaseUrl, config }), startGateway(t, { databaseUrl, config })])
}

t.test('two gateways started at once on one database see every change within a second', async (t) => {
  const db = await testDatabase(t)
  const gateways = await twoGateways(t, db.url)
  const [first, second] = gateways
  let asked = 0
  const change = async (what: string, key: string, status: number, ...args: string[]): Promise<void> => {
    const [all] = await Promise.all([untilAll(gateways, key, status), first.must(...args)])
    asked += all.asked
    const [made] = await db.query<{ ms: number }>(
      `SELECT extract(epoch FROM greatest(max(t.updated_at), max(k.updated_at)))::float8 * 1000 AS ms
       FROM tenants AS t, api_keys AS k`,
    )
    const tookMs = Math.round(all.seenAtMs - (made?.ms ?? 0))
    t.comment(`${what}: seen by both after ${tookMs} ms`)
    t.ok(tookMs < PROMISED_MS, `${what} is seen by both within ${PROMISED_MS} ms`, { tookMs })
  }
  await first.must('tenants', 'create', 'acme')
  const key = await first.must('keys', 'mint', '--tenant', 'acme', '--scope', 'files:read')
  const other = await first.must('keys', 'mint', '--tenant', 'acme', '--scope', 'files:read')
  for (const k of [key, other]) asked += (await untilAll(gateways, k, 200)).asked

  await change('a suspension', key, 401, 'tenants', 'suspend', 'acme')
  await change('its end', key, 200, 'tenants', 'resume', 'acme')
  await change('a limit', key, 429, 'tenants', 'set', 'acme', '--rate', '0.001:1')
  await change('its removal', key, 200, 'tenants', 'set', 'acme', '--rate', 'none')

  const load = startLoad({
    url: (n) => `${(n % 2 === 0 ? first : second).proxyUrl}/files/ok`,
    headers: { authorization: `Bearer ${other}` },
    concurrency: 8,
    perSecond: 400,
  })
  t.teardown(() => load.stop())
  await change('a revocation', key, 401, 'keys', 'revoke', key.slice(3, 15))
  load.stop()
  const { answered, byStatus } = await load.done
  t.strictSame([...byStatus], [[200, answered]], "a tenant's other key goes on")
  await assertAllStored(t, db, gateways, asked + answered)
  const instances = await db.query('SELECT DISTINCT instance FROM access_ledger')
  t.equal(instances.length, 2, 'the ledger tells the two apart')
  for (const gateway of gateways) t.equal(await gateway.stop(), 0)
})

t.test('a gateway and commands use one embedded database at the same time', async (t) => {
  const upstream = await startUpstream(t)
  const gateway = await startGateway(t, {
    config: {
      routes: [{ name: 'files', kind: 'generic', path: '/files/', upstream: upstream.url }],
      accessLog: { flushIntervalMs: 100 },
    },
  })
  const server = await embeddedServer(t, gateway)
  const pid = await server.pid()
  const key = await gateway.mint({ tenant: 'acme', scopes: ['files:read'] })
  const load = startLoad({
    url: () => `${gateway.proxyUrl}/files/ok`,
    headers: { authorization: `Bearer ${key}` },
    concurrency: 4,
    perSecond: 200,
  })
  t.teardown(() => load.stop())
  const [minted, tenants, logs] = await Promise.all([
    gateway.cli('keys', 'mint', '--tenant', 'globex'),
    gateway.cli('tenants', 'list', '--json'),
    gateway.cli('logs', '--tenant', 'acme', '--limit', '5', '--format', 'ndjson'),
  ])
  for (const { code, stderr } of [minted, tenants, logs]) t.equal(code, 0, stderr)
  t.match(minted.stdout, /^wb_[0-9a-z]{12}_\w{38}\n$/)
  t.match(tenants.stdout, /"acme"/)
  load.stop()
  const { answered, byStatus } = await load.done
  t.strictSame([...byStatus], [[200, answered]])
  t.equal(await server.pid(), pid, 'the database went on running')
  await assertAllStored(t, server, [gateway], answered)
  t.equal(await gateway.stop(), 0)
})
