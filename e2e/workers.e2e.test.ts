import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { Agent } from 'node:http'
import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import t from 'tap'
import { parse } from 'yaml'
import { assertAllStored, assertBalanced, assertLedger, waitForEntries } from './harness/accounting.ts'
import { readAudit } from './harness/audit.ts'
import { open, request } from './harness/client.ts'
import { testDatabase } from './harness/database.ts'
import { writeConfig, type GatewayConfig } from './harness/gateway.ts'
import { startLoad } from './harness/load.ts'
import { isAlive } from './harness/process.ts'
import { startUpstream } from './harness/upstream.ts'
import { untilTrue } from './harness/wait.ts'
import { startCallers, startWorkers, untilEnded, untilServing, workersOf } from './harness/workers.ts'

t.test('two workers take an even share, and their figures are the sums', async (t) => {
  const [db, upstream] = [await testDatabase(t), await startUpstream(t)]
  const gateway = await startWorkers(t, { db, upstream, workers: 2 })
  const key = await gateway.mint({ tenant: 'acme', scopes: ['files:*'] })
  const load = startLoad({
    url: () => `${gateway.proxyUrl}/files/ok`,
    headers: { authorization: `Bearer ${key}` },
    concurrency: 64,
    total: 2000,
  })
  await untilTrue('the load runs', () => load.answered > 300)
  const during = await workersOf(gateway)
  const connections = during.map((worker) => worker.connections)
  t.ok(
    Math.min(...connections) >= 28 && Math.max(...connections) <= 36,
    'each has half of the connections, give or take the slack of 8 between them',
    { connections },
  )
  const result = await load.done
  t.strictSame([...result.byStatus], [[200, 2000]])
  t.strictSame([...result.failed], [])
  await assertAllStored(t, db, [gateway], 2000)
  const rows = await db.query<{ n: number; instance: string }>(
    'SELECT count(*)::int AS n, instance FROM access_log GROUP BY instance',
  )
  const workers = await workersOf(gateway)
  t.strictSame(
    new Set(rows.map(({ instance }) => instance)),
    new Set(workers.map(({ instance }) => instance)),
    'each writes under an instance of its own',
  )
  for (const { n } of rows) t.ok(n > 600 && n < 1400, 'and about half of the requests', { n })
  t.equal((await gateway.overview()).requests.total, 2000)
  const metrics = await gateway.metrics()
  t.equal(metrics.sum('waybill_proxy_requests_total', { route: 'files' }), 2000)
  t.equal(metrics.sum('waybill_proxy_request_duration_seconds_count', { route: 'files' }), 2000)
  t.equal(metrics.sum('waybill_writer_entries_stored_total'), 2000)
  t.equal(metrics.sum('waybill_workers', { state: 'ready' }), 2)
  t.equal(metrics.sum('waybill_channel_capacity_entries'), 65_536, 'the bound is that of the gateway')
  t.ok(metrics.sum('process_resident_memory_bytes') > 100e6, 'three processes')
  for (const worker of ['1', '2']) {
    t.ok(metrics.sum('waybill_workers_connections_taken_total', { worker }) >= 28)
  }
  t.ok(
    gateway.log.some((line) => line['worker'] === 1 && line['pid'] === workers[0]?.pid),
    'log lines tell which worker wrote them',
  )
  t.equal(await gateway.stop(), 0)
})

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
  await untilTrue('all callers run', () => callers.every(({ load }) => load.answered > 40))
  const before = await gateway.metrics()
  const [victim, survivor] = await workersOf(gateway)
  process.kill(victim?.pid ?? 0, 'SIGKILL')
  const answered = callers.map(({ load }) => load.answered)
  const after = await untilServing(gateway, 2)
  await untilTrue('all callers go on', () =>
    callers.every(({ load }, i) => load.answered > (answered[i] ?? 0) + 40),
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
  await untilTrue('the entries are on disk', async () => (await gateway.overview()).accessLog.spilled >= 40)
  const [victim] = await workersOf(gateway)
  const had = victim?.requests ?? 0
  process.kill(victim?.pid ?? 0, 'SIGKILL')
  await untilServing(gateway, 2)
  const where = `instance = '${victim?.instance}'`
  t.ok(had > 0, 'it had served', { had })
  t.equal(await waitForEntries(db, had, { where, timeoutMs: 30_000 }), had)
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
  await untilTrue('the load runs', () => fresh.answered > 100)
  const first = await workersOf(gateway)

  gateway.child.kill('SIGUSR2')
  await gateway.waitForLog('replaced', ({ msg }) => msg === 'all workers replaced', { timeoutMs: 30_000 })
  const second = await untilServing(gateway, 2, 30_000)
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
  await assertBalanced(t, gateway)
  t.equal(await gateway.stop(), 0)
  const rows = await db.query<{ n: number; instances: number }>(
    'SELECT count(*)::int AS n, count(DISTINCT instance)::int AS instances FROM access_log',
  )
  t.strictSame(rows, [{ n: total, instances: 6 }], 'every request has its entry')
  await assertLedger(t, db)
})

