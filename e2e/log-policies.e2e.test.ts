import t, { type Test } from 'tap'
import { assertAllStored, assertBalanced, assertLedger, waitForEntries } from './harness/accounting.ts'
import { readAudit } from './harness/audit.ts'
import { request } from './harness/client.ts'
import { testDatabase, type TestDatabase } from './harness/database.ts'
import { lossOf, untilAccounted } from './harness/failure-accounts.ts'
import { startForwarder, type Forwarder } from './harness/failure-forwarder.ts'
import { burst } from './harness/failure-wire.ts'
import { startGateway, type GatewayConfig, type TestGateway } from './harness/gateway.ts'
import { startUpstream } from './harness/upstream.ts'
import { untilTrue } from './harness/wait.ts'

// Three gateways, each with a database that goes and comes back.
t.setTimeout(180_000)

/** Found soon after the database is back, however long it was away. */
const BACKOFF = { backoffMaxMs: 500 }
const LONG_QUERY = `?${'q'.repeat(1900)}`

type Tenant = 'audited' | 'usual' | 'easy'

interface Place {
  readonly db: TestDatabase
  readonly forwarder: Forwarder
  readonly gateway: TestGateway
  readonly keys: Readonly<Record<Tenant, string>>
  /** Statuses of the requests made with `get`, by tenant. */
  readonly seen: Readonly<Record<Tenant, number[]>>
  readonly get: (tenant: Tenant) => Promise<Awaited<ReturnType<typeof request>>>
}

/** A gateway with a tenant of each policy, and a way to take its database away. */
async function startPlace(t: Test, config: GatewayConfig): Promise<Place> {
  const db = await testDatabase(t)
  const forwarder = await startForwarder(t, db)
  await forwarder.open()
  const upstream = await startUpstream(t)
  const gateway = await startGateway(t, {
    databaseUrl: forwarder.url,
    config: {
      routes: [
        { name: 'files', kind: 'generic', path: '/files/', upstream: upstream.url },
        { name: 'other', kind: 'generic', path: '/other/', upstream: upstream.url },
      ],
      ...config,
    },
  })
  await gateway.must('tenants', 'create', 'audited', '--log-policy', 'strict')
  await gateway.must('tenants', 'create', 'easy', '--log-policy', 'best_effort')
  const keys = { audited: '', usual: '', easy: '' }
  const seen: Record<Tenant, number[]> = { audited: [], usual: [], easy: [] }
  for (const tenant of ['audited', 'usual', 'easy'] as const) {
    keys[tenant] = await gateway.mint({ tenant, scopes: ['files:read'] })
  }
  const get: Place['get'] = async (tenant) => {
    const answer = await request(`${gateway.proxyUrl}/files/ok`, { key: keys[tenant] })
    seen[tenant].push(answer.status)
    return answer
  }
  return { db, forwarder, gateway, keys, seen, get }
}

async function readiness(gateway: TestGateway): Promise<{ status: number; codes: string[] }> {
  const response = await fetch(`${gateway.adminUrl}/readyz`, { headers: { connection: 'close' } })
  const { reasons = [] } = (await response.json()) as { reasons?: { code: string }[] }
  return { status: response.status, codes: reasons.map(({ code }) => code) }
}

/** Requests refused for want of a scope, pipelined: entries of a tenant at a rate that no upstream limits. */
async function flood({ gateway, keys }: Place, tenant: Tenant, total: number, query = ''): Promise<void> {
  const head = `GET /other/x${query} HTTP/1.1\r\nHost: w\r\nX-Api-Key: ${keys[tenant]}\r\n\r\n`
  const answers = await burst({ origin: gateway.proxyUrl, request: () => head, total })
  if (answers.get(403) !== total) throw new Error(`not all were answered 403: ${[...answers].join(' ')}`)
}

async function assertComplete(t: Test, gateway: TestGateway, entries: number): Promise<void> {
  const { isComplete, gaps, total } = await readAudit(gateway, '--deep')
  t.strictSame(
    { isComplete, gaps, accepted: total.accepted, stored: total.stored },
    { isComplete: true, gaps: [], accepted: entries, stored: entries },
    'the audit says that all is stored',
  )
}

const count = (statuses: readonly number[], status: number): number =>
  statuses.filter((each) => each === status).length

