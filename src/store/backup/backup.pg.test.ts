import { randomBytes } from 'node:crypto'
import { Readable } from 'node:stream'
import t, { type Test } from 'tap'
import { mintKey } from '../../model/api-key.ts'
import { verifyAdminLog } from '../admin-log/verify.ts'
import { auditInstances } from '../audit/audit.ts'
import { registerInstance, endInstance } from '../audit/instances.ts'
import { insertKey, revokeKey, rotateKey } from '../directory/keys.ts'
import { PostgresDeliveries } from '../deliveries/delivery-store.ts'
import { deliveryId } from '../../model/delivery/delivery-id.ts'
import { migrate, MIGRATIONS_DIR, pendingMigrations } from '../migrate.ts'
import { ensurePartitions } from '../entries/partitions.ts'
import { setRetention } from '../entries/retention.ts'
import { rollUp } from '../figures/roll-up.ts'
import { closeSql, openControl, type Sql } from '../sql.ts'
import { asTenant, isTenantScopeEnforced } from '../tenant-scope.ts'
import { createTenant, setTenantState, updateTenant } from '../directory/tenants.ts'
import { testDatabase } from '../../test/database.ts'
import { TestInstance, untilSettled } from '../../test/ledger.ts'
import { restoreBackup } from './restore.ts'
import { backupTables, tablesOfMigrations } from './tables.ts'
import { openBackup } from './write.ts'

const ODD = 'tab\there, back\\slash, \\N, new\nline, return\r, „ünïcödé" 🚚, {a,"b"}, \u0001\u007f'
const DAY_MS = 86_400_000
const midnight = Math.floor(Date.now() / DAY_MS) * DAY_MS

const source = await testDatabase(t)
const { sql: target } = source
const instance = new TestInstance(target)
await fill()

/** Puts rows into every table that a backup has. */
async function fill(): Promise<void> {
  await ensurePartitions(target, new Date(midnight - 2 * DAY_MS), 3)
  for (const slug of ['acme', 'gone', 'halted']) await createTenant(target, slug, {})
  await updateTenant(target, 'acme', { routeRateLimits: { npm: { perSecond: 0.1, burst: 3 } } }, null)
  const rest = { scopes: ['npm:read', 'files:*'], rateLimit: null, expiresAt: null }
  const keys = await Promise.all(
    [ODD.slice(0, 60).replace('\u0001', ''), 'b', 'c'].map(async (name, i) => {
      const { id, digest } = mintKey()
      const allowNetworks = i === 0 ? ['10.0.0.0/8', '2001:db8::/32'] : []
      await insertKey(target, { id, digest, tenant: i === 2 ? 'gone' : 'acme', name, allowNetworks, ...rest })
      return id
    }),
  )
  await revokeKey(target, keys[1] ?? '')
  const rotated = mintKey()
  await rotateKey(target, keys[0] ?? '', { id: rotated.id, digest: rotated.digest }, 60_000)
  await target`INSERT INTO api_key_uses (key_id, last_used_at) VALUES (${keys[0] ?? ''}, now())`
  await setTenantState(target, 'gone', 'deleted')
  await setTenantState(target, 'halted', 'suspended')
  await registerInstance(target, {
    id: instance.id,
    host: 'gw-1',
    version: '0.1.0',
    startedAt: new Date(midnight - DAY_MS),
    capacityEntries: 5000,
    journalMs: null,
  })
  const at = (seconds: number): Date => new Date(midnight - DAY_MS + seconds * 1000)
  const path = `/${ODD}`.replaceAll('\\', '\\\\').replaceAll('\t', '\\t').replaceAll('\n', '\\n')
  const encoded = path.replaceAll('\r', '\\r')
  const entries = Array.from({ length: 500 }, (_, i) => ({
    tenant: i % 2 ? 'acme' : 'globex',
    startedAt: at(i),
  }))
  await instance.store(instance.seal(entries))
  await instance.store(instance.seal([{ tenant: 'acme', startedAt: at(600), path: encoded }]))
  await instance.store(instance.seal(entries.slice(0, 3), { dropped: { acme: { channel_full: 2 } } }), [1])
  await instance.store(instance.seal([{ tenant: '', startedAt: at(86_500) }], { isFinal: true }))
  await endInstance(target, instance.id, { acceptedSeq: instance.acceptedSeq, spilledEntries: 0 })
  await setRetention(target, 40, 'the test')
  await untilSettled(target)
  while ((await rollUp(target)).state === 'more');
  await target`INSERT INTO access_minutes_stale (minute) VALUES (7)`
  await target`
    INSERT INTO access_checkpoints (instance, last_batch, digest, accepted_seq, buffered, is_final, first_at, last_at, accounts)
    VALUES (gen_random_uuid(), 5, '\\x00ff', 10, 0, true, now(), now(), '{"acme": [10, 10, 0, {}]}')`
  await target`
    INSERT INTO access_past_lives (lives, batches, first_at, last_at, accounts)
    VALUES (1, 5, now(), now(), '{"": [10, 9, 0, {"channel_full": 1}]}')`
  await fillDeliveries()
}

