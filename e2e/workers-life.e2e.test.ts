import { readFile } from 'node:fs/promises'
import { text } from 'node:stream/consumers'
import t from 'tap'
import { parse } from 'yaml'
import { assertAllStored, assertBalanced, assertLedger, waitForEntries } from './harness/accounting.ts'
import { readAudit } from './harness/audit.ts'
import { open, request } from './harness/client.ts'
import { testDatabase } from './harness/database.ts'
import { writeConfig, type GatewayConfig } from './harness/gateway.ts'
import { startLoad } from './harness/load.ts'
import { startUpstream } from './harness/upstream.ts'
import { untilTrue } from './harness/wait.ts'
import { startCallers, startWorkers, untilEnded, untilServing, workersOf } from './harness/workers.ts'

/** A machine that is busy with other tests starts and serves slowly. */
const PATIENT = { timeoutMs: 30_000 }

t.test('a worker that is killed under load takes only its own connections with it', async (t) => {
  const [db, upstream] = [await testDatabase(t), await startUpstream(t)]
  const gateway = await startWorkers(t, {
    db,
    upstream,
    workers: 2,
    config: { accessLog: { flushIntervalMs: 200 } },
  })
  const key = await gateway.mint({ tenant: 'acme', scopes: ['files:read'] })
  const callers = startCallers(t, { gateway, key, count: 16, perSecond: 30 })
  await untilTrue('all callers run', () => callers.every(({ load }) => load.answered > 15), PATIENT)
  const before = await gateway.metrics()
  const [victim, survivor] = await workersOf(gateway)
  process.kill(victim?.pid ?? 0, 'SIGKILL')
  const answered = callers.map(({ load }) => load.answered)
  const after = await untilServing(gateway, 2)
  await untilTrue(
    'all callers go on',
    () => callers.every(({ load }, i) => load.answered > (answered[i] ?? 0) + 15),
    PATIENT,
  )
  for (const { load } of callers) load.stop()
  const results = await Promise.all(callers.map(({ load }) => load.done))

  t.ok(
    after.some(({ pid }) => pid === survivor?.pid),
    'the other one goes on',
  )
  t.notOk(
    after.some(({ pid }) => pid === victim?.pid),
    'and the dead one has a successor',
  )
  const total = results.reduce((sum, result) => sum + result.answered, 0)
  const onSurvivor = await db.query<{ name: string }>(
    `SELECT DISTINCT user_agent AS name FROM access_log WHERE instance = $1 AND seq < 200`,
    [survivor?.instance],
  )
  const hadSurvivor = new Set(onSurvivor.map(({ name }) => name))
  t.ok(hadSurvivor.size >= 4, 'a quarter of the callers at least were on the survivor', {
    hadSurvivor: [...hadSurvivor],
  })
  for (const [i, { failed }] of results.entries()) {
    const failures = [...failed.values()].reduce((sum, n) => sum + n, 0)
    t.ok(failures <= 1, `caller-${i} lost at most the request under way`, { failed: [...failed] })
  }
  const byCaller = await db.query<{ name: string; instances: number }>(
    `SELECT user_agent AS name, count(DISTINCT instance)::int AS instances FROM access_log GROUP BY 1`,
  )
  for (const { name, instances } of byCaller) {
    const result = results[Number(name.split('-')[1])]
    // Who was on one instance all the time was on the survivor.
    if (instances === 1) t.strictSame([...(result?.failed ?? [])], [], `${name} noticed nothing`)
  }
  t.ok(byCaller.filter(({ instances }) => instances === 1).length >= 4)

  const metrics = await gateway.metrics()
  t.equal(metrics.sum('waybill_workers_restarts_total'), 1)
  for (const name of ['waybill_proxy_requests_total', 'waybill_writer_entries_stored_total']) {
    t.ok(metrics.sum(name) >= before.sum(name), `${name} does not go back`)
  }
  t.equal(await gateway.stop(), 0)
  await db.query(`UPDATE instances SET last_seen_at = now() - interval '5 minutes' WHERE ended_at IS NULL`)
  const reader = await startWorkers(t, { db, upstream, workers: 2 })
  const audit = await readAudit(reader)
  const rows = await db.query<{ n: number }>('SELECT count(*)::int AS n FROM access_log')
  const lost = total - (rows[0]?.n ?? 0)
  t.strictSame(
    audit.gaps.map(({ kind, instance }) => [kind, instance]),
    [['died', victim?.instance]],
    'the audit names the instance that died, and no other gap',
  )
  const most = audit.gaps[0]?.entriesAtMost ?? 0
  t.ok(lost >= 0 && lost <= most, 'and bounds what is lost', { lost, most })
  t.comment(`killed under load: ${total} answered, ${lost} entries lost, at most ${most} by the audit`)
  await assertLedger(t, db)
})

