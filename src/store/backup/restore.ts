import type { Readable, Writable } from 'node:stream'
import { appliedMigrations, knownMigrations, migrate, MIGRATIONS_DIR } from '../migrate.ts'
import { attachPartition } from '../entries/partitions.ts'
import { mendHorizon } from '../figures/due.ts'
import { type Sql, sqlStateOf, type TransactionSql } from '../sql.ts'
import { BackupError, damaged, type BackupHead, type BackupTable } from './format.ts'
import { BackupReader, type TableSink } from './read.ts'
import { backupTables, lockTables, PARTITIONED, quoted } from './tables.ts'
import type { BackupSummary } from './write.ts'

/**
 * Tables that have rows in an unused database: put there by the migrations, or by a gateway that made partitions. The
 * backup's take their place.
 */
const SEEDED: ReadonlySet<string> = new Set([
  'access_log_identity',
  'access_log_partitions',
  'access_log_retention',
  'access_minutes_state',
  // Of a gateway that started: its signing key, how long rows are kept.
  'admin_log',
  'admin_log_head',
])

const PARTITION = new RegExp(`^(${PARTITIONED.join('|')})_(\\d{4})(\\d{2})(\\d{2})$`)

export interface RestoreOptions {
  /** Whether rows that are there give way to those of the backup; else a database that has any is refused. */
  readonly replaces: boolean
  readonly onProgress: (message: string) => void
}

/**
 * Restores a backup: migrates the database to where that one was, puts all rows into it in one transaction, whose commit comes after
 * every digest and the number of rows of every table have been compared, and migrates it on to what this program needs. Interrupted,
 * it leaves a database as it was, or an empty one of the schema. Rejects with a BackupError or StoreError that says what to do. Needs
 * a handle with one connection, and long statements.
 */
export async function restoreBackup(
  sql: Sql,
  source: Readable,
  options: RestoreOptions,
): Promise<BackupSummary> {
  const reader = new BackupReader(source)
  try {
    const head = await reader.head()
    await prepareSchema(sql, head, options)
    const rows = await sql.begin((tx) => restoreRows(tx, reader, head, options))
    const { onProgress } = options
    await migrate(sql, { migrationsDir: MIGRATIONS_DIR, allowDestructive: false, onProgress })
    // Or the first reports would be planned for empty tables.
    for (const { name } of head.tables) await sql`ANALYZE ${sql(name)}`
    return { takenAt: head.takenAt, tables: head.tables.length, rows }
  } finally {
    reader.destroy()
  }
}

/** Brings the schema to what it was where the backup was made. */
async function prepareSchema(sql: Sql, head: BackupHead, { onProgress }: RestoreOptions): Promise<void> {
  const known = new Map((await knownMigrations(MIGRATIONS_DIR)).map(({ name, sha256 }) => [name, sha256]))
  const foreign = head.migrations.find(({ name, sha256 }) => known.get(name) !== sha256)
  if (foreign !== undefined) {
    throw new BackupError(
      `the backup is of Waybill ${head.version.slice(0, 40)}, whose migration ${foreign.name.slice(0, 100)} this program does not have: restore it with that version, or a later one`,
    )
  }
  const names = new Set(head.migrations.map(({ name }) => name))
  const later = (await appliedMigrations(sql, MIGRATIONS_DIR)).filter(({ name }) => !names.has(name))
  if (later.length > 0) {
    throw new BackupError(
      `the database has been migrated further than the backup (${later.map(({ name }) => name).join(', ')}): restore into a new, empty database, which is migrated as it has to be`,
    )
  }
  await migrate(sql, { migrationsDir: MIGRATIONS_DIR, allowDestructive: true, only: names, onProgress })
}

/** Rows that were restored. */
async function restoreRows(
  tx: TransactionSql,
  reader: BackupReader,
  head: BackupHead,
  options: RestoreOptions,
): Promise<number> {
  const present = await backupTables(tx, MIGRATIONS_DIR)
  await lockTables(tx, present, {
    mode: 'ACCESS EXCLUSIVE',
    hint: 'stop the gateways of this database, and what else uses it',
  })
  await empty(tx, present, options)
  await makePartitions(tx, present, head)
  const tables = await backupTables(tx, MIGRATIONS_DIR)
  requireSame(head, tables)
  const columns = new Map(head.tables.map((table) => [table.name, table.columns]))
  await setLogging(tx, 'DISABLE')
  const expected = await reader.data(head, (table) => openTable(tx, table, columns.get(table) ?? []))
  let total = 0
  for (const { name } of head.tables) {
    const [counted] = await tx<{ n: number }[]>`SELECT count(*) AS n FROM ONLY ${tx(name)}`
    if (counted?.n !== expected[name])
      throw damaged(`${name} has ${counted?.n} rows instead of ${expected[name]}`)
    total += counted?.n ?? 0
  }
  await setLogging(tx, 'ENABLE')
  await continueIdentities(tx, head.tables)
  await mendHorizon(tx)
  return total
}

/** Takes out what a database has that was never used; refuses the rest, unless it is to be replaced. */
async function empty(
  tx: TransactionSql,
  tables: readonly BackupTable[],
  { replaces }: RestoreOptions,
): Promise<void> {
  const filled: string[] = []
  for (const { name } of tables) {
    const [row] = await tx<{ has_rows: boolean }[]>`SELECT EXISTS (SELECT FROM ONLY ${tx(name)}) AS has_rows`
    if (row?.has_rows === true) filled.push(name)
  }
  const used = filled.filter((name) => !SEEDED.has(name))
  if (used.length > 0 && !replaces) {
    throw new BackupError(
      `the database is not empty (${used.slice(0, 5).join(', ')} …): restore into a new one, or give --replace to throw away what it has, once its gateways are stopped`,
    )
  }
  if (filled.length === 0) return
  // Rows of tenants and keys are never removed, say their triggers; a restore is no removal.
  for (const { name } of tables) await tx`ALTER TABLE ${tx(name)} DISABLE TRIGGER USER`
  await tx.unsafe(`TRUNCATE ${tables.map(({ name }) => quoted(name)).join(', ')}`)
  for (const { name } of tables) await tx`ALTER TABLE ${tx(name)} ENABLE TRIGGER USER`
}

