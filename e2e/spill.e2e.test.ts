import t, { type Test } from 'tap'
import { assertAllStored, assertBalanced, assertLedger, waitForEntries } from './harness/accounting.ts'
import { readAudit } from './harness/audit.ts'
import { testDatabase, type TestDatabase } from './harness/database.ts'
import { lossOf, untilAccounted } from './harness/failure-accounts.ts'
import { startForwarder, type Forwarder } from './harness/failure-forwarder.ts'
import { embeddedServer } from './harness/failure-postgres.ts'
import { burst } from './harness/failure-wire.ts'
import { startGateway, type GatewayConfig, type TestGateway } from './harness/gateway.ts'
import { mostAnswersWithin, startLoad, type Load } from './harness/load.ts'
import { spillFiles } from './harness/spill.ts'
import { startUpstream } from './harness/upstream.ts'
import { untilTrue } from './harness/wait.ts'

const FROZEN_MS = 8000
const BURST = 10_000
const WAVE = 1000
/** The smallest channel there is. */
const SMALL_CHANNEL = { capacityEntries: 4096 }
const SHUTDOWN = { drainTimeoutMs: 1000, flushTimeoutMs: 1500, graceMs: 5000 }
/** Twice what the journal promises: the kill has to reach the gateway, and the answers us, on a machine that is busy. */
const JOURNAL_WINDOW_MS = 20
const CONNECTIONS = 8

interface Place {
  readonly db: TestDatabase
  readonly forwarder: Forwarder
  readonly gateway: TestGateway
  /** Starts another gateway in the same folder and database. */
  readonly next: (options?: { readonly shallNotWait: boolean }) => Promise<TestGateway>
}

/** A gateway behind a forwarder that can become a black hole. */
async function startBehindForwarder(t: Test, config: GatewayConfig): Promise<Place> {
  const db = await testDatabase(t)
  const forwarder = await startForwarder(t, db)
  await forwarder.open()
  const upstream = await startUpstream(t)
  const options = { databaseUrl: forwarder.url, config: { routes: routesTo(upstream.url), ...config } }
  const gateway = await startGateway(t, options)
  return {
    db,
    forwarder,
    gateway,
    next: (more) => startGateway(t, { ...options, ...more, cwd: gateway.cwd }),
  }
}

function routesTo(upstream: string): readonly unknown[] {
  return [
    { name: 'files', kind: 'generic', path: '/files/', upstream },
    { name: 'other', kind: 'generic', path: '/other/', upstream },
  ]
}

function load(t: Test, gateway: TestGateway, key: string, perSecond: number): Load {
  const running = startLoad({
    url: () => `${gateway.proxyUrl}/files/ok`,
    headers: { authorization: `Bearer ${key}` },
    concurrency: CONNECTIONS,
    perSecond,
  })
  t.teardown(() => running.stop())
  return running
}

/** Refused for want of a scope: an entry of the tenant at a rate that no upstream limits. */
function refused(key: string, query = ''): string {
  return `GET /other/x${query} HTTP/1.1\r\nHost: w\r\nX-Api-Key: ${key}\r\n\r\n`
}

/** With a journal the directory stays in use; without one nothing is left of it. */
async function untilSpillIsEmpty(gateway: TestGateway, isJournal = false): Promise<void> {
  let left: string[] = []
  const look = async (): Promise<boolean> => {
    const files = await spillFiles(gateway)
    left = isJournal ? files.filter((path) => path.endsWith('.seg')) : files
    return left.length === 0
  }
  await untilTrue('the spill directory is empty', look, { timeoutMs: 15_000, describe: () => left })
}

/** Both audits say that every accepted entry is stored. */
async function assertComplete(t: Test, gateway: TestGateway, entries: number): Promise<void> {
  for (const flags of [[], ['--deep']]) {
    const { isComplete, gaps, total, waiting } = await readAudit(gateway, ...flags)
    t.strictSame(
      { isComplete, gaps, accepted: total.accepted, stored: total.stored, waiting },
      { isComplete: true, gaps: [], accepted: entries, stored: entries, waiting: 0 },
      `the audit says that all is stored ${flags.join(' ')}`,
    )
  }
}

