import type { Batch } from '../batch/batch.ts'
import type { Clock } from '../../lib/time/clock.ts'
import type { StoreError } from './failure.ts'
import type { Link } from './database-turns.ts'
import { tryRow } from './try-row.ts'

/** While the database is away, it is looked for this often by what goes to the disk. */
const PROBE_INTERVAL_MS = 1000

/**
 * Finds out that the database is back, for the batches that go to the disk while it is away: they do not depend on whoever replays,
 * whose files may not be readable, and whose batches may be what the database fails with. Nobody waits for it.
 */
export class Prober {
  readonly #link: Link
  readonly #clock: Clock
  #isProbing = false
  #nextAtMs = -Infinity

  constructor(link: Link, clock: Clock) {
    this.#link = link
    this.#clock = clock
  }

  /** Begins a look, if the database is away, none is under way, and the last is a while ago. `batch`: any. */
  look(batch: Batch): void {
    const nowMs = this.#clock.nowMs()
    if (!this.#link.isAway || this.#isProbing || nowMs < this.#nextAtMs) return
    this.#isProbing = true
    void this.#link.probe('live', tryRow(batch, nowMs)).then((refusal) => {
      this.#isProbing = false
      this.#nextAtMs = this.#clock.nowMs() + PROBE_INTERVAL_MS
      if (refusal !== null && isOfRow(refusal)) this.#link.found()
    })
  }
}

/** The database is there, and has something against this row: batches are looked at one by one, then. */
function isOfRow({ kind, code, isOfConnection }: StoreError): boolean {
  if (isOfConnection || code.startsWith('XX')) return false
  return kind === 'missing_partition' || kind === 'rejected' || kind === 'suspect'
}