async function fillDeliveries(): Promise<void> {
  const receivedAtMs = midnight - DAY_MS
  await target`SELECT delivery_partitions(${new Date(receivedAtMs)})`
  await new PostgresDeliveries(target).keep([
    {
      id: deliveryId(receivedAtMs),
      receivedAtMs,
      tenant: 'acme',
      route: 'hook',
      lane: ODD.replace('\u0001', ''),
      coalesceBy: '',
      senderKey: 'one',
      dedupeMs: DAY_MS,
      requestId: 'request',
      traceId: '',
      head: { method: 'POST', path: '/', shown: '/', query: '', host: null, fields: [] },
      packed: { packing: '', bytes: Buffer.from([0, 92, 10, 255]) },
      bodyBytes: 4,
      isPromised: false,
    },
  ])
}

/** A backup, in memory. */
async function backup(sql: Sql = target): Promise<Buffer> {
  const one = oneConnection(sql)
  try {
    const { tar, summary } = openBackup(one, '1.2.3')
    const chunks: Uint8Array[] = []
    for await (const chunk of tar) chunks.push(chunk)
    await summary
    return Buffer.concat(chunks)
  } finally {
    await closeSql(one, 1000)
  }
}

/** A handle of its own on the database of another. */
function oneConnection({ options }: Sql): Sql {
  return openControl({ ...source.target, database: options.database }, { max: 1, hasLongStatements: true })
}

/** A database without anything in it, and a handle on it with one connection. */
async function emptyDatabase(t: Test): Promise<Sql> {
  const name = `waybill_test_${randomBytes(6).toString('hex')}`
  await target`CREATE DATABASE ${target(name)} TEMPLATE template0`
  const sql = openControl({ ...source.target, database: name }, { max: 1, hasLongStatements: true })
  t.teardown(async () => {
    await closeSql(sql, 1000)
    await target`DROP DATABASE IF EXISTS ${target(name)} WITH (FORCE)`
  })
  return sql
}

function restore(sql: Sql, bytes: Buffer, replaces = false) {
  return restoreBackup(sql, Readable.from(chunksOf(bytes)), { replaces, onProgress: () => {} })
}

function* chunksOf(bytes: Buffer): Generator<Buffer> {
  for (let at = 0; at < bytes.length; at += 65_536) yield bytes.subarray(at, at + 65_536)
}

/** All rows of all tables; those of the directory without their transactions, which are of the server. */
async function contentOf(sql: Sql): Promise<Map<string, unknown[]>> {
  const content = new Map<string, unknown[]>()
  for (const { name } of await backupTables(sql, MIGRATIONS_DIR)) {
    const rows = await sql<
      { row: Record<string, unknown> }[]
    >`SELECT to_jsonb(x) AS row FROM ONLY ${sql(name)} x ORDER BY 1`
    content.set(
      name,
      rows.map(({ row }) => ('changed_xid' in row ? Object.assign(row, { changed_xid: null }) : row)),
    )
  }
  return content
}

