import { firstDigest } from '../model/audit/ledger-chain.ts'
import type { Batch } from './batch/batch.ts'
import { BatchBuilder, type Identify } from './batch/batch-builder.ts'
import type { EntrySource } from '../channel/channel.ts'
import type { Clock } from '../lib/time/clock.ts'
import type { Collector } from './collector.ts'
import { RowEncoder } from './batch/encode.ts'
import type { Ledger } from '../channel/ledger.ts'
import type { BatchRepair } from './batch-repair.ts'
import { RowBuffer } from './batch/row-buffer.ts'
import type { WriterCounters } from './writer-stats.ts'

export interface SealerParts {
  readonly source: EntrySource
  readonly collector: Collector
  readonly ledger: Ledger
  readonly repair: BatchRepair
  readonly counters: WriterCounters
  readonly clock: Clock
  readonly instance: string
  readonly identify: Identify
  readonly options: { readonly maxBatchEntries: number; readonly maxBatchBytes: number }
}

/** A chain of batches: its id, and the seq of the last entry that was settled before it. */
export interface Life {
  readonly instance: string
  readonly baseSeq: number
}

/** Makes batches of what waits, one after the other: numbers them, and chains each to the digest of the one before. */
export class Sealer {
  readonly #parts: SealerParts
  #encoder: RowEncoder
  readonly #rows = new RowBuffer()
  /** The batch that is being filled: ahead, while another is on its way, or by `seal`. */
  #begun: BatchBuilder | null = null
  #lastBatch = 0
  #lastDigest: Buffer
  #life: Life
  #nextLife: string | null = null
  /** Entries settled, as a row or a drop, by the batches sealed so far, of all lives. */
  #settledSeq = 0

  constructor(parts: SealerParts) {
    this.#parts = parts
    this.#encoder = new RowEncoder(parts.instance)
    this.#lastDigest = firstDigest(parts.instance)
    this.#life = { instance: parts.instance, baseSeq: 0 }
  }

  /** The chain that batches belong to at present. */
  get life(): Life {
    return this.#life
  }

  /** The next batch that is begun starts a new chain under this id: another process lives under the old one. */
  renew(instance: string): void {
    this.#nextLife = instance
  }

  /** Whether entries have left the source for a batch that is not sealed yet. */
  get isBegun(): boolean {
    return this.#begun !== null
  }

  /**
   * Takes everything that waits, up to the limits of a batch. Null when stopped meanwhile. After an unforeseen error the next call goes on
   * with what was taken.
   */
  async seal(isFinal: boolean, isStopped: () => boolean): Promise<Batch | null> {
    const { source, collector, clock, ledger, counters } = this.#parts
    const builder = (this.#begun ??= this.#newBuilder())
    for (;;) {
      // Requests first: each slice has a turn of the event loop of its own.
      await clock.turn()
      if (isStopped()) return null
      const verdict = this.#takeSlice(builder)
      if (verdict === 'more') continue
      collector.taken(verdict === 'full')
      const dropped = ledger.takeUnreportedDrops()
      const batch = builder.seal({
        instance: this.#life.instance,
        number: ++this.#lastBatch,
        dropped,
        acceptedSeq: source.lastSeq - this.#life.baseSeq,
        buffered: source.size,
        isFinal,
        previousDigest: this.#lastDigest,
      })
      this.#begun = null
      this.#lastDigest = batch.digest
      this.#settledSeq = source.lastSeq - source.size
      counters.sealed(batch.sealedBytes, clock.nowMs())
      return batch
    }
  }

  /**
   * Takes and encodes the first slice of the next batch, if that is due, in a turn of its own while another batch is on its way. No more
   * than a slice: what has left the channel cannot give way to others. `isOnItsWay` is asked when the turn has come.
   */
  async encodeAhead(isOnItsWay: () => boolean): Promise<void> {
    const { collector, clock } = this.#parts
    await clock.turn()
    if (!isOnItsWay() || collector.trigger !== 'size') return
    this.#begun = this.#newBuilder()
    collector.takenAhead()
    this.#takeSlice(this.#begun)
  }

  /** What was taken and not sealed is forgotten: the caller has accounted for it. */
  stop(): void {
    this.#begun = null
  }

  #takeSlice(builder: BatchBuilder): 'more' | 'empty' | 'full' {
    return builder.takeSlice(this.#parts.source, (entry) => this.#parts.repair.unfit(entry))
  }

  #beginLife(instance: string): void {
    this.#nextLife = null
    this.#life = { instance, baseSeq: this.#settledSeq }
    this.#encoder = new RowEncoder(instance)
    this.#lastBatch = 0
    this.#lastDigest = firstDigest(instance)
  }

  #newBuilder(): BatchBuilder {
    if (this.#nextLife !== null) this.#beginLife(this.#nextLife)
    const { options, identify } = this.#parts
    const { maxBatchEntries: maxEntries, maxBatchBytes: maxBytes } = options
    return new BatchBuilder(this.#encoder, { maxEntries, maxBytes }, this.#rows, identify)
  }
}
