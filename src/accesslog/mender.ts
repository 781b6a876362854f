import { unreachable } from '../lib/unreachable.ts'
import type { AccessEntry } from '../model/access-entry.ts'
import { type Batch, cutAllRows, cutRow } from './batch.ts'
import type { Clock } from './clock.ts'
import type { StoreError } from './failure.ts'
import type { Ledger } from './ledger.ts'
import type { WriterCounters } from './writer-stats.ts'
import type { WriterLog } from './writer-log.ts'

/** Longest wait for missing partitions to be made; they are tried again after the back-off. */
const PARTITION_TIMEOUT_MS = 10_000

/** Rows cut out of one batch before the next back-off: when more are refused, it is hardly the rows that are wrong. */
const MAX_CUTS = 64

/** Attempts of a batch that Postgres rejects without naming a row; then all its rows go to quarantine, or nothing would follow. */
const MAX_BLIND_REJECTIONS = 8

/** Attempts to make the partitions of a replayed batch; then likewise. */
const MAX_PARTITION_FAILURES = 8

/**
 * Removes the cause of a failure where that can be done: makes the missing partition, cuts out the rejected row. Its work on
 * one batch between two back-offs is bounded. A rejected row goes to quarantine with the batch that it was in.
 */
export class Mender {
  readonly #ensurePartitions: (days: readonly string[]) => Promise<void>
  readonly #ledger: Ledger
  readonly #counters: WriterCounters
  readonly #clock: Clock
  readonly #log: WriterLog
  readonly #isReplay: boolean
  #partitionFailures = 0
  #arePartitionsMade = false
  #cuts = 0
  #blindRejections = 0

  constructor(parts: {
    readonly ensurePartitions: (days: readonly string[]) => Promise<void>
    readonly ledger: Ledger
    readonly counters: WriterCounters
    readonly clock: Clock
    readonly log: WriterLog
    /** Batches behind this one are not kept waiting for ever. */
    readonly isReplay?: boolean
  }) {
    this.#ensurePartitions = parts.ensurePartitions
    this.#ledger = parts.ledger
    this.#counters = parts.counters
    this.#clock = parts.clock
    this.#log = parts.log
    this.#isReplay = parts.isReplay ?? false
  }

  /** The batch to send at once in place of the failed one, of the same number; null when only waiting is left. */
  async mend(batch: Batch, failure: StoreError): Promise<Batch | null> {
    switch (failure.kind) {
      case 'missing_partition':
        if (await this.#makePartitions(batch.days)) return batch
        if (!this.#isReplay || ++this.#partitionFailures < MAX_PARTITION_FAILURES) return null
        return this.#cutAll(batch, failure)
      case 'rejected':
        return this.#cut(batch, failure)
      case 'retry':
      case 'unusable':
        return null
      default:
        return unreachable(failure.kind)
    }
  }

  /** To be called when a batch is begun. */
  begin(): void {
    this.#blindRejections = 0
    this.#partitionFailures = 0
    this.renew()
  }

  /** To be called after each back-off: what was tried in vain may be tried again. */
  renew(): void {
    this.#arePartitionsMade = false
    this.#cuts = 0
  }

  /** An entry that could not be encoded: a fault elsewhere, which costs that entry. */
  unfit(entry: AccessEntry): void {
    this.#ledger.dropBuffered(entry.tenant, 1, 'rejected')
    this.#counters.rejected++
    this.#log.rejected({ tenant: entry.tenant, seq: entry.seq }, 'unencodable')
  }

  async #makePartitions(days: readonly string[]): Promise<boolean> {
    // Made already, and still missing: something is wrong that making them again does not change.
    if (this.#arePartitionsMade) return false
    this.#arePartitionsMade = true
    let cancel = (): void => {}
    const timeout = new Promise<'timeout'>((resolve) => {
      cancel = this.#clock.after(PARTITION_TIMEOUT_MS, () => resolve('timeout'))
    })
    try {
      // Late or not, its end is of no consequence: the next attempt tells whether the partitions are there.
      if ((await Promise.race([this.#ensurePartitions(days), timeout])) === 'timeout') return false
      this.#log.partitionsMade(days)
      return true
    } catch (error) {
      this.#log.partitionsNotMade(days, error)
      return false
    } finally {
      cancel()
    }
  }

  #cut(batch: Batch, failure: StoreError): Batch | null {
    if (this.#cuts >= MAX_CUTS) return null
    const cut = failure.line === null ? null : cutRow(batch, failure.line, failure)
    if (cut !== null) {
      this.#cuts++
      this.#counters.rejected++
      this.#log.rejected(cut.row, failure.code)
      return cut.batch
    }
    if (batch.entries === 0 || ++this.#blindRejections < MAX_BLIND_REJECTIONS) return null
    return this.#cutAll(batch, failure)
  }

  #cutAll(batch: Batch, failure: StoreError): Batch {
    this.#counters.rejected += batch.entries
    this.#log.rejectedWhole(batch, failure.code)
    return cutAllRows(batch, failure)
  }
}