async function auditOf(sql: Sql): Promise<unknown[]> {
  const audits: unknown[] = []
  for await (const one of auditInstances(sql, {}, { isDeep: true, isCounted: true })) audits.push(one)
  return audits
}

/** Whether nothing has been restored into it. */
async function isUnused(sql: Sql): Promise<boolean> {
  const [there] = await sql<{ is: boolean }[]>`SELECT to_regclass('tenants') IS NOT NULL AS is`
  if (there?.is !== true) return true
  const [row] = await sql<{ n: number }[]>`
    SELECT (SELECT count(*) FROM tenants) + (SELECT count(*) FROM instances) + (SELECT count(*) FROM access_ledger)
      + (SELECT count(*) FROM access_log) AS n`
  return row?.n === 0
}

t.test('G11: a backup has every table that there is', async (t) => {
  const tables = await target<{ name: string }[]>`
    SELECT c.relname::text AS name FROM pg_class c WHERE c.relkind IN ('r', 'p') AND c.relnamespace = 'public'::regnamespace
      AND NOT EXISTS (SELECT FROM pg_inherits WHERE inhrelid = c.oid) ORDER BY 1`
  const known = new Set([...(await tablesOfMigrations(MIGRATIONS_DIR)), 'schema_migrations'])
  t.same(
    tables.map(({ name }) => name),
    [...known].sort(),
    'the migrations are read right',
  )
  const content = await contentOf(target)
  const missing = tables.filter(({ name }) => !content.has(name)).map(({ name }) => name)
  t.same(
    missing,
    [
      'access_log',
      'deliveries',
      'delivery_bodies',
      'delivery_members',
      'delivery_routes',
      'directory_followers',
      'schema_migrations',
      'signing_keys',
    ],
    'left out on purpose; of what is partitioned, its partitions',
  )
  const empty = [...content].filter(([, rows]) => rows.length === 0).map(([name]) => name)
  t.comment(`without rows in this test: ${empty.join(', ')}`)
  t.ok(empty.length < content.size / 2, 'most have rows')
})

t.test('G11: an empty database becomes what the other was, and its audit says the same', async (t) => {
  const sql = await emptyDatabase(t)
  const bytes = await backup()
  const summary = await restore(sql, bytes)
  const [before, after] = [await contentOf(target), await contentOf(sql)]
  t.same([...after.keys()].sort(), [...before.keys()].sort())
  for (const [name, rows] of before) t.same(after.get(name), rows, name)
  t.equal(summary.rows, [...before.values()].flat().length)
  const [audited, wanted] = [await auditOf(sql), await auditOf(target)]
  t.not(wanted.length, 0)
  t.same(audited, wanted, 'audit --deep')
  t.match(
    await verifyAdminLog(sql),
    { ...(await verifyAdminLog(target)), broken: null },
    'the admin log, not longer',
  )
  t.same(await pendingMigrations(sql, MIGRATIONS_DIR), [])
  t.equal(await isTenantScopeEnforced(sql), true)
  const seen = await asTenant(sql, 'acme', (tx) => tx`SELECT DISTINCT tenant FROM access_log`)
  t.same([...seen], [{ tenant: 'acme' }], 'row level security is in force')
  const [next] = await sql<{ id: number }[]>`
    INSERT INTO quarantine (instance, seq, tenant, code, row) VALUES (gen_random_uuid(), 1, '', 'x', '') RETURNING id`
  const [last] = await target<{ id: number }[]>`SELECT max(id) AS id FROM quarantine`
  t.equal(next?.id, (last?.id ?? 0) + 1, 'numbers go on')
  const { entries } = await verifyAdminLog(sql)
  await updateTenant(sql, 'acme', { maxConcurrency: 3 }, null)
  t.match(await verifyAdminLog(sql), { entries: entries + 1, broken: null }, 'and the admin log goes on')
  await t.rejects(sql`DELETE FROM tenants`, { code: 'WB003' }, 'what must not be undone is still refused')
  const stale =
    await sql`SELECT FROM access_minutes_state WHERE greatest(horizon, figures_horizon) > pg_snapshot_xmax(pg_current_snapshot())`
  t.equal(stale.length, 0)
})