for (const disk of ['off', 'full'] as const) {
  t.test(
    `with Postgres stopped and the spill ${disk}, a strict tenant gets 503, others 200, until it is back`,
    async (t) => {
      const config =
        disk === 'off'
          ? { spill: { maxBytes: 0 }, accessLog: BACKOFF }
          : { spill: { maxBytes: '128KiB' }, accessLog: { ...BACKOFF, maxBatchBytes: '64KiB' } }
      const place = await startPlace(t, config)
      const { db, forwarder, gateway, seen, get } = place
      for (let i = 0; i < 5; i++) for (const tenant of ['audited', 'usual'] as const) await get(tenant)
      await waitForEntries(db, 10)
      t.strictSame(await readiness(gateway), { status: 200, codes: [] })

      await forwarder.close()
      let flooded = 0
      if (disk === 'full') {
        await untilTrue('the spill is full', async () => {
          await flood(place, 'usual', 64, LONG_QUERY)
          flooded += 64
          return (await gateway.metrics()).sum('waybill_spill_refused_total') > 0
        })
      }
      await untilTrue('the strict tenant is refused', async () => (await get('audited')).status === 503)
      const { status, headers, body } = await get('audited')
      t.strictSame([status, headers['retry-after']], [503, '1'])
      t.match(JSON.parse(body.toString()), { title: 'The access log cannot take this request', status: 503 })
      t.equal((await get('usual')).status, 200, 'the request of another tenant goes on')
      t.strictSame(await readiness(gateway), { status: 503, codes: ['log_blocked'] })
      t.equal((await gateway.metrics()).sum('waybill_channel_blocked'), 1)
      await assertBalanced(t, gateway)

      await forwarder.open()
      await untilTrue('it is let through again', async () => (await get('audited')).status === 200)
      await untilTrue('the gateway is ready', async () => (await readiness(gateway)).status === 200)
      const made = seen.audited.length + seen.usual.length + flooded
      t.comment(`${count(seen.audited, 503)} of ${seen.audited.length} refused; ${flooded} to fill the disk`)
      t.equal(count(seen.usual, 200), seen.usual.length, 'nobody else noticed')
      await assertAllStored(t, db, [gateway], made)
      t.strictSame(
        await db.query(`
          SELECT status, outcome, reason, count(*)::int AS n FROM access_log
          WHERE tenant = 'audited' GROUP BY 1, 2, 3 ORDER BY status`),
        [
          { status: 200, outcome: 'forwarded', reason: null, n: count(seen.audited, 200) },
          { status: 503, outcome: 'log_unavailable', reason: 'log_blocked', n: count(seen.audited, 503) },
        ],
        'each refusal is an entry, too',
      )
      await assertComplete(t, gateway, made)
      t.equal((await gateway.metrics()).sum('waybill_channel_reserved_entries'), 0, 'no place is promised')
    },
  )
}

t.test(
  'when all is full, best_effort loses first, and what a strict tenant was let through with is kept',
  async (t) => {
    const accessLog = { ...BACKOFF, capacityEntries: 4096 }
    const place = await startPlace(t, { spill: { maxBytes: 0 }, accessLog })
    const { db, forwarder, gateway, seen, get } = place
    await forwarder.close()
    // Let through until the gateway knows that the database is away.
    await untilTrue('the strict tenant is refused', async () => (await get('audited')).status === 503)
    t.ok(count(seen.audited, 200) > 0, 'some were let through')
    await flood(place, 'easy', 6000)
    await flood(place, 'usual', 2000)
    t.equal((await get('usual')).status, 200)
    const made = seen.audited.length + seen.usual.length + 8000
    await forwarder.open()
    const accounts = await untilAccounted(db, made)
    const books = (tenant: Tenant) => {
      const account = accounts.get(tenant) ?? { stored: 0, dropped: {} }
      return { stored: account.stored, lost: lossOf(account) }
    }
    t.strictSame(books('audited'), { stored: seen.audited.length, lost: 0 })
    t.strictSame(books('usual'), { stored: 2000 + seen.usual.length, lost: 0 })
    const { stored, lost } = books('easy')
    t.comment(`best_effort: ${stored} stored, ${lost} lost`)
    t.ok(lost > 2000, 'it was the one to give way')
    t.equal(stored + lost, 6000, 'and each of its losses is counted')
    await assertBalanced(t, gateway)
    await assertLedger(t, db)
  },
)
