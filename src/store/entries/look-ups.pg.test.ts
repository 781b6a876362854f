import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { MIGRATIONS_DIR } from '../migrate.ts'
import { openControl } from '../sql.ts'
import { testDatabase } from '../../test/database.ts'
import { TestInstance } from '../../test/ledger.ts'
import { type EntryFilter, listEntries } from './entries.ts'
import { buildIndex, lackingIndexes } from './partition-indexes.ts'
import { ensurePartitions } from './partitions.ts'

const { sql, target } = await testDatabase(t)
const FIRST = new Date('2026-11-21T00:00:00Z')
await sql`DROP INDEX access_log_request, access_log_trace, access_log_rare`
await ensurePartitions(sql, FIRST, 3)
const instance = new TestInstance(sql)
await instance.store(
  instance.seal(
    Array.from({ length: 9000 }, (_, i) => ({
      tenant: 'acme',
      startedAt: new Date(FIRST.getTime() + i * 28_000),
      durationUs: i === 4000 ? 9_000_000 : 1000,
    })),
  ),
)
await sql`UPDATE access_log SET request_id = 'request-' || seq, trace_id = 'trace-' || seq, key_id = 'key-' || seq % 7`
await sql`UPDATE access_log SET status = 418, outcome = 'odd', key_id = 'rare', client_ip = '10.9.9.9' WHERE seq = 4001`
await sql.unsafe(await readFile(join(MIGRATIONS_DIR, '0071-look-ups.sql'), 'utf8'))

t.test('partitions of before get them one by one, and new ones have them', async (t) => {
  const lacking = await lackingIndexes(sql)
  t.equal(lacking.length, 9)
  await ensurePartitions(sql, new Date('2026-11-25T00:00:00Z'), 1)
  t.same(await lackingIndexes(sql), lacking, 'a partition that is made now has them')
  const building = openControl(target, { max: 1, hasLongStatements: true })
  t.teardown(() => building.end({ timeout: 1 }))
  for (const one of lacking)
    t.equal(await buildIndex(building, one), true, `${one.index} of ${one.partition}`)
  t.same(await lackingIndexes(sql), [])
  const invalid = await sql`SELECT FROM pg_index WHERE NOT indisvalid`
  t.equal(invalid.length, 0)
})

/** A look-up, and the index that has to answer it. */
const LOOK_UPS: readonly [EntryFilter, string, number][] = [
  [{ requestId: 'request-4001' }, 'request', 1],
  [{ requestId: 'nobody' }, 'request', 0],
  [{ traceId: 'trace-17' }, 'trace', 1],
  [{ keyId: 'rare' }, 'rare', 1],
  [{ clientIp: '10.9.9.9' }, 'rare', 1],
  [{ clientIp: '10.9.9.10' }, 'rare', 0],
  [{ status: '418' }, 'rare', 1],
  [{ status: '511' }, 'rare', 0],
  [{ outcome: 'odd' }, 'rare', 1],
  [{ slowerThanUs: 8_000_000 }, 'rare', 1],
]

t.test('a look-up takes its index, and reads few pages', async (t) => {
  const one = openControl(target, { max: 1 })
  t.teardown(() => one.end({ timeout: 1 }))
  await sql`ANALYZE access_log`
  // Nothing keeps PostgreSQL from reading partitions whole but what a look-up says itself; other indexes would do for so few rows.
  await one`SET enable_indexscan = off`
  await one`SET enable_indexonlyscan = off`
  const scans = async (suffix: string): Promise<number> => {
    await one`SELECT pg_stat_force_next_flush()`
    const [row] = await one<{ n: number }[]>`
      SELECT coalesce(sum(pg_stat_get_numscans(i.inhrelid)), 0)::int AS n FROM pg_inherits i
      WHERE i.inhparent = to_regclass(${`access_log_${suffix}`})`
    return row?.n ?? 0
  }
  for (const [filter, index, wanted] of LOOK_UPS) {
    const label = JSON.stringify(filter)
    const before = await scans(index)
    const { entries } = await listEntries(one, filter, { limit: 10 })
    t.equal(entries.length, wanted, label)
    t.ok((await scans(index)) > before, `${label} by ${index}`)
  }
})

t.test('a look-up leaves nothing behind on its connection', async (t) => {
  const one = openControl(target, { max: 1 })
  t.teardown(() => one.end({ timeout: 1 }))
  for (const filter of [{ requestId: 'nobody' }, { requestId: 'nobody', tenant: 'acme' }])
    t.same((await listEntries(one, filter, { limit: 10 })).entries, [])
  t.same([...(await one`SHOW enable_seqscan`)], [{ enable_seqscan: 'on' }])
})
