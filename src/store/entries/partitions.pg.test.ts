import t from 'tap'
import { ensurePartitionFor, ensurePartitions, oldestPartitionMs } from './partitions.ts'
import { closeSql, openControl } from '../sql.ts'
import { testDatabase } from '../../test/database.ts'

const { sql, target } = await testDatabase(t)

async function attached(): Promise<string[]> {
  const rows = await sql<{ name: string }[]>`
    SELECT inhrelid::regclass::text AS name FROM pg_inherits WHERE inhparent = 'access_log'::regclass ORDER BY 1`
  return rows.map((row) => row.name)
}

function insertAt(time: string) {
  return sql`
    INSERT INTO access_log (id, started_at, status, outcome, bytes_received, bytes_sent, duration_us, instance, seq)
    VALUES (gen_random_uuid(), ${time}::text::timestamptz, 200, 'forwarded', 0, 0, 0, gen_random_uuid(), 1)`
}

t.test('missing days are made once, by however many processes', async (t) => {
  const handles = Array.from({ length: 6 }, () => openControl(target, { max: 1 }))
  t.teardown(() => Promise.all(handles.map((handle) => closeSql(handle, 1000))))
  const from = new Date('2026-02-27T23:59:59.999Z')
  const made = await Promise.all(handles.map((handle) => ensurePartitions(handle, from, 3)))
  t.same(made.flat().sort(), ['access_log_20260227', 'access_log_20260228', 'access_log_20260301'])
  t.same(await attached(), ['access_log_20260227', 'access_log_20260228', 'access_log_20260301'])
  t.same(await ensurePartitions(sql, from, 3), [])
  t.equal(await oldestPartitionMs(sql), Date.parse('2026-02-27'))
})

t.test('a partition holds exactly its UTC day, has the indexes and is vacuumed early', async (t) => {
  await insertAt('2026-02-28 00:00:00+00')
  await insertAt('2026-02-28 23:59:59.999999+00')
  t.same(await sql`SELECT count(*) FROM access_log_20260228`, [{ count: 2 }])
  await t.rejects(insertAt('2026-03-02 00:00:00+00'), { code: '23514' })
  const [row] = await sql<{ options: string; indexes: number; wanted: number }[]>`
    SELECT array_to_string(c.reloptions, ',') AS options, (SELECT count(*) FROM pg_index i WHERE i.indrelid = c.oid) AS indexes,
      (SELECT count(*) FROM pg_index i WHERE i.indrelid = 'access_log'::regclass) AS wanted
    FROM pg_class c WHERE c.oid = 'access_log_20260228'::regclass`
  t.match(row?.options, 'autovacuum_vacuum_insert_scale_factor=0.02')
  t.ok((row?.wanted ?? 0) >= 3)
  t.equal(row?.indexes, row?.wanted, 'those of the whole table')
})

t.test('a day that an entry needs is made on the spot; what is no day is refused', async (t) => {
  await ensurePartitionFor(sql, ['2026-03-09', '2026-03-09'])
  await insertAt('2026-03-09 12:00:00+00')
  for (const day of ['2026-02-30', '20260301', "2026-03-01'; DROP TABLE tenants; --", '']) {
    await t.rejects(ensurePartitionFor(sql, [day]), RangeError)
  }
})

t.test('making a partition does not wait for a long reader', async (t) => {
  await sql.begin(async (reader) => {
    await reader`SELECT count(*) FROM access_log`
    t.same(await ensurePartitions(sql, new Date('2026-03-10'), 1), ['access_log_20260310'])
  })
})

t.test('a day whose detachment was interrupted can be used again', async (t) => {
  await sql.begin(async (reader) => {
    await reader`SELECT count(*) FROM access_log`
    const impatient = openControl(target, { max: 1 })
    t.teardown(() => closeSql(impatient, 1000))
    await impatient`SET lock_timeout = '50ms'`
    await t.rejects(impatient`ALTER TABLE access_log DETACH PARTITION access_log_20260301 CONCURRENTLY`, {
      code: '55P03',
    })
  })
  await ensurePartitionFor(sql, ['2026-03-01'])
  await insertAt('2026-03-01 12:00:00+00')
})
