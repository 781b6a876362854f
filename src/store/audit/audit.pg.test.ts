import t, { type Test } from 'tap'
import type { AuditGapKind, InstanceAudit } from '../../model/audit/audit.ts'
import { AuditSum } from '../../model/audit/audit.ts'
import { auditInstances, type AuditFilter } from './audit.ts'
import { endInstance, registerInstance, touchInstance } from './instances.ts'
import { ensurePartitions } from '../entries/partitions.ts'
import { dropQuarantined, listQuarantine, retryQuarantined } from '../entries/quarantine.ts'
import { dropExpiredPartitions, setRetention } from '../entries/retention.ts'
import { closeSql, openReader } from '../sql.ts'
import { testDatabase } from '../../test/database.ts'
import { type TestEntry, TestInstance } from '../../test/ledger.ts'

const { sql, target } = await testDatabase(t)
const reader = openReader(target, { statementTimeoutMs: 30_000 })
t.teardown(() => closeSql(reader, 1000))

const DAY_MS = 86_400_000
const midnight = Math.floor(Date.now() / DAY_MS) * DAY_MS
await ensurePartitions(sql, new Date(midnight - 2 * DAY_MS), 4)

/** The tables are one: each test audits a minute of its own. */
let minute = midnight - DAY_MS
function window(): { since: Date; until: Date; at: (seconds: number) => Date } {
  minute += 600_000
  const start = minute
  return {
    since: new Date(start),
    until: new Date(start + 60_000),
    at: (seconds) => new Date(start + seconds * 1000),
  }
}

async function audit(filter: AuditFilter, instance: string, isDeep = false): Promise<InstanceAudit> {
  for await (const one of auditInstances(reader, filter, { isDeep })) {
    if (one.instance.id === instance) return one
  }
  throw new Error('the instance is not in the audit')
}

async function register(instance: TestInstance, startedAt: Date): Promise<void> {
  await registerInstance(sql, {
    id: instance.id,
    host: 'gw-1',
    version: '0.1.0',
    startedAt,
    capacityEntries: 5000,
    journalMs: null,
  })
}

const kinds = (one: InstanceAudit): AuditGapKind[] => one.gaps.map((gap) => gap.kind)

function entries(n: number, at: Date, tenant = 'acme'): TestEntry[] {
  return Array.from({ length: n }, () => ({ tenant, startedAt: at }))
}

/** A registered instance with three stored batches of 10, the last final; `packageName` makes its rows such of the second form, `rule` of the third. */
async function complete(t: Test, packageName?: string, rule?: string) {
  const w = window()
  const instance = new TestInstance(sql)
  await register(instance, w.since)
  const formed = (list: readonly TestEntry[]): TestEntry[] =>
    list.map((entry) => ({
      ...entry,
      ...(packageName !== undefined && { package: packageName }),
      ...(rule !== undefined && { rule }),
    }))
  const batches = [
    instance.seal(formed(entries(10, w.at(1))), { buffered: 0 }),
    instance.seal(formed([...entries(6, w.at(2)), ...entries(4, w.at(3), '')])),
    instance.seal(formed(entries(10, w.at(4), 'globex')), { isFinal: true }),
  ]
  for (const batch of batches) await instance.store(batch)
  await endInstance(sql, instance.id, { acceptedSeq: 30, spilledEntries: 0 })
  const one = await audit(w, instance.id, true)
  t.same(one.gaps, [], 'complete to begin with')
  return { ...w, instance, one }
}

t.test('a complete log has no gap, and its books are right by tenant', async (t) => {
  const { one } = await complete(t)
  t.equal(one.state, 'ended')
  t.equal(one.batches, 3)
  const books = (tenant: string) => one.accounts.find((account) => account.tenant === tenant)
  t.match(books('acme'), { accepted: 16, stored: 16, quarantined: 0, dropped: {} })
  t.match(books(''), { accepted: 4, stored: 4 })
  t.match(books('globex'), { accepted: 10, stored: 10 })
})

