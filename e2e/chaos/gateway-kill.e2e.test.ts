import t, { type Test } from 'tap'
import { assertLedger, waitForEntries } from '../harness/accounting.ts'
import { readAudit } from '../harness/audit.ts'
import { assertExact, assertServed, shortOrLong, untilSpillIsEmpty, untold } from '../harness/chaos.ts'
import type { TestDatabase } from '../harness/database.ts'
import type { TestGateway } from '../harness/gateway.ts'
import { mostAnswersWithin, type LoadResult } from '../harness/load.ts'
import { CONNECTIONS, directScene, forwardedScene, loadOf, type Scene } from '../harness/scene.ts'
import { until, untilTrue } from '../harness/wait.ts'

const KILLS = shortOrLong(2, 10)
const ANSWERS = shortOrLong(1500, 20_000)
const SHUTDOWN = { drainTimeoutMs: 1000, flushTimeoutMs: 1500, graceMs: 5000 }
/** The stated window without a journal is 2 s or 128 entries; the COPY under way and a busy machine may take their part. */
const WINDOW_MS = 3000
const JOURNAL_MS = 10
/** Of answers in flight on each connection, one may be counted by us alone and one by the gateway alone. */
const IN_FLIGHT = 2 * CONNECTIONS

/** What a kill may have cost. */
interface Killed {
  readonly instance: string
  readonly result: LoadResult
  /** Requests that reached the upstream through it. */
  readonly forwarded: number
  /** Entries in its memory when it last said so, and those answered since: the most that its end can have lost. */
  readonly atMost: number
  /** Median age of its oldest entry that was in memory only, as it told during the load, ms. */
  readonly medianAgeMs: number
  readonly worstAgeMs: number
}

/** Loads a gateway and kills it in the midst. */
async function killUnderLoad(t: Test, scene: Scene, gateway: TestGateway, answers: number): Promise<Killed> {
  const { db, upstream, key } = scene
  const { instance } = await gateway.overview()
  // Its heartbeat must have registered it: only then can the audit tell that it died.
  await untilTrue('the instance is registered', async () => {
    return (await db.query('SELECT 1 FROM instances WHERE id = $1', [instance])).length === 1
  })
  const before = upstream.requests
  const load = loadOf(t, gateway, key, 500)
  const ages: number[] = []
  await untilTrue('the load runs', async () => {
    const { sum } = await gateway.metrics()
    ages.push(sum('waybill_writer_oldest_unflushed_age_seconds') * 1000)
    return load.answered >= answers
  })
  const answered = load.answered
  const { buffered } = (await gateway.overview()).accessLog
  await gateway.kill()
  load.stop()
  const result = await load.done
  ages.sort((a, b) => a - b)
  return {
    instance,
    result,
    forwarded: upstream.requests - before,
    atMost: buffered + (result.answered - answered) + IN_FLIGHT,
    medianAgeMs: ages[ages.length >> 1] ?? Number.NaN,
    worstAgeMs: ages.at(-1) ?? Number.NaN,
  }
}

async function storedOf(db: TestDatabase, instance: string): Promise<number> {
  const sql = 'SELECT count(*)::int AS n FROM access_log WHERE instance = $1'
  return (await db.query<{ n: number }>(sql, [instance]))[0]?.n ?? 0
}

/** Asserts that a killed gateway lost no more than it had in memory, and what the window allows. Returns how many were lost. */
async function assertLoss(t: Test, db: TestDatabase, killed: Killed, windowMs: number): Promise<number> {
  const { instance, result, forwarded, atMost } = killed
  const stored = await storedOf(db, instance)
  const lost = Math.max(0, result.answered - stored)
  const inWindow = mostAnswersWithin(result, windowMs) + IN_FLIGHT
  t.comment(
    `killed: ${result.answered} answered, ${lost} of them not stored; in memory were ${atMost} at most`,
  )
  t.ok(stored <= forwarded, 'nothing is stored that was not asked', { stored, forwarded })
  t.ok(lost <= atMost, 'lost is what was in memory and no more', { lost, atMost })
  t.ok(lost <= inWindow, `no more than ${Math.round(windowMs)} ms of load`, { lost, inWindow })
  return lost
}

