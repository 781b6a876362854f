import { randomUUID } from 'node:crypto'
import type { DatabaseContact } from '../lib/database-contact.ts'
import type { LogLines } from '../lib/log-lines.ts'
import type { FlushTrigger, WriterMode } from '../model/stats.ts'
import type { Batch, BatchStore } from './batch/batch.ts'
import type { EntrySource } from '../channel/channel.ts'
import { type Clock, steppingClock, systemClock } from '../lib/time/clock.ts'
import { Collector } from './collector.ts'
import { Delivery } from './delivery.ts'
import { DropLog } from './watch/drop-log.ts'
import { FlushWaiters } from './flush-waiters.ts'
import type { Ledger } from '../channel/ledger.ts'
import { DatabaseTurns, type Sender } from './database/database-turns.ts'
import { BatchRepair } from './batch-repair.ts'
import { Replayer } from './spill/replayer.ts'
import { type Life, Sealer } from './sealer.ts'
import type { Spill } from './spill/spill.ts'
import type { WatchedLoop } from './watch/watchdog.ts'
import { WriterLog } from './writer-log.ts'
import { WriterCounters, type WriterReport } from './writer-stats.ts'

export interface WriterOptions {
  /** A batch is begun as soon as this many entries wait … */
  readonly flushEntries: number
  /** … or the oldest has waited this long. */
  readonly flushIntervalMs: number
  readonly maxBatchEntries: number
  readonly maxBatchBytes: number
  readonly backoffMinMs: number
  readonly backoffMaxMs: number
  /** With a spill: how long a batch, or a half full channel, waits for the database. 1000 when not given. */
  readonly spillAfterMs?: number
  /** With a spill: every batch is on disk before its COPY, at most 10 ms after its entries were accepted. */
  readonly isJournal?: boolean
}

export interface WriterParts {
  readonly channel: EntrySource
  readonly ledger: Ledger
  readonly store: BatchStore
  /** Makes the partitions of these UTC days, `YYYY-MM-DD`, where they are missing. */
  readonly ensurePartitions: (days: readonly string[]) => Promise<void>
  /** Where batches go while the database is away; the writer starts and closes it. Without, they wait in the channel. */
  readonly spill?: Spill | null
  /** How full the channel is, 0 to 1, in entries or bytes, whichever is more; needed with a spill. */
  readonly channelFill?: () => number
  /** Is told that the database answered. */
  readonly contact?: DatabaseContact
  /** UUID of this process life. */
  readonly instance: string
  readonly options: WriterOptions
  readonly logger: LogLines
  readonly clock?: Clock
  /** [0, 1), for the jitter of the back-off. */
  readonly random?: () => number
}

/** Result of a drain: whether nothing was lost by it, how many entries were dropped at its end, and how many are on disk. */
export interface DrainResult {
  readonly stored: boolean
  readonly lost: number
  readonly spilled: number
}

/** A journal's batch is begun this long after its first entry at the latest; encoding and writing take their time too. */
const JOURNAL_INTERVAL_MS = 3
const JOURNAL_ENTRIES = 512

/** Ids under which one process may go on; more are not begun: each batch that meets another's is stored as a life of its own. */
const MAX_LIVES = 64

/** How long after the drain's deadline the disk may take for what is left. */
const SPILL_GRACE_MS = 2000

const SPILL_AFTER_MS = 1000

const STOPPED = 'the writer stopped before all was stored'