t.test('drops are named by tenant and reason, and a filter leaves the others out', async (t) => {
  const w = window()
  const instance = new TestInstance(sql)
  await register(instance, w.since)
  const dropped = { acme: { channel_full: 3 }, evil: { channel_full: 900, rejected: 1 } }
  await instance.store(instance.seal(entries(2, w.at(1)), { dropped, isFinal: true }))
  const all = await audit(w, instance.id)
  t.same(
    all.gaps.map(({ tenant, entries }) => [tenant, entries]),
    [
      ['acme', 3],
      ['evil', 1],
      ['evil', 900],
    ],
    'reasons in the order of jsonb: the shorter first',
  )
  t.match(all.gaps[0]?.line, `tenant acme, instance ${instance.id} on gw-1: 3 entries: dropped, channel_full`)
  const mine = await audit({ ...w, tenant: 'acme' }, instance.id)
  t.same(
    mine.gaps.map(({ tenant }) => tenant),
    ['acme'],
  )
  t.match(mine.accounts, [{ tenant: 'acme', accepted: 5, stored: 2, dropped: { channel_full: 3 } }])
})

t.test('drops of the last moments, told with a batch after the window, belong to it', async (t) => {
  const w = window()
  const instance = new TestInstance(sql)
  await register(instance, w.since)
  await instance.store(instance.seal(entries(2, w.at(59))))
  await instance.store(instance.seal(entries(2, w.at(70)), { dropped: { acme: { channel_full: 7 } } }))
  const one = await audit(w, instance.id)
  t.match(one.gaps, [{ kind: 'dropped', entries: 7 }])
  t.match(one.accounts, [{ accepted: 9, stored: 2 }])
})

t.test('a hole in the batches is found with its exact size, wherever it is', async (t) => {
  for (const missing of [[1], [2], [3, 4], [1, 2]]) {
    const w = window()
    const instance = new TestInstance(sql)
    await register(instance, w.since)
    for (let i = 1; i <= 5; i++) {
      const batch = instance.seal(entries(i, w.at(i)), {
        buffered: i % 3,
        ...(i === 2 ? { dropped: { acme: { channel_full: 5 } } } : {}),
      })
      if (!missing.includes(i)) await instance.store(batch)
    }
    const one = await audit(w, instance.id)
    const size = missing.reduce((sum, i) => sum + i + (i === 2 ? 5 : 0), 0)
    const gap = one.gaps.find(({ kind }) => kind === 'missing_batches')
    t.match(gap, { entries: size, batches: [missing[0], missing.at(-1)] }, missing.join())
    const spilled = new Map([[instance.id, new Set(missing)]])
    t.ok(kinds(await audit({ ...w, spilled }, instance.id)).includes('spilled'))
  }
})

t.test('a window that lies in a hole altogether is not complete', async (t) => {
  const w = window()
  const instance = new TestInstance(sql)
  await register(instance, new Date(w.since.getTime() - 60_000))
  await instance.store(instance.seal(entries(3, w.at(-30))))
  instance.seal(entries(8, w.at(30)))
  await instance.store(instance.seal(entries(3, w.at(90))))
  const one = await audit(w, instance.id)
  t.match(one.gaps, [{ kind: 'missing_batches', entries: 8, batches: [2, 2] }])
  t.equal(one.batches, 0)
})

t.test('an entry accepted and neither stored nor dropped is found', async (t) => {
  const w = window()
  const instance = new TestInstance(sql)
  await register(instance, w.since)
  const batch = instance.seal(entries(5, w.at(1)))
  await instance.store({ ...batch, columns: { ...batch.columns, accepted_seq: 7 } })
  const one = await audit(w, instance.id)
  t.match(
    one.gaps.find(({ kind }) => kind === 'unaccounted'),
    { entries: 2, batches: [1, 1] },
  )
})

t.test('a ledger row that was changed breaks the chain, whatever was changed', async (t) => {
  const changes: [string, string][] = [
    ['dropped', `'{"acme":{"channel_full":1}}'`],
    ['tenants', `'{"acme":9,"globex":1}'`],
    ['accepted_seq', '12'],
    ['bytes', '1'],
    ['rows_digest', `sha256('x')`],
    ['digest', `sha256('x')`],
    ['last_seq', '11'],
  ]
  for (const [column, value] of changes) {
    const { instance, since, until } = await complete(t)
    await sql.unsafe(`UPDATE access_ledger SET ${column} = ${value} WHERE instance = $1 AND batch = 1`, [
      instance.id,
    ])
    t.ok(kinds(await audit({ since, until }, instance.id)).includes('chain_broken'), column)
  }
})