t.test('what a killed worker had on disk is stored by the others', async (t) => {
  const [db, upstream] = [await testDatabase(t), await startUpstream(t)]
  const gateway = await startWorkers(t, {
    db,
    upstream,
    workers: 2,
    // Nothing is copied before the kill: only the journal has the entries.
    config: { accessLog: { journal: true, flushEntries: 4096, flushIntervalMs: 10_000 } },
  })
  const key = await gateway.mint({ tenant: 'acme', scopes: ['files:read'] })
  const answers = Array.from({ length: 40 }, () => request(`${gateway.proxyUrl}/files/ok`, { key }))
  for (const { status } of await Promise.all(answers)) t.equal(status, 200)
  await untilTrue(
    'the entries are on disk',
    async () => (await gateway.overview()).accessLog.spilled >= 40,
    PATIENT,
  )
  const [victim] = await workersOf(gateway)
  const had = victim?.requests ?? 0
  process.kill(victim?.pid ?? 0, 'SIGKILL')
  await untilServing(gateway, 2)
  const where = `instance = '${victim?.instance}'`
  t.ok(had > 0, 'it had served', { had })
  t.equal(await waitForEntries(db, had, { where, timeoutMs: 60_000 }), had)
  t.equal(await gateway.stop(), 0)
  const rows = await db.query<{ n: number }>('SELECT count(*)::int AS n FROM access_log')
  t.equal(rows[0]?.n, 40)
  await assertLedger(t, db)
})

t.test('with all workers dead, connections wait instead of being refused', async (t) => {
  const [db, upstream] = [await testDatabase(t), await startUpstream(t)]
  const gateway = await startWorkers(t, { db, upstream, workers: 2 })
  const key = await gateway.mint({ tenant: 'acme', scopes: ['files:read'] })
  const workers = await workersOf(gateway)
  for (const { pid } of workers) process.kill(pid, 'SIGKILL')
  await untilEnded(workers.map(({ pid }) => pid))
  const answers = Array.from({ length: 20 }, () => request(`${gateway.proxyUrl}/files/ok`, { key }))
  const statuses = (await Promise.all(answers)).map(({ status }) => status)
  // A successor that is asked before its first snapshot says so.
  t.ok(
    statuses.every((status) => status === 200 || status === 503),
    'all are answered',
    { statuses },
  )
  await untilServing(gateway, 2)
  t.equal((await request(`${gateway.proxyUrl}/files/ok`, { key })).status, 200)
  t.equal(await gateway.stop(), 0)
})