t.test('G11: a database in use is refused, or replaced when told, and stays when that fails', async (t) => {
  const other = await testDatabase(t)
  const sql = oneConnection(other.sql)
  t.teardown(() => closeSql(sql, 1000))
  const bytes = await backup()
  await createTenant(other.sql, 'other', {})
  await t.rejects(restore(sql, bytes), { message: /not empty \(tenants/ })
  await t.rejects(restore(sql, bytes.subarray(0, bytes.length - 4096), true), { message: /damaged/ })
  t.match(await sql`SELECT slug FROM tenants`, [{ slug: 'other' }])
  await restore(sql, bytes, true)
  t.same((await contentOf(sql)).get('tenants'), (await contentOf(target)).get('tenants'))
  await t.rejects(sql`DELETE FROM tenants`, { code: 'WB003' })
})

t.test('G11: a database that was only migrated, and got partitions, counts as empty', async (t) => {
  const other = await testDatabase(t)
  const sql = oneConnection(other.sql)
  t.teardown(() => closeSql(sql, 1000))
  await ensurePartitions(sql, new Date(midnight - DAY_MS), 8)
  await restore(sql, await backup())
  const content = await contentOf(target)
  t.same([...(await contentOf(sql)).keys()].sort(), [...content.keys()].sort())
})

t.test('G11: cut or altered anywhere, nothing is restored', async (t) => {
  const sql = await emptyDatabase(t)
  const bytes = await backup()
  const tried: string[] = []
  const cuts = [
    0,
    1,
    512,
    1000,
    ...Array.from({ length: 7 }, (_, i) => Math.floor((bytes.length * (i + 1)) / 8)),
  ]
  // The last kilobyte are the zeros that end a tar file.
  for (const cut of [...cuts, bytes.length - 1025]) {
    await t.rejects(restore(sql, bytes.subarray(0, cut)), { name: 'BackupError' }, `cut at ${cut}`)
    tried.push('cut')
  }
  for (let i = 0; i < 25; i++) {
    let at = Math.floor((bytes.length * (i + 0.5)) / 25)
    while (bytes[at] === 0) at-- // what fills a block up says nothing
    const altered = Buffer.from(bytes)
    altered[at] = (altered[at] ?? 0) ^ 1
    await t.rejects(restore(sql, altered), `byte ${at}`)
    tried.push('flip')
  }
  t.equal(tried.length, 37)
  t.ok(await isUnused(sql))
  await restore(sql, bytes)
  t.notOk(await isUnused(sql), 'and the whole one is')
})

t.test('G11: taken while gateways write, a backup is of one moment', async (t) => {
  const writer = new TestInstance(target)
  await registerInstance(target, {
    id: writer.id,
    host: 'gw-2',
    version: '0.1.0',
    startedAt: new Date(midnight - DAY_MS),
    capacityEntries: 5000,
    journalMs: null,
  })
  const state = { isDone: false }
  const write = async (): Promise<number> => {
    let batches = 0
    for (; !state.isDone; batches++) {
      const startedAt = new Date(midnight - DAY_MS * (batches % 2) + batches)
      await writer.store(writer.seal(Array.from({ length: 20 }, () => ({ tenant: 'acme', startedAt }))))
    }
    return batches
  }
  const writing = write()
  const backups = [await backup(), await backup(), await backup()]
  state.isDone = true
  const stored = await writing
  for (const bytes of backups) {
    const sql = await emptyDatabase(t)
    await restore(sql, bytes)
    const [found] = await sql<{ rows: number; entries: number | null; batches: number }[]>`
      SELECT (SELECT count(*) FROM access_log WHERE instance = ${writer.id}) AS rows, sum(entries) AS entries, count(*) AS batches
      FROM access_ledger WHERE instance = ${writer.id}`
    t.equal(found?.rows, found?.entries ?? 0)
    t.ok((found?.batches ?? 0) <= stored, `${found?.batches} of ${stored} batches`)
    for (const one of (await auditOf(sql)) as { instance: { id: string }; gaps: { kind: string }[] }[]) {
      if (one.instance.id === writer.id)
        t.same(
          one.gaps.filter(({ kind }) => kind !== 'died'),
          [],
        )
    }
  }
})

t.test('G11: a backup of an older schema is restored, and migrated on', async (t) => {
  const old = await emptyDatabase(t)
  const all = await pendingMigrations(old, MIGRATIONS_DIR)
  const only = new Set(all.filter((name) => name < '0040'))
  await migrate(old, { migrationsDir: MIGRATIONS_DIR, allowDestructive: false, only })
  await createTenant(old, 'old', {})
  const bytes = await backup(old)
  const sql = await emptyDatabase(t)
  await restore(sql, bytes)
  t.match(await sql`SELECT slug, log_policy FROM tenants`, [{ slug: 'old', log_policy: 'spill' }])
  t.same(await pendingMigrations(sql, MIGRATIONS_DIR), [])
  const newer = await testDatabase(t)
  const one = oneConnection(newer.sql)
  t.teardown(() => closeSql(one, 1000))
  await t.rejects(restore(one, bytes), { message: /migrated further than the backup .*new, empty database/ })
})

t.test('G11: a backup of a later version, and what is none, are refused with what to do', async (t) => {
  const sql = await emptyDatabase(t)
  const bytes = await backup()
  const later = Buffer.from(bytes.toString('latin1').replace('"format": 1,', '"format": 2,'), 'latin1')
  await t.rejects(restore(sql, later), { message: /format 2.*with the version of Waybill that made it/ })
  const foreign = Buffer.from(bytes.toString('latin1').replace('0001-tenants', '9999-tenants'), 'latin1')
  await t.rejects(restore(sql, foreign), { message: /9999-tenants.*restore it with that version/ })
  await t.rejects(restore(sql, Buffer.from('PGDMP, a dump of pg_dump'.padEnd(2048))), { name: 'BackupError' })
  t.ok(await isUnused(sql))
})

t.test('G11: a connection that breaks, or a reader that leaves, ends a backup with an error', async (t) => {
  const one = oneConnection(target)
  const { tar, summary } = openBackup(one, '1.2.3')
  const read = (async () => {
    for await (const _ of tar) {
      await target`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()
        AND datname = current_database() AND application_name = 'waybill control' AND state <> 'idle' AND backend_xmin IS NOT NULL`
    }
  })()
  await t.rejects(Promise.all([read, summary]))
  await closeSql(one, 0)
  const two = oneConnection(target)
  const left = openBackup(two, '1.2.3')
  for await (const _ of left.tar) break
  await t.rejects(left.summary)
  await closeSql(two, 0)
})

t.test('G11: rows that the database refuses end a restore with its reason, and leave nothing', async (t) => {
  const other = await testDatabase(t)
  const sql = oneConnection(other.sql)
  t.teardown(() => closeSql(sql, 1000))
  await other.sql`ALTER TABLE instances ADD CONSTRAINT no_gateways CHECK (host <> 'gw-1')`
  await t.rejects(restore(sql, await backup()), {
    message: /refuses rows of instances: .*no_gateways.*SQLSTATE 23514/,
  })
  t.ok(await isUnused(sql))
})

t.test(
  'G11: tables that others hold are waited for with a bound, and it is said what holds them',
  async (t) => {
    const bytes = await backup()
    const other = await testDatabase(t)
    const sql = oneConnection(other.sql)
    t.teardown(() => closeSql(sql, 1000))
    const held = (mode: string, work: () => Promise<unknown>) =>
      other.sql.begin(async (tx) => {
        await tx.unsafe(`LOCK TABLE tenants IN ${mode} MODE`)
        await work()
      })
    await held('ACCESS SHARE', () =>
      t.rejects(restore(sql, bytes), { message: /tenants is held by another session: stop the gateways/ }),
    )
    await held('ACCESS EXCLUSIVE', () =>
      t.rejects(backup(other.sql), { message: /tenants is held by another session: .*try again/ }),
    )
    await restore(sql, bytes)
  },
)