for (const [form, packageName, rule] of [
  ['the first form', undefined, undefined],
  ['the second form', 'left-pad', undefined],
  ['the third form', 'left-pad', 'r0123456789abcdef'],
] as const) {
  t.test(
    `a deep audit finds rows of ${form} that were removed, added, or changed in any column`,
    async (t) => {
      const columns = await sql<{ name: string }[]>`
    SELECT attname AS name FROM pg_attribute WHERE attrelid = 'access_log'::regclass AND attnum > 0
      AND attname NOT IN ('instance', 'seq')`
      const { instance, since, until } = await complete(t, packageName, rule)
      const check = async (what: string, change: string): Promise<void> => {
        await sql.unsafe(`${change} WHERE instance = '${instance.id}' AND seq = 12`)
        const one = await audit({ since, until }, instance.id, true)
        t.match(one.gaps, [{ kind: 'rows_differ', batches: [2, 2] }], what)
        t.equal(one.gaps.length, 1)
      }
      const [before] = await sql`SELECT * FROM access_log WHERE instance = ${instance.id} AND seq = 12`
      const restore = async (): Promise<void> => {
        await sql`DELETE FROM access_log WHERE instance = ${instance.id} AND seq = 12`
        await sql`INSERT INTO access_log ${sql(before as Record<string, string>)}`
      }
      for (const { name } of columns) {
        const value =
          name === 'id'
            ? 'gen_random_uuid()'
            : name === 'started_at'
              ? `started_at + interval '1 microsecond'`
              : name === 'client_ip'
                ? `'10.0.0.2'`
                : [
                      'status',
                      'bytes_received',
                      'bytes_sent',
                      'duration_us',
                      'upstream_us',
                      'held_ms',
                    ].includes(name)
                  ? `coalesce(${name}, 0) + 1`
                  : name === 'identified_at'
                    ? 'now()'
                    : `coalesce(${name}, '') || 'x'`
        await check(name, `UPDATE access_log SET ${name} = ${value}`)
        await restore()
      }
      await check('removed', 'DELETE FROM access_log')
      await restore()
      await check('added', 'INSERT INTO access_log SELECT * FROM access_log')
      t.same(
        (await audit({ since, until }, instance.id)).gaps,
        [],
        'an audit of the ledger alone reads no rows',
      )
      await restore()
      t.same((await audit({ since, until }, instance.id, true)).gaps, [])
    },
  )
}

t.test(
  'rows of the first form that were identified later are no difference, and are compared as before',
  async (t) => {
    const { instance, since, until } = await complete(t)
    const check = async (): Promise<unknown[]> => [...(await audit({ since, until }, instance.id, true)).gaps]
    await sql`
    UPDATE access_log SET ecosystem = 'npm', package = 'left-pad', version = '1.3.0', qualifiers = 'a=b',
      artifact_kind = 'artifact', identified_at = now() WHERE instance = ${instance.id} AND seq IN (3, 12)`
    t.same(await check(), [])
    await sql`UPDATE access_log SET path = '/other' WHERE instance = ${instance.id} AND seq = 12`
    t.match(await check(), [{ kind: 'rows_differ', batches: [2, 2] }])
  },
)

t.test(
  'a package that was taken out of a row of the second form is missed, however it is done',
  async (t) => {
    const { instance, since, until } = await complete(t, 'left-pad')
    const changes = [
      `package = 'right-pad'`,
      `ecosystem = NULL, package = NULL, version = NULL`,
      `ecosystem = NULL, package = NULL, version = NULL, artifact_kind = NULL`,
      `package = 'right-pad', identified_at = now()`,
      `package = NULL, version = NULL, ecosystem = NULL, artifact_kind = 'none', identified_at = now()`,
    ]
    for (const change of changes) {
      await sql.unsafe(`UPDATE access_log SET ${change} WHERE instance = '${instance.id}' AND seq = 12`)
      t.match((await audit({ since, until }, instance.id, true)).gaps, [{ kind: 'rows_differ' }], change)
      await sql`
      UPDATE access_log SET ecosystem = 'npm', package = 'left-pad', version = '1.3.0', artifact_kind = 'artifact', identified_at = NULL
      WHERE instance = ${instance.id} AND seq = 12`
      t.same((await audit({ since, until }, instance.id, true)).gaps, [])
    }
  },
)

