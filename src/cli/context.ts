import { resolve } from 'node:path'
import type { Config } from '../config.ts'
import { startEmbeddedPostgres } from '../embedded/postgres.ts'
import { parseDatabaseUrl, type DatabaseTarget } from '../model/database-target.ts'
import { MIGRATIONS_DIR, migrate, pendingMigrations } from '../store/migrate.ts'
import { readClock } from '../store/retention.ts'
import { closeSql, openControl, openReader, type Sql } from '../store/sql.ts'
import { readConfig, type Flags } from './configuration.ts'
import { databaseError, isSchemaError } from './database-errors.ts'
import { UsageError, CommandError } from './errors.ts'
import type { ExitCode, Io } from './io.ts'
import { Problems } from './problems.ts'

/** A database that a command has opened. */
export interface OpenDatabase {
  readonly sql: Sql
  readonly config: Config
}

/** `control` may change things; `reader` is read only, its statements bounded by `database.statementTimeoutMs`. */
export type Handle = 'control' | 'reader' | 'migrations'

const CLOSE_TIMEOUT_MS = 5000

/**
 * Opens the database that the configuration names, or the embedded one, gives it to `use` and closes it whatever happens.
 * The embedded one is migrated first (it has no other owner); one behind a URL is not: a missing schema becomes an error
 * that names `waybill migrate`. Database failures are rejected as `CommandError` of one line without password.
 */
export async function withDatabase(
  io: Io,
  flags: Flags,
  handle: Handle,
  use: (database: OpenDatabase) => Promise<ExitCode>,
): Promise<ExitCode> {
  const config = readConfig(io, flags, { ignoreRoutes: true })
  if (config.options['database.url'] !== '') {
    return await withTarget(urlTarget(config, handle), config, handle, use)
  }
  const embedded = await startEmbeddedPostgres({
    stateDir: resolve(io.cwd, config.options.stateDir),
    onProgress: progressTo(io),
  })
  try {
    const target: DatabaseTarget = { ...embedded.connection, password: null, tls: 'disable' }
    if (handle !== 'migrations') {
      const options = { migrationsDir: MIGRATIONS_DIR, allowDestructive: false, onProgress: progressTo(io) }
      await withTarget(target, config, 'migrations', ({ sql }) => migrate(sql, options))
    }
    return await withTarget(target, config, handle, use)
  } finally {
    await embedded.stop()
  }
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

async function withTarget<T>(
  target: DatabaseTarget,
  config: Config,
  handle: Handle,
  use: (database: OpenDatabase) => Promise<T>,
): Promise<T> {
  const sql = openHandle(target, config, handle)
  try {
    return await use({ sql, config })
  } catch (error) {
    if (isSchemaError(error) && (await isBehind(sql))) {
      throw new CommandError(
        `the database at ${target.host}:${target.port} lacks Waybill's schema, or has an older one: run "waybill migrate"`,
        { cause: error },
      )
    }
    throw databaseError(error, target) ?? error
  } finally {
    await closeSql(sql, CLOSE_TIMEOUT_MS)
  }
}

function openHandle(target: DatabaseTarget, config: Config, handle: Handle): Sql {
  switch (handle) {
    case 'control':
      return openControl(target, { applicationName: 'waybill cli', max: 1 })
    case 'migrations':
      return openControl(target, { applicationName: 'waybill migrate', max: 1, hasLongStatements: true })
    case 'reader':
      return openReader(target, { statementTimeoutMs: config.options['database.statementTimeoutMs'], max: 1 })
  }
}

/** A missing table or column may be our own mistake as well: only pending migrations prove that it is not. */
async function isBehind(sql: Sql): Promise<boolean> {
  try {
    return (await pendingMigrations(sql, MIGRATIONS_DIR)).length > 0
  } catch {
    // The first error is the one to report.
    return false
  }
}