t.test(
  'with Postgres frozen a small channel spills, and all is stored exactly once afterwards',
  async (t) => {
    const upstream = await startUpstream(t)
    const gateway = await startGateway(t, {
      config: { routes: routesTo(upstream.url), accessLog: SMALL_CHANNEL },
    })
    const server = await embeddedServer(t, gateway)
    const key = await gateway.mint({ tenant: 'acme', scopes: ['files:read'] })
    const running = load(t, gateway, key, 500)
    await waitForEntries(server, 200)
    t.strictSame(await spillFiles(gateway), [], 'with Postgres at work no file is made')
    await server.freeze()
    const frozenTick = performance.now()
    await untilTrue('entries are spilled', async () => (await gateway.overview()).accessLog.spilled > 0)
    t.comment(`spilling ${Math.round(performance.now() - frozenTick)} ms after Postgres froze`)
    // More than twice what the channel holds, in waves that it can hold: each waits for the one before to be on disk.
    const answers = new Map<number, number>()
    for (let sent = 0; sent < BURST; sent += WAVE) {
      const wave = await burst({ origin: gateway.proxyUrl, request: () => refused(key), total: WAVE })
      for (const [status, n] of wave) answers.set(status, (answers.get(status) ?? 0) + n)
      await untilTrue(
        'the channel has room',
        async () => (await gateway.overview()).accessLog.buffered < WAVE,
      )
    }
    t.strictSame([...answers], [[403, BURST]], 'every request of the burst is answered')
    await untilTrue(`${FROZEN_MS} ms have passed`, () => performance.now() - frozenTick >= FROZEN_MS, {
      timeoutMs: FROZEN_MS + 5000,
    })
    const { accessLog } = await gateway.overview()
    t.ok(accessLog.spilled > BURST, 'what the channel cannot hold is on disk', accessLog)
    t.strictSame(lossOf(accessLog), 0, 'nothing is dropped')
    await assertBalanced(t, gateway)
    const metrics = await gateway.metrics()
    t.ok(
      metrics.sum('waybill_spill_pending_entries') > BURST,
      'the metrics tell how many entries are on disk',
    )
    t.ok(metrics.sum('waybill_spill_bytes') > 0, 'and how many bytes')
    t.equal(metrics.sum('waybill_writer_database_away'), 1)
    t.not((await spillFiles(gateway)).length, 0, 'there are segments')
    server.thaw()
    const thawedTick = performance.now()
    await untilTrue('nothing is spilled any more', async () => {
      return (await gateway.overview()).accessLog.spilled === 0
    })
    t.comment(`replayed ${Math.round(performance.now() - thawedTick)} ms after Postgres went on`)
    running.stop()
    const { answered, byStatus, failed } = await running.done
    t.strictSame([...byStatus], [[200, answered]], 'clients notice nothing')
    t.equal(failed.size, 0)
    await assertAllStored(t, server, [gateway], answered + BURST)
    await untilSpillIsEmpty(gateway)
    await assertComplete(t, gateway, answered + BURST)
    const { code, stdout } = await gateway.cli('audit')
    t.equal(code, 0)
    t.match(stdout, /^complete: /m)
    t.equal(await gateway.stop(), 0, 'the gateway stops cleanly')
  },
)

t.test(
  'SIGTERM with a database that answers nothing: all is on disk, the next gateway stores it',
  async (t) => {
    const { db, forwarder, gateway, next } = await startBehindForwarder(t, { shutdown: SHUTDOWN })
    const key = await gateway.mint({ tenant: 'acme', scopes: ['files:read'] })
    forwarder.mode = 'swallow'
    const running = load(t, gateway, key, 1000)
    await untilTrue('the load runs', () => running.answered >= 1500)
    running.stop()
    const { answered } = await running.done
    const tick = performance.now()
    t.equal(await gateway.stop(), 0, 'nothing is lost: the exit code says so')
    const tookMs = performance.now() - tick
    t.comment(`gone after ${Math.round(tookMs)} ms`)
    t.ok(tookMs < SHUTDOWN.graceMs + 1000, 'within what it is granted', { tookMs })
    t.ok(
      (await spillFiles(gateway)).some((path) => path.endsWith('.seg')),
      'the entries are on disk',
    )
    const rows = await db.query<{ n: number }>('SELECT count(*)::int AS n FROM access_log')
    t.equal(rows[0]?.n, 0, 'and not in the table')

    forwarder.mode = 'forward'
    const successor = await next()
    await assertAllStored(t, db, [successor], answered)
    await untilSpillIsEmpty(successor)
    await assertComplete(t, successor, answered)
    t.equal(await successor.stop(), 0)
  },
)

