import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { until } from '../lib/time/sleep.ts'
import { fileURLToPath } from 'node:url'
import { StoreError } from './errors.ts'
import { type Sql, sqlStateOf, type TransactionSql } from './sql.ts'

/** The folder of the product's migrations: beside `dist/` or `src/`, whichever this file is run from. */
export const MIGRATIONS_DIR = findMigrationsDir(dirname(fileURLToPath(import.meta.url)))

/** Any fixed number that nothing else in the database uses: "waybill" on a phone's keys. */
const LOCK_KEY = 9_299_455

const LOCK_WAIT_MS = 120_000
const LOCK_POLL_MS = 200
const OLDEST_POSTGRES = 150_000

/** First line of a migration that destroys data. */
const DESTRUCTIVE_MARK = '-- destructive'

/**
 * A line of a migration's first comment, `-- compatible-from: 0010`: programs whose newest migration has this number, or a
 * later one, run on the schema that it leaves. Without the line only programs that know the migration do.
 */
const COMPATIBLE_FROM = /^-- compatible-from: (\d{4})$/m

export interface MigrateOptions {
  readonly migrationsDir: string
  /** Whether migrations marked as destroying data may run. */
  readonly allowDestructive: boolean
  /** Only these, which a backup names that is to be restored; all unless told. */
  readonly only?: ReadonlySet<string>
  readonly onProgress?: (message: string) => void
}

/** A migration by its file. */
export interface AppliedMigration {
  readonly name: string
  readonly sha256: string
}

interface Migration {
  readonly name: string
  readonly text: string
  readonly sha256: string
  /** Number of the oldest migration whose program can still run; null for no older one. */
  readonly compatibleFrom: string | null
}

/**
 * Brings the database to the product's schema and returns the names of the migrations it ran: none when it is up to date.
 * One transaction each, under an advisory lock, so that any number of processes may call it at once; each waits up to two
 * minutes for another's migration. Forward only. Rejects with a StoreError `migration_altered` (a file that was run has changed
 * since), `database_newer` (the database has migrations that the product does not know, and that do not say that it can run
 * with them), `migration_destructive`, `migration_locked` or `postgres_too_old`. Needs a handle that permits long statements (`openControl`).
 */
export async function migrate(sql: Sql, options: MigrateOptions): Promise<{ applied: string[] }> {
  const migrations = await readMigrations(options.migrationsDir)
  await checkServer(sql)
  const applied: string[] = []
  for (const migration of await pending(sql, migrations)) {
    if (options.only?.has(migration.name) === false) continue
    if (migration.text.startsWith(DESTRUCTIVE_MARK) && !options.allowDestructive) {
      throw new StoreError(
        'migration_destructive',
        `migration ${migration.name} destroys data: back up, then run it with --allow-destructive`,
      )
    }
    const startedAt = performance.now()
    if (await applyLocked(sql, migration, options.onProgress)) {
      applied.push(migration.name)
      options.onProgress?.(
        `migration ${migration.name} applied in ${Math.round(performance.now() - startedAt)} ms`,
      )
    }
  }
  return { applied }
}

/** The product's migrations that the database lacks; empty when it is up to date. Rejects as `migrate` does; changes nothing. */
export async function pendingMigrations(sql: Sql, migrationsDir: string): Promise<string[]> {
  const migrations = await pending(sql, await readMigrations(migrationsDir))
  return migrations.map((migration) => migration.name)
}

/** What has been run on the database, by name. Rejects as `migrate` does where the program does not know all of it. */
export async function appliedMigrations(sql: Sql, migrationsDir: string): Promise<AppliedMigration[]> {
  const migrations = await readMigrations(migrationsDir)
  const missing = new Set((await pending(sql, migrations)).map(({ name }) => name))
  const names = new Set(migrations.map(({ name }) => name))
  const known = migrations.filter(({ name }) => !missing.has(name))
  const foreign =
    known.length === 0 ? [] : await sql<{ name: string }[]>`SELECT name FROM schema_migrations ORDER BY name`
  const unknown = foreign.filter(({ name }) => !names.has(name))
  if (unknown.length > 0) {
    throw new StoreError(
      'database_newer',
      `the database is newer than this program, which does not know what ${unknown.map(({ name }) => name).join(', ')} has added: use the version that ran it, or a later one`,
    )
  }
  return known.map(({ name, sha256 }) => ({ name, sha256 }))
}

/** Migrations of this program, by name. */
export async function knownMigrations(migrationsDir: string): Promise<AppliedMigration[]> {
  return (await readMigrations(migrationsDir)).map(({ name, sha256 }) => ({ name, sha256 }))
}

async function readMigrations(dir: string): Promise<Migration[]> {
  const names = (await readdir(dir)).filter((name) => /^\d{4}-[a-z0-9-]+\.sql$/.test(name)).sort()
  return await Promise.all(
    names.map(async (name) => {
      const text = await readFile(join(dir, name), 'utf8')
      const compatibleFrom = COMPATIBLE_FROM.exec(firstComment(text))?.[1] ?? null
      return { name, text, sha256: createHash('sha256').update(text).digest('hex'), compatibleFrom }
    }),
  )
}

