import t from 'tap'
import { waitForEntries } from '../harness/accounting.ts'
import { readAudit } from '../harness/audit.ts'
import { assertExact, shortOrLong } from '../harness/chaos.ts'
import { assertLoss, assertToldAsDead, killUnderLoad } from '../harness/chaos-kill.ts'
import type { TestDatabase } from '../harness/database.ts'
import { directScene, forwardedScene, loadOf } from '../harness/scene.ts'
import { until, untilTrue } from '../harness/wait.ts'

const KILLS = shortOrLong(2, 10)
const ANSWERS = shortOrLong(1000, 10_000)
const SHUTDOWN = { drainTimeoutMs: 1000, flushTimeoutMs: 1500, graceMs: 5000 }
/** The stated window without a journal is 2 s or 128 entries; the COPY under way and a busy machine may take their part. */
const WINDOW_MS = 3000

t.test('SIGTERM under load, twice in a row, the second time with a database that is silent', async (t) => {
  const scene = await forwardedScene(t, { config: { shutdown: SHUTDOWN } })
  const { db, forwarder, key, next } = scene
  let forwarded = 0
  let refused = 0
  let gateway = scene.gateway
  for (const mode of ['forward', 'swallow'] as const) {
    const load = loadOf(t, gateway, key, 500)
    await untilTrue('the load runs', () => load.answered >= 250)
    forwarder.mode = mode
    await untilTrue('the load goes on', () => load.answered >= ANSWERS / 2, { timeoutMs: ANSWERS * 60 })
    const stopping = gateway.stop()
    await gateway.waitForLog('stopping', ({ msg }) => msg === 'stopping')
    load.stop()
    t.equal(await stopping, 0, 'nothing is lost: the exit code says so')
    const { answered, byStatus } = await load.done
    forwarded += byStatus.get(200) ?? 0
    refused += byStatus.get(503) ?? 0
    t.equal(answered, (byStatus.get(200) ?? 0) + (byStatus.get(503) ?? 0), 'others are told that it goes')
    await waitForEntries(db, mode === 'forward' ? forwarded : 0)
    forwarder.mode = 'forward'
    gateway = await next()
  }
  await assertExact(t, { ...scene, gateway }, { forwarded, refused })
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

/** Waits until no backend of a writer is left. */
async function untilNoWriter(db: TestDatabase): Promise<void> {
  const sql = `SELECT 1 FROM pg_stat_activity WHERE application_name = 'waybill-writer' AND datname = current_database()`
  await until('the backend of the writer has gone', async () => {
    return (await db.query(sql)).length === 0 ? true : undefined
  })
}