t.test(
  'quarantined rows are a gap until they are decided on, and covered by the digest throughout',
  async (t) => {
    const w = window()
    const instance = new TestInstance(sql)
    await register(instance, w.since)
    await instance.store(instance.seal([...entries(4, w.at(1)), ...entries(4, w.at(2), 'globex')]), [1, 2, 5])
    await instance.store(instance.seal([], { isFinal: true }))
    const one = await audit(w, instance.id, true)
    t.match(one.gaps, [
      { kind: 'quarantined', tenant: 'acme', entries: 2 },
      { kind: 'quarantined', tenant: 'globex', entries: 1 },
    ])
    t.equal(one.gaps.length, 2)
    const ids: number[] = []
    for await (const rows of listQuarantine(reader, {})) {
      ids.push(...rows.filter((row) => row.instance === instance.id).map((row) => row.id))
    }
    const [first = 0, second = 0, third = 0] = ids
    t.same(
      (await Promise.all([1, 2, 3].map(() => retryQuarantined(sql, first)))).map(({ state }) => state).sort(),
      ['already_resolved', 'already_resolved', 'stored'],
      'stored once, however many try',
    )
    t.equal((await retryQuarantined(sql, third)).state, 'stored')
    t.equal(await dropQuarantined(sql, second), true)
    t.equal(await dropQuarantined(sql, second), false)
    t.equal((await retryQuarantined(sql, second)).state, 'already_resolved')
    await t.rejects(dropQuarantined(sql, 2 ** 40), { code: 'quarantine_not_found' })
    await t.rejects(retryQuarantined(sql, 2 ** 40), { code: 'quarantine_not_found' })
    const after = await audit(w, instance.id, true)
    t.match(after.gaps, [{ kind: 'dropped', tenant: 'acme', entries: 1 }])
    t.equal(after.gaps.length, 1)
    t.match(
      after.accounts.find(({ tenant }) => tenant === 'acme'),
      { accepted: 4, stored: 3, quarantined: 0, dropped: { quarantine: 1 } },
    )
    t.equal((await sql`SELECT FROM access_log WHERE instance = ${instance.id}`).length, 7)
  },
)

t.test('a row that is refused again stays in quarantine, with the new reason', async (t) => {
  const w = window()
  const instance = new TestInstance(sql)
  await instance.store(instance.seal(entries(1, new Date('1999-05-05T00:00:00Z'))), [0])
  const [row] = await sql<{ id: number }[]>`SELECT id FROM quarantine WHERE instance = ${instance.id}`
  const id = row?.id ?? 0
  t.match(await retryQuarantined(sql, id), { state: 'refused', code: '23514' })
  t.match((await sql`SELECT code, resolution FROM quarantine WHERE id = ${id}`)[0], {
    code: '23514',
    resolution: null,
  })
  await ensurePartitions(sql, new Date('1999-05-05T00:00:00Z'), 1)
  t.equal((await retryQuarantined(sql, id)).state, 'stored')
  await sql`DROP TABLE access_log_19990505`
  await sql`INSERT INTO quarantine (instance, seq, tenant, code, row) VALUES (${instance.id}, 9, 'acme', '22021', '\\xff00')`
  const [bad] = await sql<
    { id: number }[]
  >`SELECT id FROM quarantine WHERE instance = ${instance.id} AND seq = 9`
  t.match(await retryQuarantined(sql, bad?.id ?? 0), { state: 'refused', code: '22P04' })
  await sql`DELETE FROM quarantine WHERE instance = ${instance.id}`
  t.ok(w)
})

t.test('an instance that lives is no gap; one that died is, with what it can have lost', async (t) => {
  const live = new TestInstance(sql)
  await register(live, new Date())
  await live.store(live.seal(entries(2, new Date()), { buffered: 5 }))
  t.match(await audit({}, live.id), { state: 'live', waiting: 5, gaps: { length: 0 } })
  t.equal(await touchInstance(sql, live.id, { acceptedSeq: 9, spilledEntries: 0 }), true)
  t.match(await audit({}, live.id), { state: 'live', waiting: 7, gaps: { length: 0 } })
  t.equal(
    await touchInstance(sql, '00000000-0000-4000-8000-00000000dead', { acceptedSeq: 1, spilledEntries: 0 }),
    false,
  )

  await sql`UPDATE instances SET last_seen_at = now() - interval '5 minutes' WHERE id = ${live.id}`
  const since = new Date(Date.now() - 600_000)
  const dead = await audit({ since }, live.id)
  t.match(dead, { state: 'died', gaps: [{ kind: 'died', entries: null, entriesAtMost: 5000 }] })
  t.match(dead.gaps[0]?.line, /on gw-1: at most 5000 entries: it died after \d{4}-/)
  const silent = new TestInstance(sql)
  await register(silent, new Date(Date.now() - 500_000))
  await sql`UPDATE instances SET last_seen_at = now() - interval '5 minutes' WHERE id = ${silent.id}`
  t.match(kinds(await audit({ since }, silent.id)), ['died'], 'although it never stored anything')
})