t.test('all workers are replaced under load, and no request fails', async (t) => {
  const [db, upstream] = [await testDatabase(t), await startUpstream(t)]
  const accessLog = { flushEntries: 64 }
  const gateway = await startWorkers(t, { db, upstream, workers: 2, config: { accessLog } })
  const key = await gateway.mint({ tenant: 'acme', scopes: ['files:read'] })
  const fresh = startLoad({
    url: () => `${gateway.proxyUrl}/files/ok`,
    headers: { authorization: `Bearer ${key}` },
    concurrency: 8,
    perSecond: 300,
    isFresh: true,
  })
  t.teardown(() => fresh.stop())
  const callers = startCallers(t, { gateway, key, count: 4, perSecond: 50 })
  const slow = open(`${gateway.proxyUrl}/files/slow?ms=3000`, { key })
  await untilTrue('the load runs', () => fresh.answered > 100, PATIENT)
  // Each has entries, or the rows would tell of fewer lives.
  const haveAnswered = (): Promise<void> =>
    untilTrue(
      'each worker has answered',
      async () => (await workersOf(gateway)).every(({ requests }) => (requests ?? 0) > 0),
      PATIENT,
    )
  await haveAnswered()
  const first = await workersOf(gateway)

  gateway.child.kill('SIGUSR2')
  await gateway.waitForLog('replaced', ({ msg }) => msg === 'all workers replaced', { timeoutMs: 30_000 })
  const second = await untilServing(gateway, 2, 30_000)
  await haveAnswered()
  t.strictSame(
    second.filter(({ pid }) => first.some((old) => old.pid === pid)),
    [],
    'all are new',
  )
  t.equal(await text(await slow), 'slow\n', 'a request under way was finished')
  await untilEnded(first.map(({ pid }) => pid))

  const from = gateway.log.length
  const config = parse(await readFile(gateway.configFile, 'utf8')) as GatewayConfig
  await writeConfig(gateway.configFile, { ...config, accessLog: { flushEntries: 32 } })
  gateway.child.kill('SIGHUP')
  await gateway.waitForLog('replaced', ({ msg }) => msg === 'all workers replaced', {
    from,
    timeoutMs: 30_000,
  })
  t.notOk(
    gateway.log.slice(from).some(({ msg }) => /need a restart/.test(String(msg))),
    'a changed option of the workers needs no restart',
  )
  const third = await untilServing(gateway, 2, 30_000)
  await haveAnswered()
  t.notOk(third.some(({ pid }) => second.some((old) => old.pid === pid)))

  fresh.stop()
  for (const { load } of callers) load.stop()
  const results = [await fresh.done, ...(await Promise.all(callers.map(({ load }) => load.done)))]
  for (const { failed, byStatus } of results) {
    t.strictSame([...failed], [], 'nothing was refused or broken off')
    t.strictSame([...byStatus.keys()], [200])
  }
  const total = 1 + results.reduce((sum, { answered }) => sum + answered, 0)
  t.equal((await gateway.overview()).requests.total, total, 'the sums keep what those that went had counted')
  const scraped = (await gateway.metrics()).sum('waybill_proxy_requests_total')
  t.equal(scraped, total, 'and so do the metrics')
  await assertBalanced(t, gateway)
  t.equal(await gateway.stop(), 0)
  const rows = await db.query<{ n: number; instances: number }>(
    'SELECT count(*)::int AS n, count(DISTINCT instance)::int AS instances FROM access_log',
  )
  t.strictSame(rows, [{ n: total, instances: 6 }], 'every request has its entry')
  await assertLedger(t, db)
})

t.test('workers whose primary is killed finish what they have, store it, and end', async (t) => {
  const [db, upstream] = [await testDatabase(t), await startUpstream(t)]
  const gateway = await startWorkers(t, { db, upstream, workers: 2 })
  const key = await gateway.mint({ tenant: 'acme', scopes: ['files:read'] })
  const slow = open(`${gateway.proxyUrl}/files/slow?ms=1000`, { key })
  for (let i = 0; i < 50; i++) await request(`${gateway.proxyUrl}/files/ok`, { key })
  const pids = (await workersOf(gateway)).map(({ pid }) => pid)
  gateway.child.kill('SIGKILL')
  t.equal(await text(await slow), 'slow\n', 'the request under way is answered')
  await untilEnded(pids)
  await assertAllStored(t, db, [], 51)
  const unended = await db.query('SELECT id FROM instances WHERE ended_at IS NULL')
  t.strictSame(unended, [], 'their ends are written')
})
