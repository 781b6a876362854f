import t from 'tap'
import { assertAllStored, waitForEntries } from './harness/accounting.ts'
import { request } from './harness/client.ts'
import { testDatabase } from './harness/database.ts'
import { startForwarder } from './harness/failure-forwarder.ts'
import { startGateway } from './harness/gateway.ts'
import { startLoad } from './harness/load.ts'
import { startUpstream } from './harness/upstream.ts'
import { until, untilTrue } from './harness/wait.ts'

const FAST = { flushIntervalMs: 50, copyTimeoutMs: 1000, backoffMaxMs: 200 }

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

t.test('an acknowledgement that is lost after the commit stores nothing twice', async (t) => {
  const db = await testDatabase(t)
  const forwarder = await startForwarder(t, db)
  await forwarder.open()
  const upstream = await startUpstream(t)
  const gateway = await startGateway(t, {
    databaseUrl: forwarder.url,
    config: { routes: routes(upstream.url), accessLog: FAST },
  })
  const key = await gateway.mint({ tenant: 'acme', scopes: ['files:read'] })
  const load = startLoad({
    url: () => `${gateway.proxyUrl}/files/ok`,
    headers: { authorization: `Bearer ${key}` },
    concurrency: 8,
    perSecond: 500,
  })
  t.teardown(() => load.stop())
  const cuts = 10
  for (let i = 0; i < cuts; i++) await forwarder.cutNextAcknowledgement()
  load.stop()
  const { answered, byStatus } = await load.done
  t.strictSame([...byStatus], [[200, answered]], 'clients notice nothing')
  await assertAllStored(t, db, [gateway], answered)
  const found = async (): Promise<number> =>
    (await gateway.metrics()).sum('waybill_writer_already_stored_total')
  await untilTrue('each cut batch was found stored already', async () => (await found()) >= cuts)
  t.equal(await found(), cuts, 'each was sent again, and the ledger told that it was there')
  t.equal(await gateway.stop(), 0)
})

t.test('a database behind a black hole, and one that breaks off, lose and double nothing', async (t) => {
  const db = await testDatabase(t)
  const forwarder = await startForwarder(t, db)
  await forwarder.open()
  const upstream = await startUpstream(t)
  const gateway = await startGateway(t, {
    databaseUrl: forwarder.url,
    config: { routes: routes(upstream.url), accessLog: FAST },
  })
  const key = await gateway.mint({ tenant: 'acme', scopes: ['files:read'] })
  const load = startLoad({
    url: () => `${gateway.proxyUrl}/files/ok`,
    headers: { authorization: `Bearer ${key}` },
    concurrency: 8,
    perSecond: 500,
  })
  t.teardown(() => load.stop())
  await waitForEntries(db, 100)
  forwarder.mode = 'swallow'
  const before = forwarder.connections
  await untilTrue(
    'the writer gives the silent connection up and dials anew',
    () => forwarder.connections > before + 1,
  )
  const atSwallow = load.answered
  await untilTrue('requests go on', () => load.answered > atSwallow + 500)
  forwarder.mode = 'forward'
  const { stored } = (await gateway.overview()).accessLog
  await untilTrue(
    'entries are stored again',
    async () => (await gateway.overview()).accessLog.stored > stored,
  )
  for (let i = 0; i < 3; i++) {
    await forwarder.close()
    const { accepted } = (await gateway.overview()).accessLog
    await forwarder.open()
    await waitForEntries(db, accepted)
  }
  load.stop()
  const { answered, byStatus } = await load.done
  t.strictSame([...byStatus], [[200, answered]], 'clients notice nothing')
  await assertAllStored(t, db, [gateway], answered)
  t.equal(await gateway.stop(), 0)
})

t.test(
  'a locked table and backends that are terminated again and again lose and double nothing',
  async (t) => {
    const db = await testDatabase(t)
    const upstream = await startUpstream(t)
    const gateway = await startGateway(t, {
      databaseUrl: db.url,
      config: { routes: routes(upstream.url), accessLog: FAST },
    })
    const key = await gateway.mint({ tenant: 'acme', scopes: ['files:read'] })
    const load = startLoad({
      url: () => `${gateway.proxyUrl}/files/ok`,
      headers: { authorization: `Bearer ${key}` },
      concurrency: 8,
      perSecond: 500,
    })
    t.teardown(() => load.stop())
    await waitForEntries(db, 100)
    // Longer than a COPY may take: the gateway gives up and comes again.
    await db.query('BEGIN; LOCK TABLE access_log; SELECT pg_sleep(2.5); COMMIT')
    const terminated = new Set<number>()
    await untilTrue(
      'ten backends of the writer were terminated at work',
      async () => {
        const rows = await db.query<{ pid: number }>(
          // First found, then terminated: within one WHERE the server may do it the other way round.
          `WITH writers AS MATERIALIZED (
           SELECT pid FROM pg_stat_activity
           WHERE application_name = 'waybill-writer' AND datname = current_database() AND state = 'active'
         ) SELECT pid FROM writers WHERE pg_terminate_backend(pid)`,
        )
        for (const { pid } of rows) terminated.add(pid)
        return terminated.size >= 10
      },
      { timeoutMs: 20_000, describe: () => terminated.size },
    )
    load.stop()
    const { answered, byStatus } = await load.done
    t.strictSame([...byStatus], [[200, answered]], 'clients notice nothing')
    await assertAllStored(t, db, [gateway], answered)
    t.equal(await gateway.stop(), 0)
  },
)

t.test("today's partition dropped under load is made anew, and no later entry is lost", async (t) => {
  const db = await testDatabase(t)
  const upstream = await startUpstream(t)
  const config = {
    routes: routes(upstream.url),
    accessLog: { ...FAST, retentionDays: 1 },
  }
  const gateway = await startGateway(t, { databaseUrl: db.url, config })
  const key = await gateway.mint({ tenant: 'acme', scopes: ['files:read'] })
  const load = startLoad({
    url: () => `${gateway.proxyUrl}/files/ok`,
    headers: { authorization: `Bearer ${key}` },
    concurrency: 4,
    perSecond: 300,
  })
  t.teardown(() => load.stop())
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
  const next = await startGateway(t, { databaseUrl: db.url, config })
  const line = await next.waitForLog('partitions kept', ({ msg }) => msg === 'partitions kept')
  t.strictSame(line['dropped'], ['access_log_20200101'], 'at the next start the expired partition goes')
  const [left] = await db.query<{ relation: string | null }>(
    `SELECT to_regclass('access_log_20200101')::text AS relation`,
  )
  t.equal(left?.relation, null)
  t.equal((await request(`${next.proxyUrl}/files/ok`, { key })).status, 200)
  t.equal(await next.stop(), 0)
})