/**
 * Takes entries out of the channel and brings them, batch by batch, one at a time, in order, to where they are safe. A state machine:
 *
 *   idle ──first entry──► collecting ──trigger──► copying ──stored or spilled, nothing due──► idle, collecting
 *                                                 │  ▲ ▲└──stored or spilled, more due (a backlog)──► copying, the next batch
 *                                          failed ▼  │ └────row cut out, partition made: the same number, at once
 *                                             backing_off    (the same bytes, after the wait, or to the spill: see Delivery)
 *   any ──drain()──► draining ──all stored or spilled, or the deadline──► stopped
 *
 * idle         The channel is empty, nothing is in hand, no timer runs.
 * collecting   Entries, or drops that are in no ledger row, wait; the interval timer runs.
 * copying      A batch is in hand: being encoded, sent, mended or spilled. The channel fills behind it; what is due of it when the
 *              batch is sent is encoded meanwhile, one slice of it (see Sealer).
 * backing_off  A batch is in hand and waits for its next attempt; the channel fills, and drops when full. With a spill it waits
 *              for a second at most, unless the disk refuses too.
 * draining     As copying and backing_off, but nothing waits for a trigger; the deadline runs. A last batch, without rows,
 *              ends the chain; what is spilled is replayed as long as the database is there.
 * stopped      Nothing is in hand, nothing waits: all is stored, on disk, or counted as dropped. The channel drops what comes.
 *
 * Beside it the replay (see Replayer), which shares the way to the database (see DatabaseTurns). Without failure there is nothing
 * to replay and no file is touched. With a journal the writer's batches go to disk, and the replay stores them (docs/decisions/0023).
 *
 * The digest of each batch is chained to that of the one before it, stored or not: it is fixed at sealing (docs/decisions/0021).
 *
 * Law 3: an entry is `buffered` in the ledger from its push until its batch is known to be stored, or on disk (`spilled`), or it
 * is dropped; `spilled` until its batch is known to be stored.
 */
export class Writer {
  readonly #source: EntrySource
  readonly #collector: Collector
  readonly #ledger: Ledger
  readonly #database: DatabaseTurns
  readonly #spill: Spill | null
  readonly #clock: Clock
  readonly #sealer: Sealer
  /** Ids of the chains of this process. */
  readonly #lives: Set<string>
  readonly #log: WriterLog
  readonly #dropLog: DropLog
  readonly #repair: BatchRepair
  readonly #delivery: Delivery
  readonly #replayer: Replayer | null
  readonly #counters = new WriterCounters()
  /** Of each loop: what a watchdog judges. */
  readonly #steps: Record<Sender, number> = { live: 0, replay: 0 }

  #mode: WriterMode = 'collecting'
  #running: Promise<void> | null = null
  #replaying: Promise<void> = Promise.resolve()
  #drained: Promise<DrainResult> | null = null
  readonly #flushes = new FlushWaiters()
  /** From the first entry taken to the batch's end: what is in neither channel nor `#inHand` is the sealer's. */
  #isBusy = false
  #inHand: Batch | null = null
  #inHandSinceMs = Infinity
  #lost = 0
  /** The drain's deadline has come. */
  #isOverdue = false
  #endReplay: (() => void) | null = null

