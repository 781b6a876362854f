import t from 'tap'
import { waitForEntries } from '../harness/accounting.ts'
import { readAudit } from '../harness/audit.ts'
import { FAST, loadOf, twoServerScene } from '../harness/scene.ts'
import { untilTrue } from '../harness/wait.ts'

t.test(
  'D5: a promoted standby without the last commits: the audit names the batches it does not have',
  async (t) => {
    const scene = await twoServerScene(t, { config: { accessLog: FAST } })
    const { db, gateway, key, upstream } = scene
    const count = async (): Promise<number> =>
      (await db.query<{ n: number }>('SELECT count(*)::int AS n FROM access_log'))[0]?.n ?? 0
    const load = loadOf(t, gateway, key, 200)
    await waitForEntries(db, 50)
    await db.untilReplayed()
    await db.cut()
    const kept = await count()
    await waitForEntries(db, kept + 100)
    const before = await count()
    await db.failOver()
    const after = await count()
    t.ok(after < before, 'commits are lost', { before, after })
    await waitForEntries(db, after + 100)
    load.stop()
    const { answered } = await load.done
    t.equal(upstream.requests, answered)
    await untilTrue('all is settled', async () => {
      const { accessLog } = await gateway.overview()
      return accessLog.accepted === answered && accessLog.stored === answered
    })
    t.equal(await gateway.stop(), 0)
    const stored = await count()
    const report = await readAudit(gateway, '--deep')
    t.equal(report.isComplete, false, 'although the gateway had every acknowledgement')
    const holes = report.gaps.filter(({ kind }) => kind === 'missing_batches')
    const missing = holes.reduce((sum, { entries }) => sum + (entries ?? 0), 0)
    t.equal(stored + missing, answered, 'stored + named as missing = answered', { stored, missing })
    t.equal(report.total.stored, stored)
  },
)
