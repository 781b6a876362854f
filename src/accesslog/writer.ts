import { backoffMs } from '../lib/backoff.ts'
import type { FlushTrigger, WriterMode } from '../model/stats.ts'
import { type Batch, BatchBuilder, type BatchStore, type StoreResult } from './batch.ts'
import type { EntrySource } from './channel.ts'
import { type Clock, systemClock } from './clock.ts'
import { Collector } from './collector.ts'
import { RowEncoder } from './encode.ts'
import { type StoreError, toStoreError } from './failure.ts'
import { FlushWaiters } from './flush-waiters.ts'
import type { Ledger } from './ledger.ts'
import { Mender } from './mender.ts'
import { type Logger, WriterLog } from './writer-log.ts'
import { WriterCounters, type WriterStats } from './writer-stats.ts'

export interface WriterOptions {
  /** A batch is begun as soon as this many entries wait … */
  readonly flushEntries: number
  /** … or the oldest has waited this long. */
  readonly flushIntervalMs: number
  readonly maxBatchEntries: number
  readonly maxBatchBytes: number
  readonly backoffMinMs: number
  readonly backoffMaxMs: number
}

export interface WriterParts {
  readonly channel: EntrySource
  readonly ledger: Ledger
  readonly store: BatchStore
  /** Makes the partitions of these UTC days, `YYYY-MM-DD`, where they are missing. */
  readonly ensurePartitions: (days: readonly string[]) => Promise<void>
  /** UUID of this process life. */
  readonly instance: string
  readonly options: WriterOptions
  readonly logger: Logger
  readonly clock?: Clock
  /** [0, 1), for the jitter of the back-off. */
  readonly random?: () => number
}

/** Result of a drain: whether nothing was lost by it, and how many entries were dropped at its deadline. */
export interface DrainResult {
  readonly stored: boolean
  readonly lost: number
}

const STOPPED = 'the writer stopped before all was stored'

/**
 * Takes entries out of the channel and stores them, batch by batch, one at a time, in order. A state machine:
 *
 *   idle ──first entry──► collecting ──trigger──► copying ──stored, nothing due──► idle, collecting
 *                                                 │  ▲ ▲└──stored, more due (a backlog)──► copying, the next batch
 *                                          failed ▼  │ └────row cut out, partition made: the same number, at once
 *                                             backing_off    (the same bytes, after the wait; for ever)
 *   any ──drain()──► draining ──all stored, or the deadline──► stopped
 *
 * idle         The channel is empty, nothing is in hand, no timer runs.
 * collecting   Entries, or drops that are in no ledger row, wait; the interval timer runs.
 * copying      A batch is in hand: being encoded, sent or mended. The channel fills behind it.
 * backing_off  A batch is in hand and waits for its next attempt; the channel fills, and drops when full.
 * draining     As copying and backing_off, but nothing waits for a trigger; the deadline runs.
 * stopped      Nothing is in hand, nothing waits: all is stored or counted as dropped. The channel drops what comes.
 *
 * Law 3: an entry is `buffered` in the ledger from its push until its batch is known to be stored, or it is dropped.
 */
export class Writer {
  readonly #source: EntrySource
  readonly #collector: Collector
  readonly #ledger: Ledger
  readonly #store: BatchStore
  readonly #instance: string
  readonly #options: WriterOptions
  readonly #clock: Clock
  readonly #random: () => number
  readonly #encoder: RowEncoder
  readonly #log: WriterLog
  readonly #mender: Mender
  readonly #counters = new WriterCounters()

  #mode: WriterMode = 'collecting'
  #running: Promise<void> | null = null
  #drained: Promise<DrainResult> | null = null
  readonly #flushes = new FlushWaiters()
  #endBackOff: (() => void) | null = null
  #lastBatch = 0
  /** Of the batch in hand, or the last. */
  #trigger: FlushTrigger = 'size'
  /** From the first entry taken to the batch's end: what is in neither channel nor `#inHand` is being encoded. */
  #isBusy = false
  #inHand: Batch | null = null
  #inHandSinceMs = Infinity
  #lost = 0

