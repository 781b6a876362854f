import t from 'tap'
import { waitForEntries } from '../harness/accounting.ts'
import { assertServed, shortOrLong, untilSpillIsEmpty } from '../harness/chaos.ts'
import { assertLoss, assertToldAsDead, killUnderLoad, storedOf } from '../harness/chaos-kill.ts'
import type { TestGateway } from '../harness/gateway.ts'
import { forwardedScene, loadOf, type Scene } from '../harness/scene.ts'
import { untilTrue } from '../harness/wait.ts'

const KILLS = shortOrLong(2, 10)
const ANSWERS = shortOrLong(1000, 10_000)
const SHUTDOWN = { drainTimeoutMs: 1000, flushTimeoutMs: 1500, graceMs: 5000 }
/** What is stated with a journal. */
const JOURNAL_MS = 10
/** Held back so long, no replay ends before it can be broken off. */
const COPY_MS = 600

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
    // A busy machine delays this as it delays the requests of the same moments.
    const busyMs = killed.result.durationsMs[killed.result.durationsMs.length >> 1] ?? 0
    t.ok(killed.medianAgeMs <= JOURNAL_MS + busyMs, `entries are on disk within ${JOURNAL_MS} ms`, { busyMs })
    forwarder.mode = 'forward'
    const dead = [killed.instance]
    for (let i = 0; i < KILLS; i++) {
      const before = await storedOf(db, killed.instance)
      const replaying = await killInReplay(scene, next, forwarder, before)
      t.comment(`killed in its replay, after ${replaying.stored} entries`)
      dead.push(replaying.instance)
    }
    const gateway = await next()
    // First the entries: segments that are on their way from one folder to another are seen in neither.
    const atLeast = killed.result.answered - killed.atMost
    await waitForEntries(db, atLeast, { timeoutMs: 45_000 })
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
      timeoutMs: ANSWERS * 60,
    })
    for (const load of loads) load.stop()
    const results = await Promise.all(loads.map(({ done }) => done))
    for (const result of results) assertServed(t, result)
    for (const gateway of gateways) await untilTrue('all of it is on disk', () => isSpilled(gateway))
    await first.kill()
    t.equal(await second.stop(), 0, 'one stops in order')
    forwarder.mode = 'forward'
    // Both take over what they can get, at the same time; both are killed while they store it.
    forwarder.copyDelayMs = COPY_MS
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
  forwarder.copyDelayMs = COPY_MS
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