/** Asserts that the audit names the instances that died, with the most that each can have lost, and finds nothing else. */
async function assertToldAsDead(
  t: Test,
  scene: Scene,
  gateway: TestGateway,
  dead: readonly string[],
): Promise<void> {
  // An instance is taken for dead a minute after it was seen last.
  const sql = `UPDATE instances SET last_seen_at = last_seen_at - interval '2 minutes' WHERE id = ANY($1)`
  await scene.db.query(sql, [dead])
  const report = await readAudit(gateway, '--deep')
  const died = report.gaps.filter(({ kind }) => kind === 'died')
  t.strictSame(
    died.map(({ instance }) => instance).sort(),
    [...dead].sort(),
    'the audit names those that died',
  )
  t.ok(
    died.every(({ entriesAtMost }) => (entriesAtMost ?? 0) > 0),
    'and how many entries at most each lost',
  )
  t.strictSame(untold(report.gaps, ['died']), [], 'it finds nothing else')
  t.equal(report.isComplete, false)
  await assertLedger(t, scene.db)
}

t.test('SIGTERM under load, twice in a row, the second time with a database that is silent', async (t) => {
  const scene = await forwardedScene(t, { config: { shutdown: SHUTDOWN } })
  const { db, forwarder, key, next } = scene
  let forwarded = 0
  let gateway = scene.gateway
  for (const mode of ['forward', 'swallow'] as const) {
    const load = loadOf(t, gateway, key, 500)
    await untilTrue('the load runs', () => load.answered >= 250)
    forwarder.mode = mode
    await untilTrue('the load goes on', () => load.answered >= ANSWERS / 2)
    const stopping = gateway.stop()
    await gateway.waitForLog('stopping', ({ msg }) => msg === 'stopping')
    load.stop()
    t.equal(await stopping, 0, 'nothing is lost: the exit code says so')
    const { answered, byStatus } = await load.done
    forwarded += byStatus.get(200) ?? 0
    t.equal(answered - (byStatus.get(200) ?? 0), byStatus.get(503) ?? 0, 'others are told that it goes')
    await waitForEntries(db, mode === 'forward' ? forwarded : 0)
    forwarder.mode = 'forward'
    gateway = await next()
  }
  const refused = await db.query<{ n: number }>(
    `SELECT count(*)::int AS n FROM access_log WHERE outcome = 'draining'`,
  )
  await assertExact(t, { ...scene, gateway }, { forwarded, refused: refused[0]?.n ?? 0 })
})

t.test('kill -9 under load, again and again: what was in memory is lost, and no more', async (t) => {
  const scene = await directScene(t)
  const { db, next } = scene
  let gateway = scene.gateway
  const dead: string[] = []
  let lost = 0
  let answered = 0
  for (let i = 0; i < KILLS; i++) {
    const killed = await killUnderLoad(t, scene, gateway, ANSWERS)
    // The last COPY may still be on its way to its end.
    await untilNoWriter(db)
    gateway = await next()
    lost += await assertLoss(t, db, killed, WINDOW_MS)
    answered += killed.result.answered
    dead.push(killed.instance)
  }
  await assertToldAsDead(t, scene, gateway, dead)
  const { total } = await readAudit(gateway)
  t.equal(total.accepted, total.stored, 'what is in the books is stored')
  t.ok(total.stored >= answered - lost, 'answered = stored + lost', { ...total, answered, lost })
  t.equal(await gateway.stop(), 0)
})

t.test(
  'kill -9 with a journal, in the load and then in its replay: its last milliseconds are lost',
  async (t) => {
    const scene = await forwardedScene(t, { config: { accessLog: { journal: true, maxBatchEntries: 256 } } })
    const { db, forwarder, next } = scene
    forwarder.mode = 'swallow'
    const killed = await killUnderLoad(t, scene, scene.gateway, ANSWERS)
    t.equal(await storedOf(db, killed.instance), 0, 'nothing was stored before the kill')
    t.comment(
      `in memory only: ${killed.medianAgeMs.toFixed(1)} ms, at worst ${killed.worstAgeMs.toFixed(1)} ms`,
    )
    t.ok(killed.medianAgeMs <= JOURNAL_MS, `entries are on disk within ${JOURNAL_MS} ms`)
    forwarder.mode = 'forward'
    const dead = [killed.instance]
    for (let i = 0; i < KILLS; i++) {
      const before = await storedOf(db, killed.instance)
      const replaying = await killInReplay(scene, next, forwarder, before)
      t.comment(`killed in its replay, after ${replaying.stored} entries`)
      dead.push(replaying.instance)
    }
    const gateway = await next()
    await untilSpillIsEmpty({ gateway }, true)
    await assertLoss(t, db, killed, 2 * (JOURNAL_MS + killed.worstAgeMs))
    await assertToldAsDead(t, scene, gateway, dead)
    t.equal(await gateway.stop(), 0)
  },
)

