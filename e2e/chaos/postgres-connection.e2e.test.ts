import t from 'tap'
import { waitForEntries } from '../harness/accounting.ts'
import { assertExact, assertServed, shortOrLong, untilPassed } from '../harness/chaos.ts'
import { burst } from '../harness/failure-wire.ts'
import { FAST, forwardedScene, loadOf, refusedRequest, SMALL_CHANNEL } from '../harness/scene.ts'
import { untilTrue } from '../harness/wait.ts'

const CUTS = shortOrLong(10, 200)
const TERMINATIONS = shortOrLong(10, 100)
const HOLE_MS = shortOrLong(4000, 60_000)
const BREAKS = shortOrLong(3, 20)
const SLOW_MS = shortOrLong(6000, 60_000)
const COPY_MS = 2000
/** Entries of a batch: 64 a second can be stored. */
const SLOW_BATCH = 128

t.test('an acknowledgement that is lost after the commit stores nothing twice', async (t) => {
  const scene = await forwardedScene(t, { config: { accessLog: FAST } })
  const { gateway, forwarder, key } = scene
  const load = loadOf(t, gateway, key, 500)
  for (let i = 0; i < CUTS; i++) await forwarder.cutNextAcknowledgement()
  load.stop()
  const result = await load.done
  assertServed(t, result)
  const found = async (): Promise<number> =>
    (await gateway.metrics()).sum('waybill_writer_already_stored_total')
  await untilTrue('each cut batch was found stored already', async () => (await found()) >= CUTS)
  t.equal(await found(), CUTS, 'each was sent again, and the ledger told that it was there')
  await assertExact(t, scene, { forwarded: result.answered })
})

t.test("the writer's backend terminated between COPY's end and its acknowledgement", async (t) => {
  const scene = await forwardedScene(t, { config: { accessLog: FAST } })
  const { db, forwarder, gateway, key } = scene
  const load = loadOf(t, gateway, key, 500)
  await waitForEntries(db, 100)
  // Longer than a COPY may take: the gateway gives up and comes again.
  await db.query('BEGIN; LOCK TABLE access_log; SELECT pg_sleep(2.5); COMMIT')
  // The end of each COPY waits in the forwarder: all rows are at the server, the client waits for the answer.
  forwarder.copyDelayMs = 100
  const terminated = new Set<number>()
  const isDone = async (): Promise<boolean> => {
    const rows = await db.query<{ pid: number }>(
      // First found, then terminated: within one WHERE the server may do it the other way round.
      `WITH writers AS MATERIALIZED (
         SELECT pid FROM pg_stat_activity
         WHERE application_name = 'waybill-writer' AND datname = current_database() AND state = 'active'
       ) SELECT pid FROM writers WHERE pg_terminate_backend(pid)`,
    )
    for (const { pid } of rows) terminated.add(pid)
    return terminated.size >= TERMINATIONS
  }
  const describe = (): unknown => terminated.size
  await untilTrue('backends were terminated at work', isDone, { timeoutMs: TERMINATIONS * 2000, describe })
  forwarder.copyDelayMs = 0
  load.stop()
  const result = await load.done
  assertServed(t, result)
  await assertExact(t, scene, { forwarded: result.answered })
})

t.test('two seconds for each COPY: what the channel cannot hold is spilled, requests go on', async (t) => {
  const scene = await forwardedScene(t, {
    config: { accessLog: { ...SMALL_CHANNEL, maxBatchEntries: SLOW_BATCH } },
  })
  const { db, forwarder, gateway, key } = scene
  const quick = loadOf(t, gateway, key, 200)
  await waitForEntries(db, 100)
  quick.stop()
  const first = await quick.done
  forwarder.copyDelayMs = COPY_MS
  const slowTick = performance.now()
  const load = loadOf(t, gateway, key, 200)
  // More than half of what the channel holds, at once.
  const total = 3000
  const burstOf = await burst({ origin: gateway.proxyUrl, request: () => refusedRequest(key), total })
  t.equal(burstOf.get(403), total, 'every request of the burst is answered')
  const isSpilling = async (): Promise<boolean> => (await gateway.overview()).accessLog.spilled > 0
  await untilTrue('entries are spilled', isSpilling, { timeoutMs: 20_000 })
  await untilPassed(SLOW_MS, slowTick)
  const { accessLog } = await gateway.overview()
  const bound = SMALL_CHANNEL.capacityEntries + SLOW_BATCH
  t.ok(accessLog.buffered <= bound, 'the channel stays within its bound', accessLog)
  load.stop()
  const slow = await load.done
  forwarder.copyDelayMs = 0
  const median = (durations: readonly number[]): number => durations[durations.length >> 1] ?? Number.NaN
  const [was, is] = [median(first.durationsMs), median(slow.durationsMs)]
  t.comment(`median request ${was.toFixed(2)} ms, with slow COPYs ${is.toFixed(2)} ms`)
  t.ok(is < COPY_MS / 4, 'no request waits for a COPY')
  for (const result of [first, slow]) assertServed(t, result)
  await assertExact(t, scene, { forwarded: first.answered + slow.answered, refused: total })
})

t.test('a database behind a black hole, and one that breaks off, lose and double nothing', async (t) => {
  const scene = await forwardedScene(t, { config: { accessLog: FAST } })
  const { db, forwarder, gateway, key } = scene
  const load = loadOf(t, gateway, key, 500)
  await waitForEntries(db, 100)
  forwarder.mode = 'swallow'
  const swallowedTick = performance.now()
  const before = forwarder.connections
  await untilTrue('the writer gives the silent connection up and dials anew', () => {
    return forwarder.connections > before + 1
  })
  const atSwallow = load.answered
  await untilTrue('requests go on', () => load.answered > atSwallow + 500)
  await untilPassed(HOLE_MS, swallowedTick)
  forwarder.mode = 'forward'
  const { stored } = (await gateway.overview()).accessLog
  await untilTrue('entries are stored again', async () => {
    return (await gateway.overview()).accessLog.stored > stored
  })
  for (let i = 0; i < BREAKS; i++) {
    await forwarder.close()
    const { accepted } = (await gateway.overview()).accessLog
    await forwarder.open()
    await waitForEntries(db, accepted)
  }
  load.stop()
  const result = await load.done
  assertServed(t, result)
  await assertExact(t, scene, { forwarded: result.answered })
})
