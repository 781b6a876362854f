import type { FlushTrigger, WriterStats } from '../model/stats.ts'
import type { Batch, StoreResult } from './batch/batch.ts'
import { DecayingRate } from '../lib/decaying-rate.ts'
import { DurationHistogram } from '../lib/duration-histogram.ts'
import type { SpoolStats } from '../spool/spool-stats.ts'

/** The writer's numbers since its start, for metrics and health. */
export interface WriterReport extends WriterStats {
  /** Batches, and rows, stored. */
  readonly batches: number
  readonly entries: number
  /** Entries that could not be encoded or that Postgres refused. */
  readonly rejected: number
  /** SQLSTATE, or code of the socket or driver, of the last failure; null before the first. */
  readonly lastErrorCode: string | null
  /** Rows that went to quarantine. */
  readonly quarantined: number
  /** Rows that were stored from the spill, those of dead processes included. */
  readonly replayed: number
  /** Whether the database is taken for away: batches go to the spill. Never without a spill. */
  readonly isAway: boolean
  /** Whether entries are being dropped, or were within the last seconds. */
  readonly isDropping: boolean
  /** What is sealed at present, bytes of COPY text a second, over about the last half minute; what an outage would spill. */
  readonly sealedBytesPerSecond: number
  /** Rows of the batch in hand. */
  readonly inHandEntries: number
  /** null without a spill. */
  readonly spill: SpoolStats | null
}

/** What the writer counts as it goes; the rest of its stats is its state. */
export class WriterCounters {
  batches = 0
  entries = 0
  bytes = 0
  retries = 0
  alreadyStored = 0
  rejected = 0
  quarantined = 0
  replayed = 0
  rowMismatches = 0
  foreign = 0
  consecutiveFailures = 0
  lastErrorCode: string | null = null
  readonly triggers: Record<FlushTrigger, number> = { size: 0, interval: 0, flush: 0, drain: 0 }
  readonly copyDurations = new DurationHistogram()
  readonly #rate = new DecayingRate()

  /** A batch was stored, by this attempt or by an earlier one. */
  stored(batch: Batch, result: StoreResult, trigger: FlushTrigger, durationMs: number): void {
    this.triggers[trigger]++
    this.replay(batch, result, durationMs)
    this.quarantined += batch.quarantined.length
  }

  /** A batch was stored from the spill. */
  replay(batch: Batch, result: StoreResult, durationMs: number): void {
    this.batches++
    this.entries += batch.entries
    this.bytes += batch.body.length
    this.consecutiveFailures = 0
    this.copyDurations.observe(durationMs)
    if (result.state === 'already_stored') this.alreadyStored++
    if (result.rows !== batch.entries) this.rowMismatches++
  }

  /** An unforeseen error has ended a step of a loop. */
  fault(): void {
    this.consecutiveFailures++
    this.lastErrorCode = 'fault'
  }

  /** The numbers at this moment, together with those that are the writer's state. */
  read(
    state: Pick<
      WriterReport,
      'mode' | 'oldestUnflushedAgeMs' | 'inHandEntries' | 'isAway' | 'isDropping' | 'spill'
    >,
    nowMs: number,
  ): WriterReport {
    const { batches, entries, bytes, retries, alreadyStored, rejected, rowMismatches, foreign } = this
    const { consecutiveFailures, lastErrorCode, quarantined, replayed } = this
    const counts = { batches, entries, bytes, retries, alreadyStored, rejected, rowMismatches, foreign }
    const copyDurations = this.copyDurations.reading
    return {
      ...state,
      ...counts,
      quarantined,
      replayed,
      sealedBytesPerSecond: this.#rate.perSecond(nowMs),
      consecutiveFailures,
      lastErrorCode,
      triggers: { ...this.triggers },
      copyDurations,
    }
  }

  /** A batch of this length was sealed. */
  sealed(bytes: number, nowMs: number): void {
    this.#rate.add(bytes, nowMs)
  }
}
