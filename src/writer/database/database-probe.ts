import type { Batch } from '../batch/batch.ts'
import type { Clock } from '../../lib/time/clock.ts'
import type { BatchError } from './failure.ts'
import type { DatabaseTurns } from './database-turns.ts'
import { probeRow } from './probe-row.ts'

/** While the database is away and batches go to the disk, it is probed this often. */
const PROBE_INTERVAL_MS = 1000

/**
 * Finds out that the database is back while live batches go to the disk. The replay would find out too, but its files may not be
 * readable, and the database may fail with its batches of all things. Nothing waits for the probe.
 */
export class DatabaseProbe {
  readonly #database: DatabaseTurns
  readonly #clock: Clock
  #isProbing = false
  #nextAtMs = -Infinity

  constructor(database: DatabaseTurns, clock: Clock) {
    this.#database = database
    this.#clock = clock
  }

  /** Begins a probe if the database is away, no probe is under way, and the last one is a while ago. `batch`: any. */
  probeSoon(batch: Batch): void {
    const nowMs = this.#clock.nowMs()
    if (!this.#database.isAway || this.#isProbing || nowMs < this.#nextAtMs) return
    this.#isProbing = true
    void this.#database.probe('live', probeRow(batch, nowMs)).then((refusal) => {
      this.#isProbing = false
      this.#nextAtMs = this.#clock.nowMs() + PROBE_INTERVAL_MS
      if (refusal !== null && isOfRow(refusal)) this.#database.markBack()
    })
  }
}

/** Whether the database works and refuses this row: then each batch finds out for itself. */
function isOfRow({ kind, code, isOfConnection }: BatchError): boolean {
  if (isOfConnection || code.startsWith('XX')) return false
  return kind === 'missing_partition' || kind === 'rejected' || kind === 'suspect'
}
