import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { waitForEntries } from './harness/accounting.ts'
import { readAudit } from './harness/audit.ts'
import { testDatabase, type TestDatabase } from './harness/database.ts'
import type { TestGateway } from './harness/gateway.ts'
import { startLoad } from './harness/load.ts'
import { directScene, FAST } from './harness/scene.ts'
import { startUpstream } from './harness/upstream.ts'
import { untilTrue } from './harness/wait.ts'
import { startWorkers, untilServing } from './harness/workers.ts'

async function requests(gateway: TestGateway, key: string, total: number): Promise<void> {
  await startLoad({
    url: () => `${gateway.proxyUrl}/files/ok`,
    headers: { authorization: `Bearer ${key}` },
    concurrency: 2,
    total,
  }).done
}

/** Nothing of a life is left, nor of what it told; what others told of it is. */
async function removeLife(db: TestDatabase, instance: string): Promise<void> {
  await db.query('DELETE FROM access_log WHERE instance = $1', [instance])
  await db.query('DELETE FROM access_ledger WHERE instance = $1', [instance])
  await db.query('DELETE FROM instances WHERE id = $1', [instance])
  await db.query('DELETE FROM instance_links WHERE witness = $1', [instance])
}

t.test('D5: a life that vanished is named by the next one on its folder', async (t) => {
  const { db, gateway, key, next } = await directScene(t, { config: { accessLog: FAST } })
  await requests(gateway, key, 50)
  await waitForEntries(db, 50)
  const { instance } = await gateway.overview()
  t.equal(await gateway.stop(), 0)
  t.equal((await readAudit(gateway, '--deep')).isComplete, true)
  const folder = join(gateway.cwd, '.waybill', 'lives')
  for (const name of await readdir(folder)) t.equal((await stat(join(folder, name))).mode & 0o777, 0o600)
  await removeLife(db, instance)
  const second = await next()
  await requests(second, key, 30)
  await waitForEntries(db, 30)
  const warning = await second.waitForLog(
    'the loss',
    ({ batch, instance: of }) => of === instance && batch !== undefined,
  )
  t.match(warning, { level: 'error', entries: 50, stored: 0 })
  t.match(await (await fetch(`${second.adminUrl}/readyz`)).json(), {
    warnings: [{ code: 'log_lost_batches' }],
  })
  t.equal(await second.stop(), 0)
  const report = await readAudit(second, '--deep')
  t.match(report.gaps, [{ kind: 'vanished', instance, entries: 50 }])
  t.equal(report.gaps.length, 1)
  t.equal(report.total.stored, 30)
})

t.test('D5: a life that vanished later is named, and so is one whose successor went with it', async (t) => {
  const { db, gateway, key, next } = await directScene(t, { config: { accessLog: FAST } })
  const lives: string[] = []
  let running = gateway
  for (let i = 0; i < 3; i++) {
    if (i > 0) running = await next()
    lives.push((await running.overview()).instance)
    await requests(running, key, 20)
    await waitForEntries(db, 20 * (i + 1))
    await untilTrue('it has told of those before', async () => {
      const rows = await db.query('SELECT FROM instance_links WHERE witness = $1', [lives.at(-1)])
      return i === 0 || rows.length >= i
    })
    t.equal(await running.stop(), 0)
  }
  t.equal((await readAudit(running, '--deep')).isComplete, true)
  const [a = '', b = '', c = ''] = lives
  await removeLife(db, a)
  await removeLife(db, b)
  const { gaps } = await readAudit(running, '--deep')
  t.same(
    gaps.map(({ kind, instance, entries }) => `${kind} ${instance} ${entries}`).toSorted(),
    [a, b].map((id) => `vanished ${id} 20`).toSorted(),
  )
  await removeLife(db, c)
  const last = await next()
  await requests(last, key, 20)
  t.equal(await last.stop(), 0)
  t.same(
    (await readAudit(last)).gaps.map(({ kind, instance }) => `${kind} ${instance}`).toSorted(),
    lives.map((id) => `vanished ${id}`).toSorted(),
    'the folder remembers them all',
  )
})

t.test('D5: workers of one gateway, and those that replaced them, are linked', async (t) => {
  const [db, upstream] = [await testDatabase(t), await startUpstream(t)]
  const gateway = await startWorkers(t, { db, upstream, workers: 2, config: { accessLog: FAST } })
  const key = await gateway.mint({ tenant: 'acme', scopes: ['files:read'] })
  await requests(gateway, key, 40)
  gateway.child.kill('SIGUSR2')
  await gateway.waitForLog('the end of the roll', ({ msg }) => msg === 'all workers replaced')
  await untilServing(gateway, 2)
  await requests(gateway, key, 40)
  await waitForEntries(db, 80)
  t.equal(await gateway.stop(), 0)
  const lives = await db.query<{ instance: string; n: string }>(
    'SELECT instance, sum(entries) AS n FROM access_ledger GROUP BY 1 HAVING sum(entries) > 0',
  )
  t.ok(lives.length >= 2, 'entries of several lives', { lives: lives.length })
  const [first] = lives
  await removeLife(db, first?.instance ?? '')
  t.same(
    (await readAudit(gateway)).gaps.map(({ kind, instance }) => [kind, instance]),
    [['vanished', first?.instance]],
    'those that ended beside it, or began after it, tell of it',
  )
  for (const { instance } of lives) await removeLife(db, instance)
  const second = await startWorkers(t, {
    db,
    upstream,
    workers: 2,
    config: { accessLog: FAST },
    cwd: gateway.cwd,
  })
  await untilTrue('all are told of', async () => {
    const rows = await db.query<{ n: number }>(
      'SELECT count(DISTINCT instance)::int AS n FROM instance_links WHERE instance = ANY($1)',
      [lives.map(({ instance }) => instance)],
    )
    return rows[0]?.n === lives.length
  })
  t.equal(await second.stop(), 0)
  const vanished = (await readAudit(second)).gaps.filter(({ kind }) => kind === 'vanished')
  t.same(
    vanished.map(({ instance, entries }) => `${instance} ${entries}`).toSorted(),
    lives.map(({ instance, n }) => `${instance} ${n}`).toSorted(),
  )
})