async function checkServer(sql: Sql): Promise<void> {
  const [row] = await sql<{ version: number }[]>`SELECT current_setting('server_version_num')::int AS version`
  if (row !== undefined && row.version >= OLDEST_POSTGRES) return
  throw new StoreError('postgres_too_old', 'PostgreSQL 15 or newer is required')
}

async function pending(sql: Sql | TransactionSql, migrations: readonly Migration[]): Promise<Migration[]> {
  const [table] = await sql<
    { exists: boolean }[]
  >`SELECT to_regclass('schema_migrations') IS NOT NULL AS exists`
  if (table?.exists !== true) return [...migrations]
  // By way of JSON: a table that an older program made lacks the column.
  const rows = await sql<{ name: string; sha256: string; compatible_from: string | null }[]>`
    SELECT m.name, m.sha256, to_jsonb(m)->>'compatible_from' AS compatible_from FROM schema_migrations m ORDER BY m.name`
  const known = new Map(rows.map((row) => [row.name, row.sha256]))
  const files = new Set(migrations.map((migration) => migration.name))
  const newest = migrations.at(-1)?.name.slice(0, 4) ?? ''
  const missing = migrations.filter((migration) => !known.has(migration.name))
  const foreign = rows.filter(({ name }) => !files.has(name))
  const incompatible = foreign.filter(
    ({ compatible_from: from }) => from === null || newest < from || missing.length > 0,
  )
  if (incompatible.length > 0) {
    throw new StoreError(
      'database_newer',
      `the database is newer than this program, which cannot run with ${incompatible.map(({ name }) => name).join(', ')}; install the version that made it, or a later one (see docs/upgrade.md)`,
    )
  }
  for (const { name, sha256 } of migrations) {
    if (known.has(name) && known.get(name) !== sha256) {
      throw new StoreError(
        'migration_altered',
        `migration ${name} was changed after it had been run on this database`,
      )
    }
  }
  return missing
}

/** The lines before the first that is no comment. */
function firstComment(text: string): string {
  return /^(?:--[^\n]*\n)*/.exec(text)?.[0] ?? ''
}

/**
 * Runs one migration, unless another process was faster (false). The lock belongs to the transaction, not to the session:
 * that also works through a pooler. It is tried, not waited for, so that the wait is bounded and shown.
 */
async function applyLocked(
  sql: Sql,
  migration: Migration,
  onProgress: ((message: string) => void) | undefined,
): Promise<boolean> {
  let outcome: 'locked' | 'present' | 'applied' | null = null
  const isDone = async (): Promise<boolean> => {
    const isFirst = outcome === null
    outcome = await sql.begin((tx) => applyInTransaction(tx, migration)).catch(lockedOrThrow)
    if (outcome !== 'locked') return true
    if (isFirst) onProgress?.(`migration ${migration.name} waits for what other sessions are doing`)
    return false
  }
  if (await until(isDone, { everyMs: LOCK_POLL_MS, ms: LOCK_WAIT_MS })) return outcome === 'applied'
  throw new StoreError(
    'migration_locked',
    `migration ${migration.name} has waited two minutes for another process's migration or a lock on a table`,
  )
}

/** A table that a long reader holds is let go and tried again (`lock_timeout`), or everybody would queue behind the migration. */
function lockedOrThrow(error: unknown): 'locked' {
  if (sqlStateOf(error) === '55P03') return 'locked'
  throw error
}

async function applyInTransaction(
  tx: TransactionSql,
  migration: Migration,
): Promise<'locked' | 'present' | 'applied'> {
  const [lock] = await tx<{ taken: boolean }[]>`SELECT pg_try_advisory_xact_lock(${LOCK_KEY}) AS taken`
  if (lock?.taken !== true) return 'locked'
  await tx`
    CREATE TABLE IF NOT EXISTS schema_migrations (
      name       text        PRIMARY KEY,
      sha256     text        NOT NULL,
      applied_at timestamptz NOT NULL DEFAULT now(),
      compatible_from text
    )`
  const present = await tx`SELECT FROM schema_migrations WHERE name = ${migration.name}`
  if (present.length > 0) return 'present'
  await tx.unsafe(migration.text)
  const { name, sha256, compatibleFrom } = migration
  const column = await tx`
    SELECT FROM pg_attribute
    WHERE attrelid = to_regclass('schema_migrations') AND attname = 'compatible_from' AND NOT attisdropped`
  if (column.length === 0) await tx`ALTER TABLE schema_migrations ADD COLUMN compatible_from text`
  await tx`
    INSERT INTO schema_migrations (name, sha256, compatible_from) VALUES (${name}, ${sha256}, ${compatibleFrom})`
  return 'applied'
}

function findMigrationsDir(from: string): string {
  for (let dir = from; dir !== dirname(dir); dir = dirname(dir)) {
    const candidate = join(dir, 'migrations')
    if (existsSync(join(candidate, '0001-tenants-and-keys.sql'))) return candidate
  }
  return join(from, '../../migrations')
}
