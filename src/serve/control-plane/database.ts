import { resolve } from 'node:path'
import type { StateReason } from '../../admin/handlers.ts'
import type { Config } from '../../config/config.ts'
import { workerCount } from '../../config/worker-count.ts'
import { Periodic, tellFailures } from '../../lib/time/periodic.ts'
import type { Logger } from '../../logger/logger.ts'
import { isEmbedded, parseDatabaseUrl, type DatabaseTarget } from '../../model/database-target.ts'
import { MIGRATIONS_DIR, migrate, pendingMigrations } from '../../store/migrate.ts'
import { ensureSigningKey } from '../../store/directory/signing-keys.ts'
import { ensurePartitions } from '../../store/entries/partitions.ts'
import { readClock } from '../../store/entries/retention.ts'
import { dropExpiredCalls } from '../../store/idempotency/kept-calls.ts'
import { closeSql, openControl, sqlStateOf, type Sql } from '../../store/sql.ts'
import { StoreError } from '../../store/errors.ts'
import { connectionsNeeded, embeddedSettings } from './connections.ts'
import { DatabaseChecks } from './database-checks.ts'
import { gatewayActor, RetentionUpkeep } from './retention-upkeep.ts'

/** The database that the configuration names, or the embedded one, started. */
export interface GatewayDatabase {
  readonly target: DatabaseTarget
  readonly readerTarget: DatabaseTarget
  /** Lets go of the embedded server; nothing for any other. Idempotent. */
  release(): Promise<void>
}

/** Finds or starts the database. Rejects when the embedded one cannot be started. */
export async function openGatewayDatabase(
  config: Config,
  onProgress: (message: string) => void,
): Promise<GatewayDatabase> {
  const { 'database.url': url, 'database.readerUrl': readerUrl, stateDir } = config.options
  if (!isEmbedded(url)) {
    const target = parseDatabaseUrl(url)
    const readerTarget = readerUrl === '' ? target : parseDatabaseUrl(readerUrl)
    return { target, readerTarget, release: () => Promise.resolve() }
  }
  const { startEmbeddedPostgres } = await import('../../embedded/postgres.ts')
  const settings = embeddedSettings(workerCount(config))
  const embedded = await startEmbeddedPostgres({ stateDir: resolve(stateDir), onProgress, settings })
  const target: DatabaseTarget = { ...embedded.connection, password: null, tls: 'disable' }
  return { target, readerTarget: target, release: () => embedded.stop() }
}

const DAY_MS = 86_400_000
const UPKEEP_INTERVAL_MS = 3_600_000
const RETRY_MIN_MS = 200
const RETRY_MAX_MS = 10_000
const STOP_TIMEOUT_MS = 15_000

/**
 * A refusal that waiting does not mend: a wrong password or database name (SQLSTATE class 28, 3D000), a pooler that does not take
 * the session's settings (08P01), a schema that is not ours.
 */
export function isFatalDatabaseError(error: unknown): boolean {
  const state = sqlStateOf(error)
  if (state !== null) return state.startsWith('28') || state === '3D000' || state === '08P01'
  return error instanceof StoreError && error.code !== 'partition_failed' && error.code !== 'migration_locked'
}

/**
 * Keeps the schema and the daily partitions as they should be: migrates once, makes partitions ahead and drops expired ones
 * every hour. While the database is away it tries again, with back-off; the gateway serves meanwhile.
 */
export class DatabaseUpkeep {
  /** For all short statements of the gateway, not only for those of the upkeep. Whoever has it closes it. */
  readonly control: Sql
  readonly #target: DatabaseTarget
  readonly #partitionsAheadDays: number
  readonly #retention: RetentionUpkeep
  readonly #checks: DatabaseChecks
  readonly #logger: Logger
  readonly #now: () => number
  readonly #runs: Periodic
  #isMigrated = false
  /** Of the first attempt: where it tells what it does. */
  #onProgress: (message: string) => void = () => {}
  #isFirst = true
  #started: Promise<boolean> | null = null

