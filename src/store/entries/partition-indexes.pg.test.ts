import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { testDatabase } from '../../test/database.ts'
import { TestInstance } from '../../test/ledger.ts'
import { MIGRATIONS_DIR } from '../migrate.ts'
import { listEntries } from './entries.ts'
import { buildIndex, lackingIndexes } from './partition-indexes.ts'
import { ensurePartitions } from './partitions.ts'
import { packageKey } from '../packages/package-key.ts'
import { openControl, type Sql } from '../sql.ts'

const NOON = new Date('2026-11-21T12:00:00Z')

const lackingPartitions = async (sql: Sql): Promise<string[]> =>
  (await lackingIndexes(sql)).map(({ partition }) => partition)
const build = (sql: Sql, partition: string): Promise<boolean> =>
  buildIndex(sql, { partition, index: 'access_log_package' })

async function isWhole(sql: Awaited<ReturnType<typeof testDatabase>>['sql']): Promise<boolean | undefined> {
  const [row] = await sql<{ is_valid: boolean }[]>`
    SELECT indisvalid AS is_valid FROM pg_index WHERE indexrelid = 'access_log_package'::regclass`
  return row?.is_valid
}

/** A database whose partitions were made before the index was. */
async function upgraded(t: Parameters<typeof testDatabase>[0]) {
  const database = await testDatabase(t)
  const { sql } = database
  await sql.unsafe('DROP INDEX access_log_package')
  await ensurePartitions(sql, NOON, 3)
  const instance = new TestInstance(sql)
  const names = ['@scope/Left_Pad', 'left-pad', 'not-left-pad', 'other']
  await instance.store(
    instance.seal(names.map((name) => ({ tenant: 'acme', startedAt: NOON, package: name }))),
  )
  await sql.unsafe(await readFile(join(MIGRATIONS_DIR, '0061-package-index.sql'), 'utf8'))
  return database
}

t.test('the index is built on partitions of before one by one, and new ones have it', async (t) => {
  const { sql, target } = await upgraded(t)
  t.equal(await isWhole(sql), false, 'the migration has looked at no partition')
  const lacking = await lackingPartitions(sql)
  t.same(lacking, ['access_log_20261123', 'access_log_20261122', 'access_log_20261121'])
  await ensurePartitions(sql, new Date('2026-11-25T00:00:00Z'), 1)
  t.same(await lackingPartitions(sql), lacking, 'a partition that is made now has it')
  const building = openControl(target, { max: 1, hasLongStatements: true })
  t.teardown(() => building.end({ timeout: 1 }))
  for (const partition of lacking) t.equal(await build(building, partition), true)
  t.same(await lackingPartitions(sql), [])
  t.equal(await isWhole(sql), true)
  t.equal(await build(building, 'access_log_20261121'), true, 'a second time changes nothing')
  t.equal(await build(building, 'access_log_20200101'), false, 'what retention has dropped')
  const plan = await sql.begin(async (tx) => {
    await tx`SET LOCAL enable_seqscan = off`
    return await tx`
      EXPLAIN SELECT * FROM access_log e WHERE ${packageKey(tx, tx`e.package`)} = 'left-pad' AND e.version = '1.3.0'
        AND e.package IS NOT NULL AND e.started_at > '2026-11-21'`
  })
  t.match(JSON.stringify(plan), /access_log_20261121_package/)
  const { entries } = await listEntries(sql, { package: 'LEFT-pad' }, { limit: 10 })
  t.same(
    new Set(entries.map((entry) => entry.package)),
    new Set(['@scope/Left_Pad', 'left-pad']),
    'any spelling',
  )
  const scoped = await listEntries(sql, { package: '@SCOPE/left.pad' }, { limit: 10 })
  t.same(
    scoped.entries.map((entry) => entry.package),
    ['@scope/Left_Pad'],
  )
})

t.test('a build that was broken off is begun anew', async (t) => {
  const { sql, target } = await upgraded(t)
  // What an index row cannot hold.
  await sql`
    UPDATE access_log SET package = (SELECT string_agg(md5(g::text), '') FROM generate_series(1, 400) g) WHERE package = 'other'`
  const building = openControl(target, { max: 1, hasLongStatements: true })
  t.teardown(() => building.end({ timeout: 1 }))
  await t.rejects(build(building, 'access_log_20261121'), { code: '54000' })
  await sql`UPDATE access_log SET package = 'other' WHERE length(package) > 9000`
  t.equal(await build(building, 'access_log_20261121'), true)
  t.notOk((await lackingPartitions(sql)).includes('access_log_20261121'))
})