/** What comes back is no change: the admin log comes back with it. Another session sees nothing of this, the tables are locked. */
async function setLogging(tx: TransactionSql, state: 'ENABLE' | 'DISABLE'): Promise<void> {
  // A table with checks that wait for the commit cannot be altered: keys that refer to their successors.
  await tx`SET CONSTRAINTS ALL IMMEDIATE`
  const logged = await tx<{ name: string; trigger: string }[]>`
    SELECT c.relname AS name, t.tgname AS trigger FROM pg_class log JOIN pg_class c ON c.relnamespace = log.relnamespace
    JOIN pg_trigger t ON t.tgrelid = c.oid
    WHERE log.oid = to_regclass('access_log')
      AND t.tgname IN ('admin_log_row', 'admin_log_advance', 'access_minutes_stale_figures',
        'figures_usage_inserted', 'figures_usage_deleted')`
  for (const { name, trigger } of logged)
    await tx.unsafe(`ALTER TABLE ${quoted(name)} ${state} TRIGGER ${trigger}`)
}

/** Leaves exactly the partitions of the backup. */
async function makePartitions(
  tx: TransactionSql,
  present: readonly BackupTable[],
  head: BackupHead,
): Promise<void> {
  const wanted = new Set(head.tables.map(({ name }) => name))
  for (const { name } of present)
    if (PARTITION.test(name) && !wanted.has(name)) await tx`DROP TABLE ${tx(name)}`
  const there = new Set(present.map(({ name }) => name))
  for (const name of wanted) {
    const [, parent, year, month, day] = PARTITION.exec(name) ?? []
    if (parent === undefined || there.has(name)) continue
    const date = `${year}-${month}-${day}`
    if (parent === 'access_log') await attachPartition(tx, date)
    else await tx`SELECT delivery_partition(${parent}, ${date}::date)`
  }
}

/** The schema is of the same migrations; where it is not the same, one of the two was changed by hand. */
function requireSame(head: BackupHead, tables: readonly BackupTable[]): void {
  const columns = new Map(tables.map((table) => [table.name, new Set(table.columns)]))
  for (const { name, columns: wanted } of head.tables) {
    const found = columns.get(name)
    const missing = wanted.find((column) => found?.has(column) !== true)
    if (missing !== undefined) {
      throw new BackupError(
        `the backup has ${name}.${missing}, which is no part of Waybill's schema: remove it where it was added, and back up again`,
      )
    }
  }
}

async function openTable(tx: TransactionSql, name: string, columns: readonly string[]): Promise<TableSink> {
  const query = tx.unsafe(`COPY ${quoted(name)} (${columns.map(quoted).join(', ')}) FROM STDIN`)
  const sink: Writable = await query.writable()
  let failure: { readonly error: unknown } | null = null
  let onFailure = (): void => {}
  // postgres.js 3.4.9 tells of a COPY that is refused the query, whose promise was resolved with the stream, and the stream only
  // while it is open: without this the end of a table that is refused would be waited for in vain.
  const fail = (error: unknown): void => {
    failure ??= { error }
    onFailure()
  }
  void Object.assign(query, { reject: fail })
  sink.on('error', fail)
  const ended = (begin: (done: () => void) => void): Promise<void> =>
    new Promise((resolve) => {
      onFailure = resolve
      if (failure === null) begin(resolve)
      else resolve()
    })
  const throwIfRefused = (): void => {
    if (failure !== null) throw refusedRows(name, failure.error)
  }
  return {
    write: async (chunk) => {
      await ended((done) => void sink.write(chunk, done))
      throwIfRefused()
    },
    end: async () => {
      await ended((done) => void sink.end(done))
      throwIfRefused()
    },
    abort: () => {
      if (failure === null && !sink.writableFinished) sink.destroy(new Error('the backup is not whole'))
    },
  }
}

/** What the server says of a row that it does not take, and what to look at. */
function refusedRows(table: string, error: unknown): unknown {
  const state = sqlStateOf(error)
  if (state === null || !/^(?:2[23]|WB)/.test(state)) return error
  return new BackupError(
    `the database refuses rows of ${table}: ${(error as Error).message} (SQLSTATE ${state}); nothing was restored. Is the file as it was written? "tar -xf" it, and "sha256sum -c SHA256SUMS" tells`,
    { cause: error },
  )
}

/** Numbers that the database gives go on behind the highest that was restored. */
async function continueIdentities(tx: TransactionSql, tables: readonly BackupTable[]): Promise<void> {
  for (const { name } of tables) {
    const columns = await tx<{ column: string; sequence: string }[]>`
      SELECT a.attname AS column, pg_get_serial_sequence(quote_ident(${name}::text), a.attname) AS sequence
      FROM pg_attribute a WHERE a.attrelid = to_regclass(quote_ident(${name}::text)) AND a.attidentity <> ''`
    for (const { column, sequence } of columns) {
      await tx`SELECT setval(${sequence}::text::regclass, max(${tx(column)})) FROM ${tx(name)} HAVING count(*) > 0`
    }
  }
}
