import t, { type Test } from 'tap'
import { assertBalanced, assertLedger, waitForEntries } from './harness/accounting.ts'
import { readAudit } from './harness/audit.ts'
import { request } from './harness/client.ts'
import { testDatabase, type TestDatabase } from './harness/database.ts'
import { readAccounts } from './harness/failure-accounts.ts'
import { startGateway, type TestGateway } from './harness/gateway.ts'
import { startLoad } from './harness/load.ts'
import { startUpstream } from './harness/upstream.ts'
import { untilTrue } from './harness/wait.ts'

const EACH = 300
const NOBODY = 20

interface Filled {
  readonly db: TestDatabase
  readonly gateway: TestGateway
}

/** A gateway that has stored the requests of two tenants, and some of nobody, in several batches; and has stopped. */
async function fill(t: Test): Promise<Filled> {
  const db = await testDatabase(t)
  const upstream = await startUpstream(t)
  const gateway = await startGateway(t, {
    databaseUrl: db.url,
    config: { routes: routesTo(upstream.url), accessLog: { flushIntervalMs: 50, flushEntries: 64 } },
  })
  for (const tenant of ['acme', 'globex', null]) {
    const key = tenant === null ? 'wb_garbage' : await gateway.mint({ tenant, scopes: ['files:read'] })
    await startLoad({
      url: (n) => `${gateway.proxyUrl}/files/ok?n=${n}`,
      headers: { authorization: `Bearer ${key}` },
      concurrency: 4,
      total: tenant === null ? NOBODY : EACH,
    }).done
  }
  await waitForEntries(db, 2 * EACH + NOBODY)
  return { db, gateway }
}

function routesTo(upstream: string): readonly unknown[] {
  return [{ name: 'files', kind: 'generic', path: '/files/', upstream }]
}

async function assertComplete(t: Test, gateway: TestGateway, ...flags: string[]): Promise<void> {
  const { code, stdout, stderr } = await gateway.cli('audit', '--settle', '30s', ...flags)
  t.equal(code, 0, `audit ${flags.join(' ')}: exit status`)
  t.match(stdout, /^complete(: | up to )/m, stderr)
  t.notMatch(stdout, /^gap: /m)
}

/** The numbers of the batch somewhere in the middle, which holds entries of acme. */
async function middleBatch(
  db: TestDatabase,
): Promise<{ batch: number; first: string; instance: string; entries: number }> {
  const [found] = await db.query<{ batch: number; first: string; instance: string; entries: number }>(
    `SELECT batch::int, first_seq::text AS first, instance, entries FROM access_ledger WHERE tenants ? 'acme' ORDER BY batch OFFSET 1 LIMIT 1`,
  )
  if (found === undefined) throw new Error('there is no second batch')
  return found
}

t.test(
  'the audit of an untouched log is complete, of each tenant as well, running and stopped',
  async (t) => {
    const { db, gateway } = await fill(t)
    const total = 2 * EACH + NOBODY
    const check = async (state: string): Promise<void> => {
      await assertComplete(t, gateway)
      await assertComplete(t, gateway, '--deep')
      await assertComplete(t, gateway, '--since', '1h')
      const report = await readAudit(gateway, '--deep')
      t.match(report, {
        isComplete: true,
        gapCount: 0,
        waiting: 0,
        total: { accepted: total, stored: total, quarantined: 0, dropped: {} },
        tenants: [
          { tenant: '', accepted: NOBODY, stored: NOBODY },
          { tenant: 'acme', accepted: EACH, stored: EACH },
          { tenant: 'globex', accepted: EACH, stored: EACH },
        ],
        instances: [{ state }],
      })
      t.ok(report.batches > 2, 'there are several batches', { batches: report.batches })
      const one = await readAudit(gateway, '--tenant', 'globex')
      t.match(one.total, { accepted: EACH, stored: EACH })
      t.strictSame(
        one.tenants.map(({ tenant }) => tenant),
        ['globex'],
        'an audit of one tenant shows no other',
      )
    }
    await check('live')
    t.equal(await gateway.stop(), 0)
    await check('ended')
    await assertLedger(t, db)
  },
)

t.test('a row that was changed, and one that was removed, are found by a deep audit', async (t) => {
  const { db, gateway } = await fill(t)
  t.equal(await gateway.stop(), 0)
  const { batch, first, instance } = await middleBatch(db)
  for (const [name, other] of [
    ['status', 404],
    ['path', '/files/other'],
    ['tenant', 'globex'],
  ] as const) {
    const where = `WHERE instance = $1 AND seq = $2`
    const [was] = await db.query<{ value: string | number }>(
      `SELECT ${name} AS value FROM access_log ${where}`,
      [instance, first],
    )
    const update = `UPDATE access_log SET ${name} = $3 ${where}`
    await db.query(update, [instance, first, other])
    const report = await readAudit(gateway, '--deep')
    t.equal(report.isComplete, false, `${name} was changed`)
    t.match(report.gaps, [{ kind: 'rows_differ', instance, batches: [batch, batch], entries: null }])
    t.equal(report.gaps.length, 1)
    await db.query(update, [instance, first, was?.value])
    await assertComplete(t, gateway, '--deep')
  }
  await db.query('DELETE FROM access_log WHERE instance = $1 AND seq = $2', [instance, first])
  const { code, stdout } = await gateway.cli('audit', '--deep')
  t.equal(code, 1)
  t.match(stdout, new RegExp(`^gap: instance ${instance} on \\S+: 1 entry: batch ${batch}: `, 'm'))
  t.match(stdout, /^INCOMPLETE, 1 gap: /m)
  const plain = await readAudit(gateway)
  t.match(plain.gaps, [{ kind: 'rows_differ', batches: [batch, batch], entries: 1 }], 'D4: rows are counted')
})