  constructor(parts: {
    target: DatabaseTarget
    options: { retentionDays: number; partitionsAheadDays: number; maxClockOffsetMs: number }
    checks: DatabaseChecks
    logger: Logger
    /** Epoch milliseconds; `Date.now` unless told. */
    now?: () => number
  }) {
    this.#target = parts.target
    const actor = gatewayActor('waybill serve')
    this.control = openControl(parts.target, { actor })
    this.#checks = parts.checks
    this.#partitionsAheadDays = parts.options.partitionsAheadDays
    this.#logger = parts.logger
    this.#now = parts.now ?? Date.now
    const { target, options, logger } = parts
    this.#retention = new RetentionUpkeep({ target, options, logger, now: this.#now })
    const lines = tellFailures(logger, {
      failed: 'database upkeep failed; trying again',
      well: 'database is back',
    })
    this.#runs = new Periodic({
      run: () => this.#once(),
      intervalMs: UPKEEP_INTERVAL_MS,
      pace: 'rest',
      backoff: { minMs: RETRY_MIN_MS, maxMs: RETRY_MAX_MS },
      ...lines,
      onFailure: (failed) => {
        // What is fatal at the start is thrown by it, and not tried again.
        if (!this.#isFirst || !isFatalDatabaseError(failed.error)) lines.onFailure(failed)
      },
    })
  }

  /** What is not as it should be of the database, although it serves. */
  get warnings(): readonly StateReason[] {
    return this.#checks.warnings
  }

  /**
   * First attempt, awaited; later ones go on in the background. Resolves false when the database is away, rejects when it
   * refused for good. A second call returns the same promise: so the database can be asked before anybody waits for it.
   */
  start(onProgress: (message: string) => void): Promise<boolean> {
    this.#started ??= this.#start(onProgress)
    return this.#started
  }

  async #start(onProgress: (message: string) => void): Promise<boolean> {
    this.#onProgress = onProgress
    let isThere = true
    try {
      await this.#runs.now()
    } catch (error) {
      if (sqlStateOf(error) === '08P01')
        this.#logger.error({}, 'is the database a pooler? See docs/operating.md, PgBouncer')
      if (isFatalDatabaseError(error)) throw error
      isThere = false
    }
    this.#isFirst = false
    this.#onProgress = () => {}
    this.#runs.start()
    return isThere
  }

  /** Ends the timer and waits for the run under way, which its statements' own bounds end. Idempotent. */
  async stop(): Promise<void> {
    const ended = this.#runs.stop(STOP_TIMEOUT_MS)
    await this.#retention.stop()
    await ended
  }

  async #once(): Promise<void> {
    // Asked on the handle whose statements are bounded: a server that froze must not hold up the start.
    if (!this.#isMigrated && (await pendingMigrations(this.control, MIGRATIONS_DIR)).length > 0) {
      const sql = openControl(this.#target, {
        applicationName: 'waybill migrate',
        max: 1,
        hasLongStatements: true,
      })
      try {
        const onProgress = this.#onProgress
        await migrate(sql, { migrationsDir: MIGRATIONS_DIR, allowDestructive: false, onProgress })
      } finally {
        await closeSql(sql, 1000)
      }
    }
    this.#isMigrated = true
    await ensureSigningKey(this.control)
    // By the database's clock, and from yesterday on: entries of just before midnight, and of a clock that is a little behind.
    const { databaseMs } = await readClock(this.control, this.#now)
    const made = await ensurePartitions(
      this.control,
      new Date(databaseMs - DAY_MS),
      this.#partitionsAheadDays + 2,
    )
    await dropExpiredCalls(this.control)
    const { dropped } = await this.#retention.run(this.control)
    if (made.length + dropped.length > 0) this.#logger.info({ made, dropped }, 'partitions kept')
    // At the start, once the database is back, and every hour. Nobody waits for it.
    void this.#checks.run(this.control)
  }
}

/** The upkeep as the configuration wants it. */
export function upkeepOf(
  config: Config,
  database: GatewayDatabase,
  logger: Logger,
  mode: 'serve' | 'demo',
): DatabaseUpkeep {
  const { options } = config
  const retentionDays = options['accessLog.retentionDays']
  const partitionsAheadDays = options['accessLog.partitionsAheadDays']
  const maxClockOffsetMs = options['database.maxClockOffsetMs']
  const workers = workerCount(config)
  const { target, readerTarget } = database
  const checks = new DatabaseChecks({
    readerTarget,
    workers,
    needed: connectionsNeeded(workers),
    // The demo says where its data are, and is no production.
    embeddedIn: mode === 'serve' && options['database.url'] === '' ? resolve(options.stateDir) : null,
    logger,
  })
  return new DatabaseUpkeep({
    target,
    options: { retentionDays, partitionsAheadDays, maxClockOffsetMs },
    checks,
    logger,
  })
}