  constructor(parts: WriterParts) {
    const { ledger, instance, options, spill = null, ensurePartitions } = parts
    const onStep = (sender: Sender): void => void this.#steps[sender]++
    const time = parts.clock ?? systemClock
    const clock = steppingClock(time, () => onStep('live'))
    const random = parts.random ?? Math.random
    const log = new WriterLog(parts.logger, clock)
    const counters = this.#counters
    const channelFill = parts.channelFill ?? (() => 0)
    const isJournal = spill !== null && options.isJournal === true
    this.#source = parts.channel
    this.#lives = new Set([instance])
    this.#ledger = ledger
    this.#spill = spill
    this.#clock = clock
    this.#log = log
    const cause = () => ({ database: counters.lastErrorCode, disk: spill?.stats.lastErrorCode ?? null })
    this.#dropLog = new DropLog({ ledger, clock: time, logger: parts.logger, cause })
    const database = (this.#database = new DatabaseTurns(parts.store, onStep, () => parts.contact?.heard()))
    const repairParts = { ensurePartitions, ledger, counters, clock, log, database }
    this.#repair = new BatchRepair(repairParts)
    const shared = { database, ledger, counters, log, clock, random }
    this.#replayer =
      spill === null
        ? null
        : new Replayer({
            ...shared,
            clock: steppingClock(time, () => onStep('replay')),
            spill,
            repair: new BatchRepair({ ...repairParts, isReplay: true }),
            options: { ...options, journal: isJournal ? options : null },
            isPressed: () => channelFill() >= 1 / 2,
            isOurs: (id) => this.#lives.has(id),
            onForeign: (batch) => this.#foreign(batch),
          })
    this.#collector = new Collector({
      source: parts.channel,
      ledger,
      clock,
      options: isJournal ? { flushEntries: JOURNAL_ENTRIES, flushIntervalMs: JOURNAL_INTERVAL_MS } : options,
    })
    this.#sealer = new Sealer({
      source: parts.channel,
      collector: this.#collector,
      ledger,
      repair: this.#repair,
      counters,
      clock,
      instance,
      options,
    })
    this.#delivery = new Delivery({
      ...shared,
      spill,
      repair: this.#repair,
      settleSpilled: (spilled, batch) => this.#replayer?.settle(spilled, batch),
      options: { ...options, spillAfterMs: options.spillAfterMs ?? SPILL_AFTER_MS, isJournal },
      channelFill,
      onForeign: (batch) => this.#foreign(batch),
      waitingSinceMs: () => this.#collector.waitingSinceMs,
      onAttempt: () => this.#enter('copying'),
      onBackOff: () => this.#enter('backing_off'),
    })
  }

  /** Begins to store what is pushed. The database need not be there yet. A second call does nothing. */
  start(): void {
    if (this.#running !== null) return
    this.#running = this.#run()
    if (this.#spill === null || this.#replayer === null) return
    void this.#spill.start()
    this.#replaying = this.#replayer.run()
  }

  /**
   * Resolves when everything accepted before the call is stored, or spilled, or dropped for its own sake; without a spill it
   * waits as long as the database is away. Rejects when the drain's deadline came first.
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
   * Stores all that is left, or spills it, then stops; at the deadline, in ms from now, what is still left is spilled, for which
   * the disk has two seconds more. What is neither is counted as dropped, reason `shutdown`. Never rejects. A second call returns the same promise: the first deadline counts.
   */
  drain(deadlineMs: number): Promise<DrainResult> {
    return (this.#drained ??= this.#drain(deadlineMs))
  }

  /** Whether neither the database nor the disk takes the batch in hand; see Delivery. */
  get isBlocked(): boolean {
    return this.#delivery.isBlocked
  }

  /** A copy of the numbers at this moment. */
  get stats(): WriterReport {
    const sinceMs = Math.min(this.#inHandSinceMs, this.#collector.waitingSinceMs)
    const state = {
      // The loop waits in the same place for the first entry and for the next.
      mode: this.#mode === 'collecting' && !this.#collector.isPending ? 'idle' : this.#mode,
      oldestUnflushedAgeMs: sinceMs === Infinity ? 0 : Math.max(0, this.#clock.nowMs() - sinceMs),
      inHandEntries: this.#inHand?.entries ?? 0,
      isAway: this.#database.isAway,
      isDropping: this.#dropLog.isDropping,
      spill: this.#spill?.stats ?? null,
    }
    return this.#counters.read(state, this.#clock.nowMs())
  }

  /** The two loops, for a watchdog. */
  get loops(): readonly WatchedLoop[] {
    return [
      {
        name: 'writer',
        isPending: () => !this.#isStopped && (this.#isBusy || this.#collector.isPending),
        steps: () => this.#steps.live,
      },
      {
        name: 'replay',
        isPending: () => !this.#isStopped && this.#spill?.hasPending === true,
        steps: () => this.#steps.replay,
      },
    ]
  }

  /** The chain that is being written, which changes when somebody else is found to live under its id. */
  get life(): Life {
    return this.#sealer.life
  }

  #foreign(batch: Batch): void {
    this.#counters.foreign++
    const isNew = batch.instance === this.#sealer.life.instance
    const next = randomUUID()
    this.#log.foreign({ instance: batch.instance, batch: batch.number, ...(isNew ? { next } : {}) })
    if (!isNew || this.#lives.size >= MAX_LIVES) return
    this.#lives.add(next)
    this.#sealer.renew(next)
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

  /** → copying, until the batch is safe or the writer stopped. */
  async #copy(trigger: FlushTrigger, isFinal = false): Promise<void> {
    this.#enter('copying')
    this.#inHandSinceMs = this.#collector.waitingSinceMs
    this.#isBusy = true
    const batch = await this.#sealer.seal(isFinal, () => this.#isStopped)
    if (batch === null) return
    this.#inHand = batch
    void this.#sealer.encodeAhead(() => this.#inHand === batch && !this.#isStopped && !this.#database.isAway)
    const isSafe = await this.#delivery.deliver(batch, trigger)
    if (this.#isStopped) return
    if (!isSafe) return this.#abandon()
    this.#isBusy = false
    this.#inHand = null
    this.#inHandSinceMs = Infinity
    this.#flushes.settle((upTo) => this.#isSettled(upTo))
  }

  /** → draining, until all is safe, or the deadline has come and the disk has had its time too. */
  async #drain(deadlineMs: number): Promise<DrainResult> {
    this.#collector.request('drain')
    this.#enter('draining')
    this.#delivery.hurry()
    this.start()
    const done = this.#running ?? Promise.resolve()
    if (!(await this.#isInTime(done, deadlineMs)) && this.#spill !== null && !this.#isStopped) {
      this.#log.overdue(this.#ledger.totals.buffered)
      this.#isOverdue = true
      this.#delivery.overdue()
      this.#replayer?.stop()
      this.#endReplay?.()
      await this.#isInTime(done, SPILL_GRACE_MS)
    }
    if (!this.#isStopped) this.#abandon()
    if (this.#spill !== null) await this.#isInTime(this.#spill.close(), SPILL_GRACE_MS)
    return { stored: this.#lost === 0, lost: this.#lost, spilled: this.#ledger.totals.spilled }
  }

  async #isInTime(work: Promise<void>, ms: number): Promise<boolean> {
    let cancel = (): void => {}
    const late = new Promise<false>((resolve) => {
      cancel = this.#clock.after(ms, () => resolve(false))
    })
    const isDone = await Promise.race([work.then(() => true), late])
    cancel()
    return isDone
  }

  /** draining → stopped: everything is safe. Closes the channel in one go with the look at it: nothing is pushed in between. */
  async #finish(): Promise<void> {
    this.#source.close()
    if (this.#source.lastSeq > 0) await this.#copy('drain', true)
    if (this.#isStopped) return
    if (this.#replayer !== null && !this.#isOverdue && !this.#database.isAway) {
      this.#replayer.finish()
      const ended = new Promise<void>((resolve) => {
        this.#endReplay = resolve
      })
      await Promise.race([this.#replaying, ended])
    }
    if (this.#isStopped) return
    this.#stop()
    if (this.#database.isAway || this.#isOverdue) this.#database.destroy()
    else await this.#database.close()
  }

  /** draining → stopped: the deadline. What is left, and the disk has not taken, is dropped. */
  #abandon(): void {
    const tenants = this.#ledger.dropAllBuffered('shutdown')
    for (const entries of tenants.values()) this.#lost += entries
    this.#log.lost(this.#lost, tenants, this.#inHand?.entries ?? 0)
    this.#stop()
    this.#database.destroy()
  }

  #stop(): void {
    this.#mode = 'stopped'
    this.#collector.stop()
    this.#delivery.stop()
    this.#replayer?.stop()
    this.#dropLog.stop()
    this.#inHand = null
    this.#sealer.stop()
    this.#inHandSinceMs = Infinity
    if (this.#lost > 0) this.#flushes.reject(new Error(STOPPED))
    else this.#flushes.settle(() => true)
  }

  #isSettled(upTo: number): boolean {
    return !this.#isBusy && !this.#sealer.isAhead && this.#source.oldestSeq > upTo
  }

  #enter(mode: 'collecting' | 'copying' | 'backing_off' | 'draining'): void {
    if (!this.#isStopped) this.#mode = this.#collector.isDraining ? 'draining' : mode
  }

  get #isStopped(): boolean {
    return this.#mode === 'stopped'
  }
}
