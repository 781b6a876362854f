import t from 'tap'
import { testDatabase } from '../../test/database.ts'
import { readDatabaseFigures } from './database-figures.ts'
import { rollUp } from './roll-up.ts'

t.test('keys that expire soon are counted, and batches that roll-ups have not taken in', async (t) => {
  const { sql } = await testDatabase(t)
  t.strictSame(await readDatabaseFigures(sql), {
    rollUpsAgeMs: 0,
    dueSlots: 0,
    keysExpiring: { '1d': 0, '7d': 0, '30d': 0 },
  })
  await sql`INSERT INTO tenants (slug) VALUES ('acme')`
  const days = [0.5, 3, 3, 20, 90, -1, null]
  for (const [i, expires] of days.entries()) {
    await sql`
      INSERT INTO api_keys (id, digest, tenant, name, scopes, created_at, expires_at)
      VALUES (${`k${i}`.padEnd(12, '0')}, ${String(i).repeat(64)}, 'acme', ${`k${i}`}, '{}', now() - interval '9 days',
        now() + ${expires}::float8 * interval '1 day')`
  }
  t.strictSame((await readDatabaseFigures(sql)).keysExpiring, { '1d': 1, '7d': 3, '30d': 4 })
  await sql`UPDATE api_keys SET rotated_to = 'k40000000000' WHERE id = 'k00000000000'`
  t.strictSame(
    (await readDatabaseFigures(sql)).keysExpiring,
    { '1d': 0, '7d': 2, '30d': 3 },
    'one that has a successor asks nobody for anything',
  )
  await rollUp(sql)
  t.ok((await readDatabaseFigures(sql)).rollUpsAgeMs < 60_000)
})