t.test('a ledger row that was removed or changed is found by the plain audit', async (t) => {
  const { db, gateway } = await fill(t)
  t.equal(await gateway.stop(), 0)
  const { batch, instance, entries } = await middleBatch(db)
  const key = [instance, batch]
  const figures = `tenants = jsonb_build_object('globex', entries) WHERE instance = $1 AND batch = $2`
  const [was] = await db.query<{ tenants: unknown }>(
    'SELECT tenants FROM access_ledger WHERE instance = $1 AND batch = $2',
    key,
  )
  await db.query(`UPDATE access_ledger SET ${figures}`, key)
  const changed = await readAudit(gateway)
  t.match(changed.gaps, [{ kind: 'chain_broken', instance, batches: [batch, batch] }], 'changed figures')
  await db.query('UPDATE access_ledger SET tenants = $3 WHERE instance = $1 AND batch = $2', [
    ...key,
    was?.tenants,
  ])
  await assertComplete(t, gateway)

  await db.query('DELETE FROM access_ledger WHERE instance = $1 AND batch = $2', key)
  const { gaps, total } = await readAudit(gateway)
  t.match(gaps, [{ kind: 'missing_batches', instance, batches: [batch, batch], entries }], 'a removed row')
  t.equal(gaps.length, 1)
  t.equal(total.accepted, 2 * EACH + NOBODY - entries)
  const { code, stdout } = await gateway.cli('audit')
  t.equal(code, 1)
  t.match(
    stdout,
    new RegExp(`^gap: instance ${instance} on \\S+: ${entries} entries: batch ${batch} is not stored`, 'm'),
  )

  // With its rows gone too, as if the batch had never been.
  await db.query('DELETE FROM access_log WHERE instance = $1', [instance])
  await db.query('DELETE FROM access_ledger WHERE instance = $1 AND batch > $2', key)
  const cut = await readAudit(gateway)
  t.equal(cut.isComplete, false, 'the end of a log cannot be cut off either')
})

t.test('a row that Postgres refuses goes to quarantine, the others of its batch are stored', async (t) => {
  const db = await testDatabase(t)
  const upstream = await startUpstream(t, { '/poison': (_req, res) => void res.end('poison\n') })
  const gateway = await startGateway(t, {
    databaseUrl: db.url,
    // One batch, begun by the number of its entries.
    config: { routes: routesTo(upstream.url), accessLog: { flushEntries: 128, flushIntervalMs: 60_000 } },
  })
  const key = await gateway.mint({ tenant: 'acme', scopes: ['files:read'] })
  await db.query(`ALTER TABLE access_log ADD CONSTRAINT no_poison CHECK (path <> '/files/poison') NOT VALID`)
  const good = (total: number): Promise<unknown> =>
    startLoad({
      url: () => `${gateway.proxyUrl}/files/ok`,
      headers: { authorization: `Bearer ${key}` },
      concurrency: 4,
      total,
    }).done
  await good(60)
  t.equal((await request(`${gateway.proxyUrl}/files/poison`, { key })).status, 200)
  await good(67)
  await waitForEntries(db, 127)
  await untilTrue(
    'the row is in quarantine',
    async () => (await gateway.overview()).accessLog.quarantined === 1,
  )
  await assertBalanced(t, gateway)
  t.strictSame(Object.fromEntries(await readAccounts(db)), {
    acme: { stored: 127, quarantined: 1, dropped: {} },
  })
  t.match(
    await db.query('SELECT batch::int, entries, quarantined FROM access_ledger'),
    [{ batch: 1, entries: 128, quarantined: { acme: 1 } }],
    'under the same number',
  )
  await assertLedger(t, db)

  const waiting = await readAudit(gateway, '--deep')
  t.match(
    waiting.gaps,
    [{ kind: 'quarantined', tenant: 'acme', entries: 1 }],
    'the audit names it, and nothing else',
  )
  t.equal(waiting.gaps.length, 1)
  const [row] = JSON.parse(await gateway.must('quarantine', 'list', '--json')) as {
    id: number
    code: string
  }[]
  t.match(row, { tenant: 'acme', code: '23514', seq: 61 })
  const id = String(row?.id)
  t.match(await gateway.must('quarantine', 'list'), /acme.*23514/)
  t.match(await gateway.must('quarantine', 'show', id), /\/files\/poison/)
  const early = await gateway.cli('quarantine', 'retry', id)
  t.equal(early.code, 1, 'a retry before the cause is mended changes nothing')
  t.match(early.stderr, /refused again/)

  await db.query('ALTER TABLE access_log DROP CONSTRAINT no_poison')
  await gateway.must('quarantine', 'retry', id)
  await gateway.must('quarantine', 'retry', id)
  t.strictSame(
    Object.fromEntries(await readAccounts(db)),
    { acme: { stored: 128, quarantined: 0, dropped: {} } },
    'it is stored, once',
  )
  t.strictSame(JSON.parse(await gateway.must('quarantine', 'list', '--json')), [])
  await assertComplete(t, gateway)
  await assertComplete(t, gateway, '--deep')
  await assertLedger(t, db)
  t.equal(await gateway.stop(), 0)
})
