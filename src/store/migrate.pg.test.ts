import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { migrate, MIGRATIONS_DIR, pendingMigrations } from './migrate.ts'
import { closeSql, openControl } from './sql.ts'
import { testDatabase } from '../test/database.ts'

const database = await testDatabase(t)
const { sql } = database
const dir = t.testdir({})

async function folder(name: string, files: Record<string, string>): Promise<string> {
  const path = join(dir, name)
  await rm(path, { recursive: true, force: true })
  await mkdir(path)
  for (const [file, text] of Object.entries(files)) await writeFile(join(path, file), text)
  return path
}

const options = { migrationsDir: MIGRATIONS_DIR, allowDestructive: false }

t.test('a migrated database is left alone', async (t) => {
  t.same(await migrate(sql, options), { applied: [] })
  t.same(await pendingMigrations(sql, MIGRATIONS_DIR), [])
})

t.test('eight processes at once run each migration exactly once', async (t) => {
  await sql`CREATE SCHEMA fresh`
  const handles = Array.from({ length: 8 }, () =>
    openControl(database.target, { max: 1, hasLongStatements: true }),
  )
  t.teardown(() => Promise.all(handles.map((handle) => closeSql(handle, 1000))))
  for (const handle of handles) await handle`SELECT set_config('search_path', 'fresh', false)`
  const results = await Promise.all(handles.map((handle) => migrate(handle, options)))
  const applied = results.flatMap((result) => result.applied)
  t.same(
    applied.sort(),
    (await sql`SELECT name FROM schema_migrations ORDER BY name`).map((row) => row['name']),
  )
})

t.test('refuses what it must, and changes nothing then', async (t) => {
  await sql`CREATE SCHEMA odd`
  const odd = openControl(database.target, { max: 1, hasLongStatements: true })
  t.teardown(() => closeSql(odd, 1000))
  await odd`SELECT set_config('search_path', 'odd', false)`
  const first = {
    '0001-a.sql': 'CREATE TABLE a (n int); CREATE TABLE b (n int);',
    'README.md': 'no migration',
  }
  const one = await folder('one', first)
  t.same(await migrate(odd, { migrationsDir: one, allowDestructive: false }), { applied: ['0001-a.sql'] })

  const altered = await folder('altered', { '0001-a.sql': 'CREATE TABLE a (n bigint)' })
  await t.rejects(migrate(odd, { migrationsDir: altered, allowDestructive: false }), {
    code: 'migration_altered',
  })

  const older = await folder('older', {})
  await t.rejects(migrate(odd, { migrationsDir: older, allowDestructive: false }), { code: 'database_newer' })

  const marked = await folder('marked', { ...first, '0002-b.sql': '-- destructive\nDROP TABLE b;' })
  await t.rejects(migrate(odd, { migrationsDir: marked, allowDestructive: false }), {
    code: 'migration_destructive',
  })
  t.same((await odd`SELECT to_regclass('odd.b') AS b`)[0], { b: 'b' })
  t.same(await migrate(odd, { migrationsDir: marked, allowDestructive: true }), { applied: ['0002-b.sql'] })

  const broken = await folder('broken', {
    ...first,
    '0002-b.sql': '-- destructive\nDROP TABLE b;',
    '0003-c.sql': 'CREATE TABLE c (n int); SELECT 1 / 0;',
  })
  await t.rejects(migrate(odd, { migrationsDir: broken, allowDestructive: false }), { code: '22012' })
  t.same(
    (await odd`SELECT to_regclass('odd.c') AS c`)[0],
    { c: null },
    'a failed migration leaves nothing behind',
  )
  t.same(await pendingMigrations(odd, broken), ['0003-c.sql'])
})

t.test('G6: an older program runs on what says that it can, and on nothing else', async (t) => {
  await sql`CREATE SCHEMA fleet`
  const fleet = openControl(database.target, { max: 1, hasLongStatements: true })
  t.teardown(() => closeSql(fleet, 1000))
  await fleet`SELECT set_config('search_path', 'fleet', false)`
  // As programs of before the column made it.
  await fleet`
    CREATE TABLE schema_migrations (
      name text PRIMARY KEY, sha256 text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())`
  const old = { '0001-a.sql': 'CREATE TABLE a (n int);', '0002-b.sql': 'CREATE TABLE b (n int);' }
  const oldest = await folder('v0', { '0001-a.sql': old['0001-a.sql'] })
  const before = await folder('v1', old)
  const compatible = '-- A column more.\n-- compatible-from: 0002\nALTER TABLE b ADD COLUMN m int;'
  const now = await folder('v2', { ...old, '0003-c.sql': compatible })
  const run = (migrationsDir: string) => migrate(fleet, { migrationsDir, allowDestructive: false })
  await run(before)
  t.same(await run(now), { applied: ['0003-c.sql'] })
  t.same(await run(before), { applied: [] }, 'the version before starts, and changes nothing')
  t.same(await pendingMigrations(fleet, before), [])
  await t.rejects(run(oldest), { code: 'database_newer', message: /0003-c/ }, 'one before that does not')

  const branch = await folder('branch', { ...old, '0002-d.sql': 'CREATE TABLE d (n int);' })
  await t.rejects(run(branch), { code: 'database_newer' }, 'nor does one that would change the newer schema')

  // Only the first comment counts: a line further down may be anything.
  const incompatible = 'ALTER TABLE b RENAME n TO o;\n-- compatible-from: 0001\n'
  const next = await folder('v3', { ...old, '0003-c.sql': compatible, '0004-e.sql': incompatible })
  t.same(await run(next), { applied: ['0004-e.sql'] })
  for (const dir of [before, now]) {
    await t.rejects(run(dir), { code: 'database_newer', message: /0004-e\.sql; install/ })
    await t.rejects(pendingMigrations(fleet, dir), { code: 'database_newer' })
  }
})

t.test('the program of before packages were told runs on the schema of now', async (t) => {
  const names = (await readdir(MIGRATIONS_DIR)).filter((name) => name < '0060')
  const texts = names.map(async (name) => [name, await readFile(join(MIGRATIONS_DIR, name), 'utf8')] as const)
  const before = await folder('before', Object.fromEntries(await Promise.all(texts)))
  t.same(await pendingMigrations(sql, before), [])
})

t.test('a table that somebody holds is waited for, and let go meanwhile', async (t) => {
  await sql`CREATE SCHEMA busy`
  const busy = openControl(database.target, { max: 1, hasLongStatements: true })
  t.teardown(() => closeSql(busy, 1000))
  await busy`SELECT set_config('search_path', 'busy', false), set_config('lock_timeout', '20ms', false)`
  await busy`CREATE TABLE held (n int)`
  const waiting = await folder('waiting', { '0001-a.sql': 'ALTER TABLE held ADD COLUMN m int;' })
  let migrating: Promise<{ applied: string[] }> | undefined
  await sql.begin(async (holder) => {
    await holder`SELECT * FROM busy.held`
    await new Promise<void>((resolve) => {
      const onProgress = (message: string) => {
        if (message.includes('waits')) resolve()
      }
      migrating = migrate(busy, { migrationsDir: waiting, allowDestructive: false, onProgress })
    })
  })
  t.same(await migrating, { applied: ['0001-a.sql'] })
})