t.test('an instance that stopped in order is complete only when its last batch is stored', async (t) => {
  const w = window()
  const instance = new TestInstance(sql)
  await register(instance, w.since)
  await instance.store(instance.seal(entries(2, w.at(1))))
  const last = instance.seal(entries(3, w.at(2)), { isFinal: true })
  await endInstance(sql, instance.id, { acceptedSeq: instance.acceptedSeq, spilledEntries: 3 })
  t.match((await audit({}, instance.id)).gaps, [{ kind: 'missing_batches', entries: 3 }])
  await instance.store(last)
  t.same((await audit({}, instance.id)).gaps, [])
  t.equal(
    await endInstance(sql, instance.id, { acceptedSeq: 9, spilledEntries: 0 }),
    false,
    'only the first end counts',
  )
})

t.test('an unregistered instance without a last batch is a gap', async (t) => {
  const w = window()
  const instance = new TestInstance(sql)
  await instance.store(instance.seal(entries(2, w.at(1))))
  t.match(await audit(w, instance.id), { state: 'unregistered', gaps: [{ kind: 'unregistered' }] })
  await instance.store(instance.seal([], { isFinal: true }))
  t.same((await audit({ since: w.since, until: new Date() }, instance.id)).gaps, [])
})

t.test('batches without digests are counted and told as unproven', async (t) => {
  const w = window()
  const instance = new TestInstance(sql)
  for (let i = 0; i < 3; i++) await instance.store(instance.seal(entries(2, w.at(i)), { isFinal: i === 2 }))
  await sql`UPDATE access_ledger SET digest = NULL, rows_digest = NULL WHERE instance = ${instance.id} AND batch < 3`
  const one = await audit(w, instance.id, true)
  t.match(one.gaps, [{ kind: 'unproven', entries: 4, batches: [1, 2] }])
  t.equal(one.gaps.length, 1)
})

t.test('rows that retention has dropped are expired, not missing', async (t) => {
  const old = new Date(midnight - 2 * DAY_MS + 3_600_000)
  const instance = new TestInstance(sql)
  await register(instance, old)
  await instance.store(instance.seal(entries(5, old)))
  await instance.store(instance.seal(entries(5, new Date(midnight - DAY_MS + 1000)), { isFinal: true }))
  const at = { since: old, until: new Date(old.getTime() + 2 * DAY_MS) }
  t.match((await audit(at, instance.id, true)).accounts, [{ stored: 10, expired: 0 }])
  await sql`UPDATE access_ledger SET written_at = last_started_at WHERE instance = ${instance.id}`
  await sql`UPDATE access_log_partitions SET made_at = '-infinity'`
  await setRetention(sql, 1, 'test')
  await dropExpiredPartitions(sql, { by: 'test', now: Date.now, maxClockOffsetMs: 60_000 })
  const one = await audit(at, instance.id, true)
  t.same(one.gaps, [])
  t.match(one.accounts, [{ stored: 10, expired: 5 }])
})

t.test('sums of instances by tenant, and completeness', async (t) => {
  const sum = new AuditSum()
  for await (const one of auditInstances(reader, {})) sum.add(one)
  const { total, tenants, isComplete, gapCount } = sum.summary
  t.equal(isComplete, false)
  t.ok(gapCount > 5)
  const drops = (dropped: Record<string, number>) => Object.values(dropped).reduce((a, b) => a + b, 0)
  for (const books of [total, ...tenants]) {
    t.equal(books.accepted, books.stored + books.quarantined + drops(books.dropped))
  }
  t.equal(
    total.accepted,
    tenants.reduce((all, { accepted }) => all + accepted, 0),
  )
})