t.test('SIGTERM under load: what was answered is stored, by all workers', async (t) => {
  const [db, upstream] = [await testDatabase(t), await startUpstream(t)]
  const gateway = await startWorkers(t, { db, upstream, workers: 2 })
  const key = await gateway.mint({ tenant: 'acme', scopes: ['files:read'] })
  const callers = startCallers(t, { gateway, key, count: 8, perSecond: 100 })
  await untilTrue('all callers run', () => callers.every(({ load }) => load.answered > 50))
  const pids = (await workersOf(gateway)).map(({ pid }) => pid)
  t.equal(await gateway.stop(), 0)
  t.notOk(pids.some(isAlive), 'the workers have gone first')
  for (const { load } of callers) load.stop()
  const results = await Promise.all(callers.map(({ load }) => load.done))
  const answered = results.reduce((sum, result) => sum + result.answered, 0)
  const rows = await db.query<{ n: number }>('SELECT count(*)::int AS n FROM access_log')
  t.equal(rows[0]?.n, answered)
  await assertLedger(t, db)
})

t.test('a second SIGTERM stops all workers at once', async (t) => {
  const [db, upstream] = [await testDatabase(t), await startUpstream(t)]
  const gateway = await startWorkers(t, { db, upstream, workers: 2 })
  const key = await gateway.mint({ tenant: 'acme', scopes: ['files:read'] })
  const download = await open(`${gateway.proxyUrl}/files/endless`, { key })
  const cut = once(download, 'error')
  download.resume()
  const pids = (await workersOf(gateway)).map(({ pid }) => pid)
  gateway.child.kill('SIGTERM')
  await gateway.waitForLog('stopping', ({ msg }) => msg === 'stopping')
  gateway.child.kill('SIGTERM')
  t.equal(await gateway.exit(5000), 1)
  await cut
  await untilEnded(pids, 5000)
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

t.test('a rate and a limit of requests at once hold over all workers', async (t) => {
  const [db, upstream] = [await testDatabase(t), await startUpstream(t)]
  const gateway = await startWorkers(t, { db, upstream, workers: 2 })
  const [perSecond, burst] = [40, 20]
  await gateway.must('tenants', 'create', 'rated', '--rate', `${perSecond}:${burst}`)
  const key = await gateway.mint({ tenant: 'rated', scopes: ['files:read'] })
  const tick = performance.now()
  const load = startLoad({
    url: () => `${gateway.proxyUrl}/files/ok`,
    headers: { authorization: `Bearer ${key}` },
    concurrency: 8,
    perSecond: 400,
    total: 2400,
  })
  const { byStatus, failed } = await load.done
  const seconds = (performance.now() - tick) / 1000
  t.strictSame([...failed], [])
  const passed = byStatus.get(200) ?? 0
  // The delay of the news is 100 ms and what a busy machine adds: a second here.
  const most = burst + perSecond * seconds + (burst + perSecond * 1)
  const apart = 2 * (burst + perSecond * seconds)
  t.ok(passed <= most, 'at most what the README states', { passed, most })
  t.ok(most < apart, 'which is less than two limits apart would give', { most, apart })
  t.ok(passed >= perSecond * seconds * 0.7, 'and the rate is given', { passed, seconds })
  const metrics = await gateway.metrics()
  t.equal(metrics.sum('waybill_limits_refusals_total', { policy: 'tenant_rate' }), byStatus.get(429))

  await gateway.must('tenants', 'create', 'narrow', '--concurrency', '2')
  const narrow = await gateway.mint({ tenant: 'narrow', scopes: ['files:read'] })
  const statusOf = async (): Promise<number> =>
    (await request(`${gateway.proxyUrl}/files/ok`, { key: narrow })).status
  const held = [
    await open(`${gateway.proxyUrl}/files/endless`, { key: narrow }),
    await open(`${gateway.proxyUrl}/files/endless`, { key: narrow }),
  ]
  for (const download of held) download.on('error', () => {}).pause()
  // New connections go to either.
  let refused = 0
  await untilTrue('both workers refuse', async () => {
    refused = (await statusOf()) === 429 ? refused + 1 : 0
    return refused >= 12
  })
  for (const download of held) download.destroy()
  let admitted = 0
  await untilTrue('both workers admit again', async () => {
    admitted = (await statusOf()) === 200 ? admitted + 1 : 0
    return admitted >= 12
  })
  t.equal(await gateway.stop(), 0)
})

t.test('connections of workers keep their time limits, their peers and their worker', async (t) => {
  const [db, upstream] = [await testDatabase(t), await startUpstream(t)]
  const config = { proxy: { headersTimeoutMs: 500 } }
  const gateway = await startWorkers(t, { db, upstream, workers: 2, config })
  const key = await gateway.mint({ tenant: 'acme', scopes: ['files:read'] })
  const { hostname, port } = new URL(gateway.proxyUrl)
  const sluggish = connect(Number(port), hostname)
  sluggish.write('GET /files/ok HTTP/1.1\r\nHost: a\r\n')
  t.match(await text(sluggish), /^HTTP\/1\.1 408 /, 'a head that does not come in time is refused')
  const own = new Agent({ keepAlive: true, maxSockets: 1 })
  t.teardown(() => own.destroy())
  for (let i = 0; i < 5; i++) {
    t.equal((await request(`${gateway.proxyUrl}/files/ok`, { key, agent: own })).status, 200)
  }
  t.equal(await waitForEntries(db, 6, { where: `host(client_ip) = '127.0.0.1'` }), 6, 'its peer is known')
  const instances = await db.query<{ n: number }>(
    `SELECT count(DISTINCT instance)::int AS n FROM access_log WHERE status = 200`,
  )
  t.strictSame(instances, [{ n: 1 }], 'a connection that is kept alive stays with its worker')
  t.equal(await gateway.stop(), 0)
})
