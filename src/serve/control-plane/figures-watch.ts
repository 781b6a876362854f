import { Periodic, tellFailures } from '../../lib/time/periodic.ts'
import type { Logger } from '../../logger/logger.ts'
import type { DatabaseFigures } from '../../model/stats.ts'
import { readDatabaseFigures } from '../../store/figures/database-figures.ts'
import type { Sql } from '../../store/sql.ts'

const INTERVAL_MS = 60_000
/** What is older is not told: an alert must not rest on it. */
const MAX_AGE_MS = 5 * INTERVAL_MS

/** Looks once a minute, for the metrics, how far roll-ups are behind and which keys expire. */
export class FiguresWatch {
  readonly #runs: Periodic
  #figures: DatabaseFigures | null = null
  #readTick = 0

  constructor({ sql, logger }: { sql: Sql; logger: Logger }) {
    this.#runs = new Periodic({
      run: async () => {
        this.#figures = await readDatabaseFigures(sql)
        this.#readTick = performance.now()
      },
      intervalMs: INTERVAL_MS,
      pace: 'rest',
      backoff: { minMs: 1000, maxMs: INTERVAL_MS },
      ...tellFailures(logger, {
        failed: 'figures for the metrics not read; trying again',
        well: 'figures for the metrics are read again',
      }),
    })
  }

  /** The first look at once. */
  start(): void {
    this.#runs.start(0)
  }

  stop(): void {
    void this.#runs.stop(0)
  }

  /** Of the newest look; null before the first, and when it was minutes ago. */
  get figures(): DatabaseFigures | null {
    return performance.now() - this.#readTick > MAX_AGE_MS ? null : this.#figures
  }
}
