import t from 'tap'
import { assertAllStored, waitForEntries } from './harness/accounting.ts'
import { request } from './harness/client.ts'
import { testDatabase } from './harness/database.ts'
import { startForwarder } from './harness/failure-forwarder.ts'
import { startGateway } from './harness/gateway.ts'
import { directScene, FAST, loadOf } from './harness/scene.ts'
import { startUpstream } from './harness/upstream.ts'
import { until } from './harness/wait.ts'

const routes = (upstream: string): readonly unknown[] => [
  { name: 'files', kind: 'generic', path: '/files/', upstream },
  { name: 'open', kind: 'generic', path: '/open/', upstream, auth: 'public' },
]

t.test('a gateway whose database is away at the start is ready as soon as it comes', async (t) => {
  const db = await testDatabase(t)
  const upstream = await startUpstream(t)
  const config = { routes: routes(upstream.url), accessLog: FAST }
  // Another gateway has made the schema and the key before.
  const maker = await startGateway(t, { databaseUrl: db.url, config })
  const key = await maker.mint({ tenant: 'acme', scopes: ['files:read'] })
  t.equal(await maker.stop(), 0)

  const forwarder = await startForwarder(t, db)
  const gateway = await startGateway(t, { databaseUrl: forwarder.url, config, shallNotWait: true })
  await gateway.waitListening()
  const ready = async (): Promise<Response> =>
    fetch(`${gateway.adminUrl}/readyz`, { headers: { connection: 'close' } })
  const reasons = await ready()
  t.equal(reasons.status, 503)
  t.match(await reasons.json(), { reasons: [{ code: 'no_snapshot' }] }, '/readyz says why')
  t.equal((await fetch(`${gateway.adminUrl}/healthz`, { headers: { connection: 'close' } })).status, 200)
  for (const headers of [{}, { authorization: `Bearer ${key}` }, { authorization: 'Bearer wb_garbage' }]) {
    const { status, body } = await request(`${gateway.proxyUrl}/files/ok`, { headers })
    t.equal(status, 503, 'not 401: the gateway does not know')
    t.match(JSON.parse(body.toString()), { title: 'The gateway is not ready' })
  }
  const { status } = await request(`${gateway.proxyUrl}/open/ok`)
  t.equal(status, 200, 'a public route needs no keys')

  const statuses = new Set<number>()
  await forwarder.open()
  const tick = performance.now()
  await until(
    'the key is good',
    async () => {
      const answer = await request(`${gateway.proxyUrl}/files/ok`, { key })
      statuses.add(answer.status)
      return answer.status === 200 ? true : undefined
    },
    { timeoutMs: 15_000 },
  )
  t.comment(`ready ${Math.round(performance.now() - tick)} ms after the database came`)
  t.strictSame(
    [...statuses].sort((a, b) => a - b),
    [200, 503],
    'and never 401 before',
  )
  t.equal((await ready()).status, 200)
  const { accepted } = (await gateway.overview()).accessLog
  await assertAllStored(t, db, [gateway], accepted)
  t.equal(await gateway.stop(), 0)
})

t.test("today's partition dropped under load is made anew, and no later entry is lost", async (t) => {
  const scene = await directScene(t, { config: { accessLog: { ...FAST, retentionDays: 1 } } })
  const { db, gateway, key } = scene
  const load = loadOf(t, gateway, key, 300)
  await waitForEntries(db, 100)
  const [dropped] = await db.query<{ name: string; n: number }>(
    `SELECT tableoid::regclass::text AS name, count(*)::int AS n FROM access_log GROUP BY 1 ORDER BY 1 DESC LIMIT 1`,
  )
  const name = dropped?.name ?? ''
  t.match(name, /^access_log_\d{8}$/)
  // How many go with it is only certain once nobody writes to it any more.
  await db.query(`ALTER TABLE access_log DETACH PARTITION ${name}`)
  const [gone] = await db.query<{ n: number }>(`SELECT count(*)::int AS n FROM ${name}`)
  await db.query(`DROP TABLE ${name}`)
  await waitForEntries(db, 200)
  load.stop()
  const { answered } = await load.done
  await waitForEntries(db, answered - (gone?.n ?? 0))
  const [rows] = await db.query<{ n: number }>(`SELECT count(*)::int AS n FROM access_log`)
  t.equal(rows?.n, answered - (gone?.n ?? 0), 'all but those that were dropped with the partition are there')
  await gateway.waitForLog('partitions made', ({ msg }) => msg === 'access log: missing partitions made')
  t.equal(await gateway.stop(), 0)

  await db.query(
    `CREATE TABLE access_log_20200101 PARTITION OF access_log FOR VALUES FROM ('2020-01-01 00:00:00+00') TO ('2020-01-02 00:00:00+00')`,
  )
  const next = await scene.next()
  const line = await next.waitForLog('partitions kept', ({ msg }) => msg === 'partitions kept')
  t.strictSame(line['dropped'], ['access_log_20200101'], 'at the next start the expired partition goes')
  const [left] = await db.query<{ relation: string | null }>(
    `SELECT to_regclass('access_log_20200101')::text AS relation`,
  )
  t.equal(left?.relation, null)
  t.equal((await request(`${next.proxyUrl}/files/ok`, { key })).status, 200)
  t.equal(await next.stop(), 0)
})