t.test(
  'kill -9 with a journal loses its last milliseconds, and the audit says how many at most',
  async (t) => {
    const { db, forwarder, gateway, next } = await startBehindForwarder(t, { accessLog: { journal: true } })
    const key = await gateway.mint({ tenant: 'acme', scopes: ['files:read'] })
    const { instance } = await gateway.overview()
    // Its heartbeat must have registered it: only then can the audit tell that it died.
    await untilTrue(
      'the instance is registered',
      async () => (await db.query('SELECT 1 FROM instances')).length === 1,
    )
    forwarder.mode = 'swallow'
    const running = load(t, gateway, key, 1000)
    await untilTrue('the load runs', () => running.answered >= 2000)
    await gateway.kill()
    running.stop()
    const result = await running.done
    const rows = await db.query<{ n: number }>('SELECT count(*)::int AS n FROM access_log')
    t.equal(rows[0]?.n, 0, 'nothing was stored before the kill')

    forwarder.mode = 'forward'
    const second = await next({ shallNotWait: true })
    const already = await waitForEntries(db, 1)
    await second.kill()
    t.comment(`the successor was killed too, when it had stored ${already} or more`)
    const successor = await next()
    // An answer may be on its way to us when its entry is in the journal already, and the other way round.
    const atMost = mostAnswersWithin(result, JOURNAL_WINDOW_MS) + CONNECTIONS
    const stored = await waitForEntries(db, result.answered - atMost)
    await untilSpillIsEmpty(successor, true)
    const [found] = await db.query<{ n: number }>('SELECT count(*)::int AS n FROM access_log')
    t.ok(stored <= result.sent && found !== undefined && found.n <= result.sent, 'nothing that was not asked')
    const lost = result.answered - (found?.n ?? 0)
    t.comment(`killed: ${result.answered} answered, ${lost} of them not stored; ${atMost} could be`)
    t.ok(lost <= atMost, `no more than ${JOURNAL_WINDOW_MS} ms of load are lost`, { lost, atMost })
    await assertLedger(t, db)

    // An instance is taken for dead a minute after it was seen last.
    await db.query(`UPDATE instances SET last_seen_at = last_seen_at - interval '2 minutes' WHERE id = $1`, [
      instance,
    ])
    const { isComplete, gaps } = await readAudit(successor)
    t.equal(isComplete, false)
    t.match(gaps, [{ kind: 'died', instance }], 'the audit names the instance that died')
    t.match(gaps[0]?.line, /at most \d+ entries: it died after .* only those of its last 10 ms/)
    t.equal(gaps.length, 1, 'and nothing else is wrong')
    const { code, stdout } = await successor.cli('audit', '--deep')
    t.equal(code, 1)
    t.match(stdout, new RegExp(`^gap: instance ${instance} on .*at most`, 'm'))
    t.match(stdout, /^INCOMPLETE, 1 gap: /m)
    t.equal(await successor.stop(), 0)
  },
)

