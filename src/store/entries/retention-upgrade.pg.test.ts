import { copyFile, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { auditInstances } from '../audit/audit.ts'
import { migrate, MIGRATIONS_DIR } from '../migrate.ts'
import { closeSql, openControl } from '../sql.ts'
import { testDatabase } from '../../test/database.ts'
import { TestInstance } from '../../test/ledger.ts'

t.test(
  'D1: what was dropped before drops were recorded stays expired, and later days are covered',
  async (t) => {
    const database = await testDatabase(t)
    const sql = openControl(database.target, { max: 1, hasLongStatements: true })
    t.teardown(() => closeSql(sql, 1000))
    await sql`CREATE SCHEMA old`
    await sql`SELECT set_config('search_path', 'old', false)`
    const before = t.testdir({})
    for (const name of await readdir(MIGRATIONS_DIR)) {
      if (name < '0010') await copyFile(join(MIGRATIONS_DIR, name), join(before, name))
    }
    await migrate(sql, { migrationsDir: before, allowDestructive: false })
    for (const day of ['2025-03-08', '2025-03-09']) {
      const next = new Date(Date.parse(day) + 86_400_000).toISOString().slice(0, 10)
      await sql.unsafe(
        `CREATE TABLE access_log_${day.replaceAll('-', '')} PARTITION OF access_log FOR VALUES FROM ('${day} 00:00+00') TO ('${next} 00:00+00')`,
      )
    }
    const instance = new TestInstance(sql)
    for (const [i, day] of ['2025-03-08', '2025-03-09'].entries()) {
      await instance.store(
        instance.seal([{ tenant: 'acme', startedAt: new Date(`${day}T12:00:00Z`) }], { isFinal: i === 1 }),
      )
    }
    await sql`DROP TABLE access_log_20250308`
    await migrate(sql, { migrationsDir: MIGRATIONS_DIR, allowDestructive: false })
    const read = async () => {
      for await (const one of auditInstances(sql, {})) return one
      throw new Error('no instance')
    }
    const one = await read()
    t.match(one.accounts, [{ stored: 2, expired: 1 }])
    t.same(one.gaps, [])
    await sql`DROP TABLE access_log_20250309`
    t.match((await read()).gaps, [{ kind: 'rows_gone', entriesAtMost: 1 }])
  },
)
