import type { Config } from '../../config/config.ts'
import { Periodic, tellFailures } from '../../lib/time/periodic.ts'
import type { Logger } from '../../logger/logger.ts'
import type { DatabaseTarget } from '../../model/database-target.ts'
import { type FoldOptions, foldLedger } from '../../store/audit/ledger-fold.ts'
import { foldLives } from '../../store/audit/past-lives.ts'
import { boundFigures, type FiguresRetention } from '../../store/figures/bounds.ts'
import { rollUp } from '../../store/figures/roll-up.ts'
import { closeSql, openControl, type Sql } from '../../store/sql.ts'

const CLOSE_SQL_MS = 1000

/** When ledger rows, and lives, are summed up. */
interface FoldTimes extends FoldOptions {
  readonly livesDays: number
}

/** Days become final, and ledger rows old enough, once a day. */
const BOUND_INTERVAL_MS = 3_600_000

/**
 * Brings the figures up to date (why a job: docs/decisions/0025), on a handle of its own: catching up after an outage takes longer than the control
 * plane's statements may. Bounds them, and the ledger whose batches they have taken in. Any number of gateways may run it; one at
 * a time does the work.
 */
export class RollUpJob {
  readonly #sql: Sql
  readonly #retention: FiguresRetention
  readonly #fold: FoldTimes
  #boundedTick = -Infinity
  readonly #logger: Logger
  readonly #runs: Periodic

  constructor(parts: {
    target: DatabaseTarget
    intervalMs: number
    retention: FiguresRetention
    fold: FoldTimes
    logger: Logger
  }) {
    this.#sql = openControl(parts.target, {
      applicationName: 'waybill roll-ups',
      max: 1,
      hasLongStatements: true,
    })
    this.#retention = parts.retention
    this.#fold = parts.fold
    this.#logger = parts.logger
    this.#runs = new Periodic({
      run: () => this.#run(),
      intervalMs: parts.intervalMs,
      pace: 'rest',
      ...tellFailures(parts.logger, { failed: 'roll-ups failed; trying again', well: 'roll-ups go on' }),
    })
  }

  start(): void {
    this.#runs.start()
  }

  /** Ends the run under way with its connection; its transaction rolls back and the next run does it again. */
  async stop(): Promise<void> {
    const ended = this.#runs.stop(CLOSE_SQL_MS)
    await closeSql(this.#sql, CLOSE_SQL_MS)
    await ended
  }

  async #run(): Promise<number | void> {
    const { state } = await rollUp(this.#sql)
    if (state === 'more') return 0
    if (state === 'caught_up' && performance.now() - this.#boundedTick >= BOUND_INTERVAL_MS)
      await this.#bound()
  }

  async #bound(): Promise<void> {
    await boundFigures(this.#sql, this.#retention)
    const fold = await foldLedger(this.#sql, this.#fold)
    if (fold.batches > 0) this.#logger.info({ batches: fold.batches }, 'old batches of the ledger summed up')
    await foldLives(this.#sql, this.#fold)
    if (fold.state !== 'more') this.#boundedTick = performance.now()
  }
}

/** The job's times as the configuration has them. */
export function rollUpTimes(o: Config['options']): {
  intervalMs: number
  retention: FiguresRetention
  fold: FoldTimes
} {
  return {
    intervalMs: o['rollUps.intervalMs'],
    fold: { ledgerDays: o['accessLog.ledgerDays'], livesDays: o['accessLog.livesDays'] },
    retention: {
      minutesDays: o['rollUps.minutesDays'],
      tenantMinutesDays: o['rollUps.tenantMinutesDays'],
      packagesDays: o['rollUps.packagesDays'],
      days: o['rollUps.retentionDays'],
    },
  }
}