t.test('a full spill and a full channel drop, count each drop by tenant, and requests go on', async (t) => {
  const { db, forwarder, gateway } = await startBehindForwarder(t, {
    // Batches of which some fit.
    accessLog: { ...SMALL_CHANNEL, maxBatchBytes: '128KiB', copyTimeoutMs: 1000, backoffMaxMs: 300 },
    spill: { maxBytes: '1MiB' },
    metrics: { tenantLabels: 10 },
  })
  const keys = [
    await gateway.mint({ tenant: 'acme', scopes: ['files:read'] }),
    await gateway.mint({ tenant: 'globex', scopes: ['files:read'] }),
  ]
  forwarder.mode = 'swallow'
  const total = 20_000
  // Each entry is large: 1 MiB takes some hundred of them.
  const request = (n: number): string => refused(keys[n % 2] ?? '', `?${'q'.repeat(1900)}`)
  const answers = await burst({ origin: gateway.proxyUrl, request, total: total / 2 })
  await untilTrue('the spill refuses', async () => {
    return (await gateway.metrics()).sum('waybill_spill_refused_total') > 0
  })
  const rest = await burst({ origin: gateway.proxyUrl, request, total: total / 2 })
  t.equal((answers.get(403) ?? 0) + (rest.get(403) ?? 0), total, 'requests go on')
  const { accessLog } = await gateway.overview()
  t.ok(accessLog.spilled > 0 && accessLog.spilled < 4096, 'the bound holds', accessLog)
  t.ok(lossOf(accessLog) > 0, 'entries are dropped', accessLog)
  t.equal(accessLog.accepted, total)
  await assertBalanced(t, gateway)
  const metrics = await gateway.metrics()
  t.ok(metrics.sum('waybill_spill_bytes') <= 1024 ** 2, 'no more bytes on disk than allowed')
  forwarder.mode = 'forward'
  const accounts = await untilAccounted(db, total)
  await untilSpillIsEmpty(gateway)
  const report = await readAudit(gateway, '--deep')
  for (const tenant of ['acme', 'globex']) {
    const account = accounts.get(tenant)
    const dropped = account?.dropped['channel_full'] ?? 0
    t.strictSame(account, { stored: total / 2 - dropped, quarantined: 0, dropped: { channel_full: dropped } })
    t.equal(metrics.sum('waybill_tenant_dropped_total', { tenant }), dropped, `${tenant}: as the metrics say`)
    t.match(
      report.gaps.find((gap) => gap.tenant === tenant),
      { kind: 'dropped', entries: dropped },
    )
  }
  t.equal(report.gaps.length, 2, 'the audit names these drops and nothing else')
  t.equal(report.total.accepted, total)
  await assertBalanced(t, gateway)
  await assertLedger(t, db)
  t.equal(await gateway.stop(), 0)
})

t.test('a tenant that floods loses its own entries, another none', async (t) => {
  const { db, forwarder, gateway } = await startBehindForwarder(t, {
    accessLog: { ...SMALL_CHANNEL, copyTimeoutMs: 1000, backoffMaxMs: 300 },
    spill: { maxBytes: 0 },
  })
  const flood = await gateway.mint({ tenant: 'flood', scopes: ['files:read'] })
  const calm = await gateway.mint({ tenant: 'calm', scopes: ['files:read'] })
  forwarder.mode = 'swallow'
  const times = 75
  const calmTotal = 400
  const total = calmTotal * (times + 1)
  // Refusals against successful reads: what is kept longest against what goes first.
  const read = `GET /files/ok HTTP/1.1\r\nHost: w\r\nX-Api-Key: ${calm}\r\n\r\n`
  const request = (n: number): string => (n % (times + 1) === 0 ? read : refused(flood))
  const answers = await burst({ origin: gateway.proxyUrl, request, total })
  t.strictSame(Object.fromEntries(answers), { 200: calmTotal, 403: calmTotal * times }, 'all are answered')
  const { accessLog } = await gateway.overview()
  t.ok(lossOf(accessLog) > 0, 'the channel is full', accessLog)
  await assertBalanced(t, gateway)
  forwarder.mode = 'forward'
  const accounts = await untilAccounted(db, total)
  t.strictSame(
    accounts.get('calm'),
    { stored: calmTotal, quarantined: 0, dropped: {} },
    'nothing of it is lost',
  )
  const dropped = lossOf(accounts.get('flood') ?? { dropped: {} })
  t.ok(dropped > total / 2, 'the other has lost what was too much', { dropped })
  t.equal(accounts.get('flood')?.stored, calmTotal * times - dropped)
  const report = await readAudit(gateway, '--tenant', 'calm')
  t.equal(report.isComplete, true, 'its audit is complete')
  t.equal((await readAudit(gateway, '--tenant', 'flood')).isComplete, false)
  await assertLedger(t, db)
  t.equal(await gateway.stop(), 0)
})
