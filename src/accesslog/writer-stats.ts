import { type DurationCounts, DurationHistogram } from './duration-histogram.ts'

/** See Writer. */
export type WriterMode = 'idle' | 'collecting' | 'copying' | 'backing_off' | 'draining' | 'stopped'

/** Why a batch was begun. `flush`: somebody called flush(). */
export type FlushTrigger = 'size' | 'interval' | 'flush' | 'drain'

/** The writer's numbers since its start, for metrics and health. */
export interface WriterStats {
  readonly mode: WriterMode
  /** Batches, rows and bytes of COPY text stored. */
  readonly batches: number
  readonly entries: number
  readonly bytes: number
  /** Attempts after the first of a batch. */
  readonly retries: number
  /** Batches that turned out to be stored by an attempt that had seemed to fail. */
  readonly alreadyStored: number
  /** Entries that could not be encoded or that Postgres refused. */
  readonly rejected: number
  /** Batches of which Postgres counted other rows than were sent; more than 0 is a fault of the product. */
  readonly rowMismatches: number
  /** SQLSTATE, or code of the socket or driver, of the last failure; null before the first. */
  readonly lastErrorCode: string | null
  /** Back-offs since a batch was last stored. */
  readonly consecutiveFailures: number
  /** How long the oldest entry in the channel or in hand has waited; 0 when there is none. */
  readonly oldestUnflushedAgeMs: number
  /** Rows of the batch in hand. */
  readonly inHandEntries: number
  /** Of attempts that stored a batch. */
  readonly copyDurations: DurationCounts
  readonly triggers: Readonly<Record<FlushTrigger, number>>
}

/** What the writer counts as it goes; the rest of its stats is its state. */
export class WriterCounters {
  batches = 0
  entries = 0
  bytes = 0
  retries = 0
  alreadyStored = 0
  rejected = 0
  rowMismatches = 0
  lastErrorCode: string | null = null
  consecutiveFailures = 0
  readonly copyDurations = new DurationHistogram()
  readonly triggers: Record<FlushTrigger, number> = { size: 0, interval: 0, flush: 0, drain: 0 }

  /** A copy that does not change any more. */
  snapshot(): Omit<WriterStats, 'mode' | 'oldestUnflushedAgeMs' | 'inHandEntries'> {
    const { batches, entries, bytes, retries, alreadyStored, rejected, rowMismatches } = this
    const { lastErrorCode, consecutiveFailures } = this
    return {
      batches,
      entries,
      bytes,
      retries,
      alreadyStored,
      rejected,
      rowMismatches,
      lastErrorCode,
      consecutiveFailures,
      copyDurations: this.copyDurations.counts,
      triggers: { ...this.triggers },
    }
  }
}