  constructor(parts: WriterParts) {
    this.#source = parts.channel
    this.#ledger = parts.ledger
    this.#store = parts.store
    this.#instance = parts.instance
    this.#options = parts.options
    this.#clock = parts.clock ?? systemClock
    this.#random = parts.random ?? Math.random
    this.#encoder = new RowEncoder(parts.instance)
    this.#log = new WriterLog(parts.logger, this.#clock)
    const { ledger, ensurePartitions } = parts
    const [clock, log, counters] = [this.#clock, this.#log, this.#counters]
    this.#mender = new Mender({ ensurePartitions, ledger, counters, clock, log })
    this.#collector = new Collector({ source: parts.channel, ledger, clock, options: parts.options })
  }

  /** Begins to store what is pushed. The database need not be there yet. A second call does nothing. */
  start(): void {
    this.#running ??= this.#run()
  }

  /**
   * Resolves when everything accepted before the call is stored, or dropped for its own sake; waits as long as the database
   * is away. Rejects when the drain's deadline came first.
   */
  async flush(): Promise<void> {
    const upTo = this.#source.lastSeq
    if (this.#lost > 0) throw new Error(STOPPED)
    if (this.#isSettled(upTo)) return
    const settled = this.#flushes.wait(upTo)
    this.#collector.request('flush')
    await settled
  }

  /**
   * Stores all that is left, then stops; at the deadline, in ms from now, what is still left is counted as dropped, reason
   * `shutdown`. Never rejects. A second call returns the same promise: the first deadline counts.
   */
  drain(deadlineMs: number): Promise<DrainResult> {
    return (this.#drained ??= this.#drain(deadlineMs))
  }

  /** A copy of the numbers at this moment. */
  get stats(): WriterStats {
    const sinceMs = Math.min(this.#inHandSinceMs, this.#collector.waitingSinceMs)
    return this.#counters.read({
      // The loop waits in the same place for the first entry and for the next.
      mode: this.#mode === 'collecting' && !this.#collector.isPending ? 'idle' : this.#mode,
      oldestUnflushedAgeMs: sinceMs === Infinity ? 0 : Math.max(0, this.#clock.nowMs() - sinceMs),
      inHandEntries: this.#inHand?.entries ?? 0,
    })
  }

  /** The one loop: never two batches in hand. */
  async #run(): Promise<void> {
    while (!this.#isStopped) {
      const { trigger } = this.#collector
      if (trigger !== null) await this.#copy(trigger)
      else if (this.#collector.isDraining) await this.#finish()
      else await this.#collect()
    }
  }

  /** → idle or collecting, until a batch may be due. */
  async #collect(): Promise<void> {
    this.#enter('collecting')
    await this.#collector.wait()
  }

  /** → copying, until the batch is stored or the writer stopped. */
  async #copy(trigger: FlushTrigger): Promise<void> {
    this.#enter('copying')
    this.#trigger = trigger
    this.#inHandSinceMs = this.#collector.waitingSinceMs
    this.#isBusy = true
    this.#mender.begin()
    let next = await this.#seal()
    while (next !== null) {
      this.#inHand = next
      next = await this.#attempt(next)
    }
    if (this.#isStopped) return
    this.#isBusy = false
    this.#inHand = null
    this.#inHandSinceMs = Infinity
    this.#flushes.settle((upTo) => this.#isSettled(upTo))
  }

  /** Takes everything that waits, up to the limits of a batch. Null when stopped meanwhile. */
  async #seal(): Promise<Batch | null> {
    const { maxBatchEntries: maxEntries, maxBatchBytes: maxBytes } = this.#options
    const builder = new BatchBuilder(this.#encoder, { maxEntries, maxBytes })
    for (;;) {
      // Requests first: each slice has a turn of the event loop of its own.
      await this.#clock.turn()
      if (this.#isStopped) return null
      const verdict = builder.takeSlice(this.#source, (entry) => this.#mender.unfit(entry))
      if (verdict === 'more') continue
      this.#collector.taken(verdict === 'full')
      const dropped = this.#ledger.takeUnreportedDrops()
      if (dropped !== null) this.#log.dropped(dropped)
      return builder.seal(this.#instance, ++this.#lastBatch, dropped)
    }
  }

  /** Sends the batch once. Returns what to send next under its number, null when it is stored or the writer stopped. */
  async #attempt(batch: Batch): Promise<Batch | null> {
    this.#enter('copying')
    const startedAtMs = this.#clock.nowMs()
    const outcome = await this.#store.store(batch).catch(toStoreError)
    if (this.#isStopped) return null
    if ('state' in outcome) {
      this.#stored(batch, outcome, this.#clock.nowMs() - startedAtMs)
      return null
    }
    this.#counters.lastErrorCode = outcome.code
    const mended = await this.#mender.mend(batch, outcome)
    if (this.#isStopped) return null
    if (mended === null) await this.#backOff(outcome, batch)
    if (this.#isStopped) return null
    this.#counters.retries++
    return mended ?? batch
  }

  #stored(batch: Batch, result: StoreResult, durationMs: number): void {
    for (const [tenant, entries] of batch.tenants) this.#ledger.settle(tenant, entries)
    this.#counters.stored(batch, result, this.#trigger, durationMs)
    if (result.rows !== batch.entries) {
      this.#log.mismatch({ batch: batch.number, sent: batch.entries, counted: result.rows })
    }
    this.#log.stored(batch.number)
  }

  /** → backing_off, until the wait is over or the drain begins. */
  async #backOff(failure: StoreError, batch: Batch): Promise<void> {
    const { backoffMinMs, backoffMaxMs } = this.#options
    const attempt = this.#counters.consecutiveFailures++
    const waitMs = backoffMs(attempt, backoffMinMs, backoffMaxMs, this.#random)
    this.#enter('backing_off')
    this.#log.failing(failure, { batch: batch.number, attempt: attempt + 1, waitMs })
    await new Promise<void>((resolve) => {
      const cancel = this.#clock.after(waitMs, resolve)
      this.#endBackOff = () => {
        cancel()
        resolve()
      }
    })
    this.#endBackOff = null
    this.#mender.renew()
  }

  /** → draining, until all is stored or the deadline has come. */
  async #drain(deadlineMs: number): Promise<DrainResult> {
    this.#collector.request('drain')
    this.#enter('draining')
    this.#endBackOff?.()
    this.start()
    let cancel = (): void => {}
    const deadline = new Promise<void>((resolve) => {
      cancel = this.#clock.after(deadlineMs, () => {
        this.#abandon()
        resolve()
      })
    })
    await Promise.race([this.#running, deadline])
    cancel()
    return { stored: this.#lost === 0, lost: this.#lost }
  }

  /** draining → stopped: everything is stored. In one go, so that nothing is pushed in between. */
  async #finish(): Promise<void> {
    this.#stop()
    await this.#store.close()
  }

  /** draining → stopped: the deadline. What is left is dropped; a spill to disk would take it here. */
  #abandon(): void {
    const tenants = this.#ledger.dropAllBuffered('shutdown')
    for (const entries of tenants.values()) this.#lost += entries
    this.#log.lost(this.#lost, tenants, this.#inHand?.entries ?? 0)
    this.#stop()
    this.#store.destroy()
    this.#endBackOff?.()
  }

  #stop(): void {
    this.#mode = 'stopped'
    this.#collector.stop()
    this.#inHand = null
    this.#inHandSinceMs = Infinity
    if (this.#lost > 0) this.#flushes.reject(new Error(STOPPED))
    else this.#flushes.settle(() => true)
  }

  #isSettled(upTo: number): boolean {
    return !this.#isBusy && this.#source.oldestSeq > upTo
  }

  #enter(mode: 'collecting' | 'copying' | 'backing_off' | 'draining'): void {
    if (!this.#isStopped) this.#mode = this.#collector.isDraining ? 'draining' : mode
  }

  get #isStopped(): boolean {
    return this.#mode === 'stopped'
  }
}
