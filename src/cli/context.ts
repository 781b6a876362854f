import { resolve } from 'node:path'
import type { Config } from '../config/config.ts'
import { workerCount } from '../config/worker-count.ts'
import { hasDatabase } from '../embedded/postgres-layout.ts'
import { startEmbeddedPostgres } from '../embedded/postgres.ts'
import { isEmbedded, parseDatabaseUrl, type DatabaseTarget } from '../model/database-target.ts'
import { embeddedSettings } from '../serve/control-plane/connections.ts'
import { isSchemaError } from '../store/database-errors.ts'
import { StoreError } from '../store/errors.ts'
import { MIGRATIONS_DIR, pendingMigrations } from '../store/migrate.ts'
import { readClock } from '../store/entries/retention.ts'
import { closeSql, openControl, openReader, sqlStateOf, type Sql } from '../store/sql.ts'
import { cliActor } from './cli-actor.ts'
import { printWarnings, readConfig, type Flags } from './configuration.ts'
import { databaseError } from './database-errors.ts'
import { CommandError, NoDatabaseError, UsageError } from './errors.ts'
import type { ExitCode, Io } from './output/io.ts'
import { Problems } from './problems.ts'
import { escapeUnsafe } from './output/text.ts'

/** A database that a command has opened. */
export interface OpenDatabase {
  readonly sql: Sql
  readonly config: Config
  /** Which one it is, in the words in which it was configured, without password. */
  readonly name: string
}

/**
 * `control` may change things; `reader` is read only, its statements bounded by `database.statementTimeoutMs`; those of `backup` and
 * `migrations` take as long as they need.
 */
export type Handle = 'control' | 'reader' | 'backup' | 'migrations'

const CLOSE_TIMEOUT_MS = 5000

/**
 * Opens the database that the configuration names, or the embedded one, gives it to `use` and always closes it. Only
 * for `migrations` is an embedded one made where there is none: else a command in a wrong folder would report on, or mint a key
 * of, an empty database. A missing schema becomes an error that names `waybill migrate`, an older one a note. Rejects with
 * `NoDatabaseError`, and with database failures as `CommandError` of one line without password.
 */
export async function withDatabase(
  io: Io,
  flags: Flags,
  handle: Handle,
  use: (database: OpenDatabase) => Promise<ExitCode>,
): Promise<ExitCode> {
  refuseApi(io, flags)
  const config = readConfig(io, flags, { ignoreRoutes: true })
  printWarnings(io, config)
  if (!isEmbedded(config.options['database.url'])) {
    const target = urlTarget(config, handle)
    const name = `${target.database} at ${target.host}:${target.port}`
    return await withTarget(io, { target, name, config, handle }, use)
  }
  const stateDir = resolve(io.cwd, config.options.stateDir)
  if (handle !== 'migrations' && !hasDatabase(stateDir)) throw new NoDatabaseError(stateDir)
  // A gateway may come and find it running.
  const settings = embeddedSettings(workerCount(config))
  const embedded = await startEmbeddedPostgres({ stateDir, onProgress: progressTo(io), settings })
  try {
    const target: DatabaseTarget = { ...embedded.connection, password: null, tls: 'disable' }
    return await withTarget(io, { target, name: `the embedded one in ${stateDir}`, config, handle }, use)
  } finally {
    await embedded.stop()
  }
}

/** Why a command cannot do by the API what it does; others come here where they are not told of one. */
const WHY_NOT: Readonly<Record<string, string>> = {
  migrate: 'it changes the schema',
  backup: 'it copies tables whole',
  restore: 'it writes tables whole',
  identify: 'it rewrites rows of the access log',
  usage: '--upstream-budget has no operation',
  deliveries: '--body and --to read what was sent, which the API does not show',
  'admin-log': '--verify computes the chain from every record anew',
}

/** Throws a `UsageError` where the command was told to ask the API. */
function refuseApi(io: Io, flags: Flags): void {
  const { url } = flags as { readonly url?: string }
  if (url === undefined && (io.env['WAYBILL_URL'] ?? '') === '') return
  const name = io.argv[0] ?? ''
  throw new UsageError([
    `${name} needs the database itself: ${WHY_NOT[name] ?? 'there is no operation of the API for it'}; unset ${url === undefined ? 'WAYBILL_URL' : '--url'} and set DATABASE_URL`,
  ])
}

