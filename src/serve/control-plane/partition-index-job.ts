import { Periodic, tellFailures } from '../../lib/time/periodic.ts'
import type { Logger } from '../../logger/logger.ts'
import type { DatabaseTarget } from '../../model/database-target.ts'
import { buildIndex, lackingIndexes } from '../../store/entries/partition-indexes.ts'
import { closeSql, openControl, type Sql } from '../../store/sql.ts'

/** A look at the catalogue; only after an upgrade is there anything to do. */
const INTERVAL_MS = 600_000
/** Between two partitions: the disk is others', too. */
const PAUSE_MS = 5000
const CLOSE_SQL_MS = 1000

/**
 * Builds indexes on the partitions that were made before there were these (docs/decisions/0462, 0533), one after the other, the newest
 * first, on a connection of its own that is opened for it. Any number of gateways may run it.
 */
export class PartitionIndexJob {
  readonly #parts: { readonly control: Sql; readonly target: DatabaseTarget; readonly logger: Logger }
  readonly #runs: Periodic
  #building: Sql | null = null

  /** `control` reads the catalogue. */
  constructor(parts: { readonly control: Sql; readonly target: DatabaseTarget; readonly logger: Logger }) {
    this.#parts = parts
    this.#runs = new Periodic({
      run: () => this.#run(),
      intervalMs: INTERVAL_MS,
      pace: 'rest',
      ...tellFailures(parts.logger, {
        failed: 'an index of partitions could not be built; trying again',
        well: 'indexes of partitions are being built',
      }),
    })
  }

  start(): void {
    this.#runs.start()
  }

  /** Breaks off the build under way: it is begun anew by whoever runs next. */
  async stop(): Promise<void> {
    const ended = this.#runs.stop(CLOSE_SQL_MS)
    if (this.#building !== null) await closeSql(this.#building, 0)
    await ended
  }

  async #run(): Promise<number | void> {
    const { control, target, logger } = this.#parts
    const lacking = await lackingIndexes(control)
    const [next] = lacking
    if (next === undefined) return
    const sql = openControl(target, {
      applicationName: 'waybill indexes',
      max: 1,
      hasLongStatements: true,
    })
    this.#building = sql
    try {
      const startedAt = performance.now()
      if (!(await buildIndex(sql, next))) return
      const ms = Math.round(performance.now() - startedAt)
      logger.info({ ...next, ms, left: lacking.length - 1 }, 'a partition has an index that it lacked')
      return PAUSE_MS
    } finally {
      this.#building = null
      await closeSql(sql, CLOSE_SQL_MS)
    }
  }
}