t.test(
  'two gateways on one spill directory, killed and stopped: their heirs are killed too, the last stores all',
  async (t) => {
    const scene = await forwardedScene(t, {
      config: { accessLog: { maxBatchEntries: 128 }, shutdown: SHUTDOWN },
    })
    const { db, forwarder, upstream, key, next } = scene
    const gateways = [scene.gateway, await next()] as const
    const [first, second] = gateways
    const { instance } = await first.overview()
    forwarder.mode = 'swallow'
    const loads = gateways.map((gateway) => loadOf(t, gateway, key, 250))
    const isSpilled = async (gateway: TestGateway): Promise<boolean> => {
      const { spilled, buffered } = (await gateway.overview()).accessLog
      return spilled >= ANSWERS / 2 && buffered === 0
    }
    await untilTrue('both spill', () => loads.every(({ answered }) => answered >= ANSWERS / 2), {
      timeoutMs: 90_000,
    })
    for (const load of loads) load.stop()
    const results = await Promise.all(loads.map(({ done }) => done))
    for (const result of results) assertServed(t, result)
    for (const gateway of gateways) await untilTrue('all of it is on disk', () => isSpilled(gateway))
    await first.kill()
    t.equal(await second.stop(), 0, 'one stops in order')
    forwarder.mode = 'forward'
    // Both take over what they can get, at the same time; both are killed while they store it.
    forwarder.copyDelayMs = 200
    const heirs = await Promise.all([next({ shallNotWait: true }), next({ shallNotWait: true })])
    const stored = await waitForEntries(db, 1)
    await Promise.all(heirs.map((heir) => heir.kill()))
    forwarder.copyDelayMs = 0
    const total = results.reduce((sum, { answered }) => sum + answered, 0)
    t.ok(stored < total, 'they are killed in the midst of it', { stored, total })
    const gateway = await next()
    t.equal(upstream.requests, total)
    await waitForEntries(db, total, { timeoutMs: 45_000 })
    await untilSpillIsEmpty({ gateway })
    const [rows] = await db.query<{ n: number }>('SELECT count(*)::int AS n FROM access_log')
    t.equal(rows?.n, total, 'each entry is stored once')
    // The heirs may have been killed before they were registered. Who stopped in order has a last batch, on disk until now.
    const died = await db.query<{ id: string }>(
      `SELECT id FROM instances WHERE ended_at IS NULL AND id <> $1
     AND NOT EXISTS (SELECT 1 FROM access_ledger WHERE instance = id AND is_final)`,
      [(await gateway.overview()).instance],
    )
    t.ok(
      died.some(({ id }) => id === instance),
      'the one that was killed is among the dead',
    )
    await assertToldAsDead(
      t,
      scene,
      gateway,
      died.map(({ id }) => id),
    )
    t.equal(await gateway.stop(), 0)
  },
)

/** Starts a gateway and kills it when it has stored some, and not all, of what a dead one had left. */
async function killInReplay(
  { db }: Scene,
  next: Scene['next'],
  forwarder: { copyDelayMs: number },
  before: number,
): Promise<{ instance: string; stored: number }> {
  forwarder.copyDelayMs = 200
  const gateway = await next()
  const { instance } = await gateway.overview()
  await untilTrue('the instance is registered', async () => {
    return (await db.query('SELECT 1 FROM instances WHERE id = $1', [instance])).length === 1
  })
  const stored = await waitForEntries(db, before + 1)
  await gateway.kill()
  forwarder.copyDelayMs = 0
  return { instance, stored }
}

/** Waits until no backend of a writer is left. */
async function untilNoWriter(db: TestDatabase): Promise<void> {
  const sql = `SELECT 1 FROM pg_stat_activity WHERE application_name = 'waybill-writer' AND datname = current_database()`
  await until('the backend of the writer has gone', async () => {
    return (await db.query(sql)).length === 0 ? true : undefined
  })
}
