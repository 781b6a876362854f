import t from 'tap'
import { waitForEntries } from '../harness/accounting.ts'
import { assertExact, assertServed, shortOrLong, untilPassed, untilSpillIsEmpty } from '../harness/chaos.ts'
import { lossOf } from '../harness/failure-accounts.ts'
import { burst } from '../harness/failure-wire.ts'
import { embeddedScene, FAST, loadOf, refusedRequest, SMALL_CHANNEL } from '../harness/scene.ts'
import { spillFiles } from '../harness/spill.ts'
import { untilTrue } from '../harness/wait.ts'

const FROZEN_MS = shortOrLong(6000, 60_000)
const BURST = 10_000
const WAVE = 1000
const ROUNDS = shortOrLong(1, 5)

t.test('Postgres stopped by SIGSTOP: a small channel spills, all is stored afterwards', async (t) => {
  const scene = await embeddedScene(t, { config: { accessLog: SMALL_CHANNEL } })
  const { db, gateway, key } = scene
  const load = loadOf(t, gateway, key, 500)
  await waitForEntries(db, 200)
  t.strictSame(await spillFiles(gateway), [], 'with Postgres at work no file is made')
  await db.freeze()
  const frozenTick = performance.now()
  await untilTrue('entries are spilled', async () => (await gateway.overview()).accessLog.spilled > 0)
  t.comment(`spilling ${Math.round(performance.now() - frozenTick)} ms after Postgres froze`)
  // More than twice what the channel holds, in waves that it can hold: each waits for the one before to be on disk.
  let refused = 0
  for (let sent = 0; sent < BURST; sent += WAVE) {
    const wave = await burst({ origin: gateway.proxyUrl, request: () => refusedRequest(key), total: WAVE })
    refused += wave.get(403) ?? 0
    await untilTrue('the channel has room', async () => {
      return (await gateway.overview()).accessLog.buffered < WAVE
    })
  }
  t.equal(refused, BURST, 'every request of the burst is answered')
  await untilPassed(FROZEN_MS, frozenTick)
  const { accessLog } = await gateway.overview()
  t.ok(accessLog.spilled > BURST, 'what the channel cannot hold is on disk', accessLog)
  t.equal(lossOf(accessLog), 0, 'nothing is dropped')
  const metrics = await gateway.metrics()
  t.ok(metrics.sum('waybill_spill_pending_entries') > BURST, 'the metrics tell how many entries are on disk')
  t.ok(metrics.sum('waybill_spill_bytes') > 0, 'and how many bytes')
  t.equal(metrics.sum('waybill_writer_database_away'), 1)
  t.not((await spillFiles(gateway)).length, 0, 'there are segments')
  db.thaw()
  const thawedTick = performance.now()
  await untilTrue('nothing is spilled any more', async () => {
    return (await gateway.overview()).accessLog.spilled === 0
  })
  t.comment(`replayed ${Math.round(performance.now() - thawedTick)} ms after Postgres went on`)
  await untilSpillIsEmpty(scene)
  load.stop()
  const result = await load.done
  assertServed(t, result)
  await assertExact(t, scene, { forwarded: result.answered, refused })
})

t.test('Postgres stopped, crashed and killed under load: it comes back, nothing is lost', async (t) => {
  const scene = await embeddedScene(t, { config: { accessLog: FAST } })
  const { db, gateway, key } = scene
  const load = loadOf(t, gateway, key, 500)
  const stored = async (): Promise<number> => (await gateway.overview()).accessLog.stored
  for (let round = 0; round < ROUNDS; round++) {
    // SIGINT: fast shutdown, as a restart by `pg_ctl` begins. SIGQUIT: as a crash. SIGKILL: leaves everything behind.
    for (const signal of ['SIGINT', 'SIGQUIT', 'SIGKILL'] as const) {
      const [pid, before] = [await db.pid(), await stored()]
      await untilTrue('entries are being stored', async () => (await stored()) > before)
      await db.signal(signal)
      // The pid file names another process only once Postgres runs again.
      const isBack = async (): Promise<boolean> => (await db.pid().catch(() => pid)) !== pid
      await untilTrue(`Postgres is back after ${signal}`, isBack, { timeoutMs: 20_000 })
      const atStart = await stored()
      const isStored = async (): Promise<boolean> => (await stored()) > atStart
      await untilTrue(`entries are stored after ${signal}`, isStored, { timeoutMs: 20_000 })
    }
  }
  load.stop()
  const result = await load.done
  assertServed(t, result)
  await assertExact(t, scene, { forwarded: result.answered })
})

t.test('backends killed with SIGKILL at work: Postgres recovers, nothing is lost', async (t) => {
  const scene = await embeddedScene(t, { config: { accessLog: FAST } })
  const { db, gateway, key } = scene
  const load = loadOf(t, gateway, key, 500)
  const kills = shortOrLong(3, 15)
  for (let i = 0; i < kills; i++) {
    const before = (await gateway.overview()).accessLog.stored
    await untilTrue('entries are being stored', async () => {
      return (await gateway.overview()).accessLog.stored > before
    })
    // Postgres then ends all other backends too, and recovers.
    const isKilled = async (): Promise<boolean> => {
      const [writer] = await db.query<{ pid: number }>(
        `SELECT pid FROM pg_stat_activity WHERE application_name = 'waybill-writer'`,
      )
      return writer !== undefined && process.kill(writer.pid, 'SIGKILL')
    }
    await untilTrue('the backend of the writer is killed', () => isKilled().catch(() => false))
  }
  load.stop()
  const result = await load.done
  assertServed(t, result)
  await assertExact(t, scene, { forwarded: result.answered })
})
