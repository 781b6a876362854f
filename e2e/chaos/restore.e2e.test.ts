import t from 'tap'
import { waitForEntries } from '../harness/accounting.ts'
import { readAudit } from '../harness/audit.ts'
import { request } from '../harness/client.ts'
import type { TestGateway } from '../harness/gateway.ts'
import { startLoad } from '../harness/load.ts'
import { FAST, loadOf, restorableScene } from '../harness/scene.ts'
import { untilTrue } from '../harness/wait.ts'

const PATIENT = { timeoutMs: 30_000 }

t.test(
  'D5: an older backup is put back under live gateways: entries go on, and the audit names what it took away',
  async (t) => {
    const scene = await restorableScene(t, { config: { accessLog: FAST } })
    const { db, upstream, gateway: a, key } = scene
    const b = await scene.beside()
    const accepted = new Map<string, number>()
    const settled = async (gateway: TestGateway): Promise<void> => {
      await untilTrue(
        'all is stored',
        async () => {
          const { instance, accessLog } = await gateway.overview()
          accepted.set(instance, accessLog.accepted)
          return accessLog.accepted === accessLog.stored
        },
        PATIENT,
      )
    }
    const serve = async (gateway: TestGateway, total: number): Promise<void> => {
      const { byStatus } = await startLoad({
        url: () => `${gateway.proxyUrl}/files/ok`,
        headers: { authorization: `Bearer ${key}` },
        concurrency: 2,
        total,
      }).done
      t.strictSame([...byStatus], [[200, total]])
      await settled(gateway)
    }
    const statusOf = async (gateway: TestGateway, presented: string): Promise<number> =>
      (await request(`${gateway.proxyUrl}/files/ok`, { headers: { authorization: `Bearer ${presented}` } }))
        .status
    const [early, late] = [
      await a.mint({ tenant: 'acme', scopes: ['files:read'] }),
      await a.mint({ tenant: 'acme', scopes: ['files:read'] }),
    ]
    await a.must('keys', 'revoke', early.slice(3, 15), '--wait')

    // One that lives through the backup and ends before it is put back, and one that begins and ends in between.
    const through = await scene.next()
    await serve(through, 20)
    const loads = [loadOf(t, a, key, 100), loadOf(t, b, key, 100)]
    await waitForEntries(db, 60)
    await db.backUp()
    await untilTrue('both go on storing', async () => {
      const rows = await db.query<{ n: number }>(
        `SELECT count(*)::int AS n FROM access_ledger WHERE written_at > pg_postmaster_start_time() GROUP BY instance`,
      )
      return rows.length >= 2
    })
    await serve(through, 30)
    // Of this one nothing is in the backup, and it lives on.
    const c = await scene.beside()
    await serve(c, 15)
    const between = await scene.next()
    await serve(between, 25)
    const lives = [(await through.overview()).instance, (await between.overview()).instance]
    t.equal(await through.stop(), 0)
    t.equal(await between.stop(), 0)
    await a.must('keys', 'revoke', late.slice(3, 15), '--wait')
    t.equal(await statusOf(b, late), 401)
    for (const load of loads) load.stop()
    const results = await Promise.all(loads.map((load) => load.done))
    for (const gateway of [a, b]) await settled(gateway)
    const count = async (instance?: string): Promise<number> => {
      const where = instance === undefined ? '' : `WHERE instance = '${instance}'`
      return (await db.query<{ n: number }>(`SELECT count(*)::int AS n FROM access_log ${where}`))[0]?.n ?? 0
    }
    const before = await count()
    t.equal(
      before,
      [...accepted.values()].reduce((sum, n) => sum + n, 0),
    )

    await db.restore()
    const after = await count()
    t.ok(after < before, 'entries are gone', { before, after })
    for (const gateway of [a, b]) {
      await gateway.waitForLog(
        'the loss',
        ({ msg }) => /which it had acknowledged/.test(String(msg)),
        PATIENT,
      )
      const ready = await fetch(`${gateway.adminUrl}/readyz`)
      t.equal(ready.status, 200, 'it serves')
      const { warnings } = (await ready.json()) as { warnings: { code: string }[] }
      t.ok(
        warnings.some(({ code }) => code === 'log_lost_batches'),
        'and says what it knows',
      )
    }
    t.equal(await statusOf(a, early), 401, 'what the backup knows to be revoked')
    // The database is the truth, also where it has forgotten: what `keys show` says is what the gateways do.
    await untilTrue('both do as the database says', async () => {
      return (await statusOf(a, late)) === 200 && (await statusOf(b, late)) === 200
    })
    await a.must('keys', 'revoke', late.slice(3, 15), '--wait')
    for (const gateway of [a, b]) t.equal(await statusOf(gateway, late), 401, 'revoked anew, at once')
    for (const gateway of [a, b]) await serve(gateway, 40)
    await serve(c, 10)
    await untilTrue(
      'earlier lives are told of again',
      async () => {
        const rows = await db.query('SELECT DISTINCT instance FROM instance_links WHERE instance = ANY($1)', [
          lives,
        ])
        return rows.length === 2
      },
      PATIENT,
    )
    for (const gateway of [a, b, c]) t.equal(await gateway.stop(), 0)
    const report = await readAudit(a, '--deep')
    const stored = await count()
    t.equal(report.isComplete, false)
    t.equal(report.total.stored, stored, 'every row that is there is proven')
    const [throughId = '', betweenId = ''] = lives
    t.match(
      report.gaps.filter(({ kind }) => kind === 'vanished'),
      [{ instance: betweenId, entries: 25 }],
    )
    for (const [instance, n] of accepted) {
      const named = report.gaps
        .filter((gap) => gap.instance === instance && /^(missing_batches|vanished)$/.test(gap.kind))
        .reduce((sum, { entries }) => sum + (entries ?? 0), 0)
      t.equal((await count(instance)) + named, n, `${instance}: stored + named = accepted`, { named })
      t.ok(named > 0, 'something of it is gone')
    }
    const others = report.gaps.filter(({ kind }) => kind !== 'missing_batches' && kind !== 'vanished')
    t.strictSame(
      others
        .filter(({ kind, instance }) => kind !== 'died' || instance !== throughId)
        .map(({ line }) => line),
      [],
      'nothing else is wrong but that nobody knows of the end of one',
    )
    const served = [...results, { answered: 100 + 80 }].reduce((sum, { answered }) => sum + answered, 0)
    t.ok(upstream.requests >= served, 'requests were forwarded all the while', {
      forwarded: upstream.requests,
      served,
    })
    for (const { byStatus, failed } of results) t.strictSame([[...byStatus.keys()], [...failed]], [[200], []])
  },
)