/** For reports, whose numbers mean nothing without it: names the database on stderr, apart from the data. */
export function nameDatabase(io: Io, { name }: OpenDatabase): void {
  io.stderr.write(`database: ${escapeUnsafe(name)}\n`)
}

/**
 * Reads flags that may hold a time ("1h", "90d") again by the database's clock, which is what entries and expiries go by:
 * that of the machine where a command is typed may be wrong. Throws a `UsageError` as the first reading does.
 */
export async function readByDatabase<T>(
  io: Io,
  sql: Sql,
  read: (nowMs: number, problems: Problems) => T,
): Promise<T> {
  const problems = new Problems()
  const { databaseMs } = await readClock(sql, () => io.now())
  const value = read(databaseMs, problems)
  problems.throwIfAny()
  return value
}

/** Shows progress on stderr, where a person is watching. */
export function progressTo(io: Io): (message: string) => void {
  return (message) => {
    if (io.isTty.stderr) io.stderr.write(`${message}\n`)
  }
}

function urlTarget(config: Config, handle: Handle): DatabaseTarget {
  const { 'database.url': url, 'database.readerUrl': readerUrl } = config.options
  const isReader = handle === 'reader' && readerUrl !== ''
  try {
    return parseDatabaseUrl(isReader ? readerUrl : url)
  } catch (error) {
    throw new UsageError([
      `${isReader ? 'database.readerUrl' : 'database.url'}: ${(error as RangeError).message}`,
    ])
  }
}

/** A database to be opened. */
interface Place {
  readonly target: DatabaseTarget
  readonly name: string
  readonly config: Config
  readonly handle: Handle
}

async function withTarget<T>(
  io: Io,
  { target, name, config, handle }: Place,
  use: (database: OpenDatabase) => Promise<T>,
): Promise<T> {
  const sql = openHandle(io, { target, name, config, handle })
  try {
    if (handle !== 'migrations' && (await schemaState(sql)) === 'older') {
      io.stderr.write(
        `note: the schema of database ${escapeUnsafe(name)} is older than this program: "waybill migrate" brings it up to date\n`,
      )
    }
    return await use({ sql, config, name })
  } catch (error) {
    if (isSchemaError(error) && (await schemaState(sql).catch(() => null)) !== null) {
      throw new CommandError(
        `the database ${name} lacks Waybill's schema, or has an older one: run "waybill migrate"`,
        { cause: error },
      )
    }
    throw databaseError(error, target) ?? error
  } finally {
    await closeSql(sql, CLOSE_TIMEOUT_MS)
  }
}

function openHandle(io: Io, { target, config, handle }: Place): Sql {
  const actor = cliActor(io)
  switch (handle) {
    case 'control':
      return openControl(target, { applicationName: 'waybill cli', max: 1, actor })
    case 'backup':
      return openControl(target, {
        applicationName: 'waybill backup',
        max: 1,
        hasLongStatements: true,
        actor,
      })
    case 'migrations':
      return openControl(target, {
        applicationName: 'waybill migrate',
        max: 1,
        hasLongStatements: true,
        actor,
      })
    case 'reader':
      return openReader(target, { statementTimeoutMs: config.options['database.statementTimeoutMs'], max: 1 })
  }
}

/**
 * Whether the schema is older than this program, or is not there at all; null when it is neither, or may not be looked at. A missing
 * table or column may be our own mistake as well: only pending migrations prove that it is not.
 */
async function schemaState(sql: Sql): Promise<'older' | 'missing' | null> {
  try {
    const pending = await pendingMigrations(sql, MIGRATIONS_DIR)
    if (pending.length === 0) return null
    return pending[0]?.startsWith('0001-') === true ? 'missing' : 'older'
  } catch (error) {
    // What was asked for says better what is wrong, and may be permitted where this is not.
    if (sqlStateOf(error) !== null || error instanceof StoreError) return null
    throw error
  }
}
