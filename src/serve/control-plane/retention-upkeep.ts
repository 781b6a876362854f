import { hostname, userInfo } from 'node:os'
import type { Logger } from '../../logger/logger.ts'
import type { Actor } from '../../model/audit/actor.ts'
import type { DatabaseTarget } from '../../model/database-target.ts'
import { dropExpiredPartitions, settleRetention, type RetentionRun } from '../../store/entries/retention.ts'
import { closeSql, openControl, type Sql } from '../../store/sql.ts'
import { packageVersion } from '../../version.ts'

const CLOSE_SQL_MS = 1000

/** As whom the admin log has what a gateway changes by itself. */
export function gatewayActor(program: 'waybill serve' | 'waybill demo'): Actor {
  return { name: program, via: 'job', from: hostname() }
}

/** How the records of what was dropped name this process. */
export function nameOfThisProcess(program: string): string {
  return `${program} ${packageVersion()} on ${hostname()}`
}

/** As `nameOfThisProcess`, with the account of the person at the terminal. */
export function nameOfThisUser(program: string): string {
  try {
    return `${userInfo().username}, ${nameOfThisProcess(program)}`
  } catch {
    // An account without an entry in passwd.
    return nameOfThisProcess(program)
  }
}

/** Keeps to the database's retention, and says in the log what keeps it from doing so. */
export class RetentionUpkeep {
  readonly #target: DatabaseTarget
  readonly #options: { readonly retentionDays: number; readonly maxClockOffsetMs: number }
  readonly #logger: Logger
  readonly #now: () => number
  #sql: Sql | null = null
  #isStopped = false
  /** What the log has been told, lest it be told every hour. */
  readonly #told = new Set<string>()

  constructor(parts: {
    target: DatabaseTarget
    options: { readonly retentionDays: number; readonly maxClockOffsetMs: number }
    logger: Logger
    now: () => number
  }) {
    this.#target = parts.target
    this.#options = parts.options
    this.#logger = parts.logger
    this.#now = parts.now
  }

  /** One run; `control` for the short statements. Rejects as `dropExpiredPartitions`. */
  async run(control: Sql): Promise<RetentionRun> {
    const { retentionDays, maxClockOffsetMs } = this.#options
    const by = nameOfThisProcess('waybill serve')
    const { days, isExplicit } = await settleRetention(control, retentionDays, by)
    if (days !== retentionDays) {
      const why = isExplicit ? 'waybill retention set' : 'the longest of all gateways so far'
      this.#tell(`days ${days}`, () =>
        this.#logger.info(
          { days, configured: retentionDays, why },
          'accessLog.retentionDays does not count: the database has another',
        ),
      )
    }
    if (this.#isStopped) return { dropped: [], held: null, offsetMs: 0 }
    // Of its own: rows are counted before they go, and a day of them takes longer than short statements may.
    const sql = openControl(this.#target, {
      applicationName: 'waybill retention',
      max: 1,
      hasLongStatements: true,
    })
    this.#sql = sql
    try {
      const run = await dropExpiredPartitions(sql, { by, now: this.#now, maxClockOffsetMs })
      this.#tellHeld(run)
      return run
    } finally {
      await closeSql(sql, CLOSE_SQL_MS)
    }
  }

  /** Cuts a run under way short: the next one goes on from there. Never rejects. */
  async stop(): Promise<void> {
    this.#isStopped = true
    if (this.#sql !== null) await closeSql(this.#sql, CLOSE_SQL_MS)
  }

  #tellHeld({ held, offsetMs }: RetentionRun): void {
    switch (held) {
      case 'clock_offset':
        this.#tell(held, () =>
          this.#logger.warn(
            { offsetSeconds: Math.round(offsetMs / 1000) },
            "no partition is dropped: this gateway's clock and the database's differ",
          ),
        )
        break
      case 'clock_jump':
        this.#tell(held, () =>
          this.#logger.warn(
            {},
            "no partition is dropped for a day: the database's clock has jumped by more than a day, or no gateway has run for as long",
          ),
        )
        break
      case null:
        this.#told.delete('clock_offset')
        this.#told.delete('clock_jump')
        break
    }
  }

  #tell(what: string, log: () => void): void {
    if (this.#told.has(what)) return
    this.#told.add(what)
    log()
  }
}
