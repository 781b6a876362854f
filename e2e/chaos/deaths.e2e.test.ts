import { existsSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { readAudit, type AuditGap } from '../harness/audit.ts'
import { shortOrLong, untilPassed } from '../harness/chaos.ts'
import { killUnderLoad, storedOf, type Killed } from '../harness/chaos-kill.ts'
import { open, request } from '../harness/client.ts'
import { testDatabase, type TestDatabase } from '../harness/database.ts'
import { startGateway, type TestGateway } from '../harness/gateway.ts'
import { directScene, forwardedScene, loadOf } from '../harness/scene.ts'
import { startUpstream } from '../harness/upstream.ts'
import { untilTrue } from '../harness/wait.ts'
import { startCallers, startWorkers, untilServing, workersOf } from '../harness/workers.ts'

const KILLS = shortOrLong(4, 20)
/** What is promised at least; and twice what a load of these tests has in memory, twice over. */
const SMALL = 2048

async function deathOf(db: TestDatabase, id: string): Promise<string | null> {
  const rows = await db.query<{ sign: string | null }>(
    'SELECT died_of AS sign FROM instances WHERE id = $1',
    [id],
  )
  return rows[0]?.sign ?? null
}

/** The one gap of an audit that is made now, which must be the death of this instance. */
async function toldDeath(t: Test, gateway: TestGateway, instance: string): Promise<AuditGap | undefined> {
  const { gaps, isComplete, instances } = await readAudit(gateway)
  t.equal(isComplete, false, 'it is not called complete')
  const gap = gaps.find((each) => each.instance === instance)
  t.equal(gap?.kind, 'died', 'the audit names the instance', { gaps })
  t.equal(instances.find((one) => one.instance.id === instance)?.state, 'died')
  return gap
}

function assertBound(t: Test, killed: Killed, stored: number, gap: AuditGap | undefined): void {
  const lost = Math.max(0, killed.result.answered - stored)
  const most = gap?.entriesAtMost ?? -1
  t.ok(lost <= most && most <= SMALL, 'what is missing is bounded, and by little', { lost, most })
  t.comment(`${lost} missing, at most ${most} by the audit`)
}

t.test('D11: kill -9 of a gateway under load: the audit names it at once, with a bound', async (t) => {
  const scene = await directScene(t)
  let gateway = scene.gateway
  for (let i = 0; i < KILLS; i++) {
    const killed = await killUnderLoad(t, scene, gateway, 300 + 97 * i)
    const atOnce = await toldDeath(t, gateway, killed.instance)
    t.match(atOnce?.line, 'there is no such process any more')
    t.equal(await deathOf(scene.db, killed.instance), null, 'nobody has written it yet')
    assertBound(t, killed, await storedOf(scene.db, killed.instance), atOnce)
    gateway = await scene.next()
    await untilTrue('the next start writes it', async () => {
      return (await deathOf(scene.db, killed.instance)) !== null
    })
    assertBound(
      t,
      killed,
      await storedOf(scene.db, killed.instance),
      await toldDeath(t, gateway, killed.instance),
    )
  }
})

t.test('D11: after kill -9 in a container, the next start on the state folder writes it', async (t) => {
  const scene = await directScene(t)
  // Long enough for its folder to remember it.
  const killed = await killUnderLoad(t, scene, scene.gateway, 2000)
  // As the next container sees it: a process id of another namespace.
  await scene.db.query(
    `UPDATE instances SET machine = split_part(machine, ' ', 1) || ' pid:[1]' WHERE id = $1`,
    [killed.instance],
  )
  const next = await scene.next()
  await untilTrue(
    'it is written, once it has been silent for a while',
    async () => (await deathOf(scene.db, killed.instance)) === 'heir',
    { timeoutMs: 60_000 },
  )
  const stored = await storedOf(scene.db, killed.instance)
  assertBound(t, killed, stored, await toldDeath(t, next, killed.instance))
})

t.test('D11: kill -9 of a worker: its primary writes it at once', async (t) => {
  const [db, upstream] = [await testDatabase(t), await startUpstream(t)]
  const gateway = await startWorkers(t, { db, upstream, workers: 2 })
  const key = await gateway.mint({ tenant: 'acme', scopes: ['files:read'] })
  const callers = startCallers(t, { gateway, key, count: 16, perSecond: 30 })
  await untilTrue('all callers run', () => callers.every(({ load }) => load.answered > 15), {
    timeoutMs: 30_000,
  })
  const dead: string[] = []
  for (let i = 0; i < KILLS; i++) {
    const [victim] = await untilServing(gateway, 2)
    dead.push(victim?.instance ?? '')
    process.kill(victim?.pid ?? 0, 'SIGKILL')
    await untilTrue('it is written', async () => (await deathOf(db, dead[i] ?? '')) === 'exited')
  }
  for (const { load } of callers) load.stop()
  const results = await Promise.all(callers.map(({ load }) => load.done))
  await gateway.stop()
  const answered = results.reduce((sum, result) => sum + result.answered, 0)
  const [row] = await db.query<{ n: number }>(`SELECT count(*)::int AS n FROM access_log`)
  const { gaps } = await readAudit(gateway)
  t.same(gaps.map(({ instance }) => instance).sort(), [...dead].sort(), 'all of them, and nobody else')
  const most = gaps.reduce((sum, gap) => sum + (gap.entriesAtMost ?? 0), 0)
  const lost = Math.max(0, answered - (row?.n ?? 0))
  t.ok(lost <= most && most <= KILLS * SMALL, 'what is missing is bounded', { lost, most })
  t.match(gaps[0]?.line, 'its primary saw its end')
})

t.test('D11: a worker that dies while the database is silent is told of when it is back', async (t) => {
  const { db, forwarder, gateway, key } = await forwardedScene(t, { config: { workers: 2 } })
  await untilServing(gateway, 2)
  const load = loadOf(t, gateway, key, 100)
  await untilTrue('the load runs', () => load.answered > 100, { timeoutMs: 30_000 })
  forwarder.mode = 'swallow'
  const [victim] = await workersOf(gateway)
  process.kill(victim?.pid ?? 0, 'SIGKILL')
  await gateway.waitForLog('worker died', ({ msg }) => msg === 'worker died')
  t.equal(await deathOf(db, victim?.instance ?? ''), null)
  forwarder.mode = 'forward'
  await untilTrue('it is written', async () => (await deathOf(db, victim?.instance ?? '')) === 'exited', {
    timeoutMs: 60_000,
  })
  load.stop()
  await load.done
})

t.test('D11: what is in memory when the database falls silent is in the bound as well', async (t) => {
  // It waits for the database, and does not spill: as in the moment before it would.
  const accessLog = { spillAfterMs: 60_000, copyTimeoutMs: 60_000 }
  const scene = await forwardedScene(t, { config: { accessLog } })
  const { db, forwarder, gateway } = scene
  const { instance } = await gateway.overview()
  const load = loadOf(t, gateway, scene.key, 1000)
  await untilTrue('the load runs', () => load.answered > 300, { timeoutMs: 30_000 })
  forwarder.mode = 'swallow'
  await untilTrue(
    'more is in memory than the database has heard of',
    async () => (await gateway.overview()).accessLog.buffered > 2500,
    { timeoutMs: 60_000 },
  )
  const word = join(gateway.cwd, '.waybill', 'spill', instance, 'unheard')
  t.ok(existsSync(word), 'a file tells others so')
  await gateway.kill()
  load.stop()
  const { answered } = await load.done
  forwarder.mode = 'forward'
  const bounded = async (by: TestGateway): Promise<void> => {
    const gap = await toldDeath(t, by, instance)
    const lost = answered - (await storedOf(db, instance))
    t.ok(lost > 2000, 'much is lost', { lost })
    t.ok(lost <= (gap?.entriesAtMost ?? 0), 'and bounded', { lost, gap })
  }
  await bounded(gateway)
  const heir = await scene.next()
  await untilTrue('the next start writes it', async () => (await deathOf(db, instance)) !== null)
  await bounded(heir)
})

t.test(
  'D11: one that was said to be dead, and was only frozen, is taken back with all it stores',
  async (t) => {
    const { db, gateway, key } = await directScene(t)
    const { instance } = await gateway.overview()
    const load = loadOf(t, gateway, key, 100)
    await untilTrue('the load runs', () => load.answered > 50, { timeoutMs: 30_000 })
    await untilTrue('it is registered', async () => {
      return (await db.query('SELECT 1 FROM instances WHERE accepted_seq IS NOT NULL')).length === 1
    })
    process.kill(gateway.pid, 'SIGSTOP')
    t.teardown(() => void gateway.child.kill('SIGCONT'))
    await untilPassed(1000, performance.now())
    t.equal((await readAudit(gateway)).gapCount, 0, 'its process is there: nobody says that it died')
    // As an heir on another machine would, after half a minute.
    await db.query(`UPDATE instances SET died_of = 'heir', died_at = now() - interval '10 seconds',
    last_seen_at = last_seen_at - interval '2 minutes'`)
    await toldDeath(t, gateway, instance)
    process.kill(gateway.pid, 'SIGCONT')
    await untilTrue('its sign of life takes it back', async () => (await deathOf(db, instance)) === null)
    load.stop()
    const { answered } = await load.done
    t.equal(await gateway.stop(), 0)
    const { total, gapCount } = await readAudit(gateway)
    t.match([total.accepted, total.stored, gapCount], [answered, answered, 0])
  },
)

t.test('D6: downloads that kill -9 cuts short are named by the audit, one by one', async (t) => {
  const db = await testDatabase(t)
  // All but the last byte.
  const upstream = await startUpstream(t, {
    '/big': (_req, res) => void res.writeHead(200, { 'content-length': '1000' }).write('x'.repeat(999)),
  })
  const routes = [{ name: 'files', kind: 'generic', path: '/files/', upstream: upstream.url }]
  const gateway = await startGateway(t, {
    databaseUrl: db.url,
    config: { routes, accessLog: { journal: true } },
  })
  const { instance } = await gateway.overview()
  const key = await gateway.mint({ tenant: 'acme', scopes: ['files:read'] })
  const COUNT = 40
  const downloads = Array.from({ length: COUNT }, (_, i) =>
    open(`${gateway.proxyUrl}/files/big?n=${i}&token=secret`, { key }),
  )
  const running = await Promise.all(downloads)
  t.equal((await request(`${gateway.proxyUrl}/files/ok`, { key })).status, 200, 'and one that ends')
  await untilTrue(
    'its signs of life name them',
    async () => {
      const [row] = await db.query<{ n: number | null }>(
        'SELECT under_way_count::int AS n FROM instances WHERE id = $1',
        [instance],
      )
      return row?.n === COUNT
    },
    { timeoutMs: 30_000 },
  )
  await gateway.kill()
  for (const one of running) one.destroy()
  const { gaps } = await readAudit(gateway)
  const died = gaps.find(({ kind }) => kind === 'died')
  t.ok((died?.requestsAtMost ?? 0) >= COUNT && (died?.requestsAtMost ?? 0) <= 4 * COUNT, 'bounded', { died })
  t.match(died?.line, `, ${COUNT} when it was last seen`)
  const cut = gaps.filter(({ kind }) => kind === 'cut_short')
  t.equal(cut.length, COUNT)
  t.equal(new Set(cut.map(({ line }) => line)).size, COUNT, 'each by its own path')
  t.ok(cut.every(({ tenant, entries }) => tenant === 'acme' && entries === 1))
  t.match(cut[0]?.line, /tenant acme, .*GET \/files\/big\?n=\d+.* on route files, under way since /)
  t.notMatch(JSON.stringify(gaps), 'secret', 'as their entries would have stored it')
  const { stdout } = await gateway.cli('audit')
  t.match(stdout, /^gap: tenant acme, .*was cut short/m)
})
