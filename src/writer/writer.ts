import assert from 'node:assert'
import type { FlushTrigger, WriterMode } from '../model/stats.ts'
import { endsWithin } from '../lib/time/within.ts'
import { unreachable } from '../lib/unreachable.ts'
import { assemble, type WriterParts, type WriterPieces } from './assembly.ts'
import type { Batch } from './batch/batch.ts'
import { FlushWaiters } from './flush-waiters.ts'
import type { Life } from './sealer.ts'
import { FAULT_PAUSE_MS } from './watch/loop-faults.ts'
import type { WatchedLoop } from './watch/watchdog.ts'
import type { WriterReport } from './writer-stats.ts'

/** Result of a drain: whether nothing was lost by it, how many entries were dropped at its end, and how many are on disk. */
export interface DrainResult {
  readonly stored: boolean
  readonly lost: number
  readonly spilled: number
}

/** How long after the drain's deadline the disk may take for what is left. */
const SPILL_GRACE_MS = 2000

const STOPPED = 'the writer stopped before all was stored'

type WriterState =
  | { readonly mode: 'collecting' }
  | {
      readonly mode: 'sealing'
      readonly trigger: FlushTrigger
      readonly isFinal: boolean
      /** When the oldest entry of the batch was pushed. */
      readonly sinceMs: number
    }
  | {
      readonly mode: 'delivering'
      readonly batch: Batch
      readonly trigger: FlushTrigger
      readonly sinceMs: number
    }
  | {
      readonly mode: 'finishing'
      /** Resolves when the replay is not waited for any more. */
      readonly deadline: Promise<void>
      readonly overdue: () => void
    }
  | { readonly mode: 'stopped'; readonly lost: number }

type Mode = WriterState['mode']

/** Where each mode is entered from. */
const ENTERED_FROM: Readonly<Record<Mode, readonly Mode[]>> = {
  sealing: ['collecting'],
  delivering: ['sealing'],
  collecting: ['delivering'],
  finishing: ['collecting', 'delivering'],
  stopped: ['collecting', 'sealing', 'delivering', 'finishing'],
}

/**
 * Takes entries out of the channel and brings them, batch by batch, one at a time, in order, to where they are safe. A state machine
 * with one loop, which does what the mode says, over and over:
 *
 *   collecting ──a batch is due──► sealing ──it is sealed──► delivering ──it is safe──► collecting
 *       │                             ▲                          │
 *       └──drain: the last batch──────┘                          └──the last batch is safe──► finishing ──► stopped
 *
 *   any ──the drain's deadline, and the disk has not taken the rest──► stopped
 *
 * collecting   Nothing is in hand. Entries, or drops that are in no ledger row, may wait; then the interval timer runs. Shown as
 *              `idle` when nothing waits.
 * sealing      Entries of the batch leave the channel and are encoded, slice by slice; they are with the Sealer. No batch is
 *              in hand. Shown as `copying`.
 * delivering   A batch is in hand: being sent, repaired or spilled, or waiting for its next attempt (see Delivery). The channel fills
 *              behind it; what is due of it when the batch is sent is encoded meanwhile, one slice of it (see Sealer). Shown as
 *              `copying` or `backing_off`.
 * finishing    The channel is closed, nothing is in hand. What is spilled is replayed as long as the database is there, and the
 *              deadline has not come.
 * stopped      Nothing is in hand, nothing waits: all is stored, on disk, or counted as dropped. The channel drops what comes.
 *
 * drain() may come in any mode. From then on nothing waits for a trigger, and each mode but `stopped` is shown as `draining`. A last
 * batch, without rows, ends the chain.
 *
 * An unforeseen error, as an assertion that fails, ends a step and changes no mode: what is in hand stays there, and the same step is
 * taken again after a pause (docs/decisions/0430). A batch that was stored meanwhile is found stored, by its number and digest.
 *
 * Beside the loop runs the replay (see Replayer), which shares the database with it (see DatabaseTurns). Without failure there is
 * nothing to replay and no file is touched. With a journal the writer's batches go to disk, and the replay stores them
 * (docs/decisions/0023).
 *
 * The digest of each batch is chained to that of the one before it, stored or not: it is fixed at sealing (docs/decisions/0021).
 *
 * Law 3: an entry is `buffered` in the ledger from its push until its batch is known to be stored, or on disk (`spilled`), or it
 * is dropped; `spilled` until its batch is known to be stored.
 */
export class Writer {
  readonly #pieces: WriterPieces
  readonly #flushes = new FlushWaiters()
  #state: WriterState = { mode: 'collecting' }
  #running: Promise<void> | null = null
  #replaying: Promise<void> = Promise.resolve()
  #drained: Promise<DrainResult> | null = null

  constructor(parts: WriterParts) {
    this.#pieces = assemble(parts)
  }

  /** Begins to store what is pushed. The database need not be there yet. A second call does nothing. */
  start(): void {
    if (this.#running !== null) return
    this.#running = this.#run()
    const { spill, replayer } = this.#pieces
    if (spill === null || replayer === null) return
    void spill.start()
    this.#replaying = replayer.run()
  }

  /**
   * Resolves when everything accepted before the call is stored, or spilled, or dropped for its own sake; without a spill it
   * waits as long as the database is away. Rejects when the drain's deadline came first.
   */
  async flush(): Promise<void> {
    const { source, collector } = this.#pieces
    const upTo = source.lastSeq
    if (this.#lost > 0) throw new Error(STOPPED)
    if (this.#isSettled(upTo)) return
    const settled = this.#flushes.wait(upTo)
    collector.request('flush')
    await settled
  }

  /**
   * Stores all that is left, or spills it, then stops. At the deadline, in ms from now, what is still left is spilled, for which the disk
   * has two seconds more. What is neither is counted as dropped, reason `shutdown`. Never rejects. A second call returns the same
   * promise: the first deadline counts.
   */
  drain(deadlineMs: number): Promise<DrainResult> {
    return (this.#drained ??= this.#drain(deadlineMs))
  }

  /** Whether neither the database nor the disk takes the batch in hand (see Delivery), or a fault keeps it from both. */
  get isBlocked(): boolean {
    const { delivery, faults } = this.#pieces
    return delivery.isBlocked || faults.live.isLasting
  }

  /** A copy of the numbers at this moment. */
  get stats(): WriterReport {
    const { collector, counters, clock, database, dropLog, spill } = this.#pieces
    const state = this.#state
    const inHandSinceMs = 'sinceMs' in state ? state.sinceMs : Infinity
    const sinceMs = Math.min(inHandSinceMs, collector.waitingSinceMs)
    const reading = {
      mode: this.#shownMode,
      oldestUnflushedAgeMs: sinceMs === Infinity ? 0 : Math.max(0, clock.nowMs() - sinceMs),
      inHandEntries: state.mode === 'delivering' ? state.batch.entries : 0,
      isAway: database.isAway,
      isDropping: dropLog.isDropping,
      spill: spill?.stats ?? null,
    }
    return counters.read(reading, clock.nowMs())
  }

  /** The two loops, for a watchdog. */
  get loops(): readonly WatchedLoop[] {
    const { collector, spill, faults } = this.#pieces
    return [
      {
        name: 'writer',
        isPending: () => !this.#isStopped && (this.#isBusy || collector.isPending),
        steps: () => faults.live.visibleSteps,
      },
      {
        name: 'replay',
        isPending: () => !this.#isStopped && spill?.hasPending === true,
        steps: () => faults.replay.visibleSteps,
      },
    ]
  }

  /** The chain that is being written, which changes when another process is found to live under its id. */
  get life(): Life {
    return this.#pieces.sealer.life
  }

  /** The one loop: never two batches in hand. Never rejects. */
  async #run(): Promise<void> {
    while (!this.#isStopped) {
      try {
        await this.#step()
        this.#pieces.faults.live.clear()
      } catch (error) {
        await this.#pause(error)
      }
    }
  }

  /** Does what the mode says. Ends in another mode, or in the same when there is nothing to do. */
  async #step(): Promise<void> {
    const { collector, delivery, source } = this.#pieces
    const state = this.#state
    switch (state.mode) {
      case 'collecting': {
        const { trigger } = collector
        if (trigger !== null) this.#seal(trigger, false)
        else if (!collector.isDraining) await collector.wait()
        else {
          // In one go with the look at the channel: nothing is pushed in between.
          source.close()
          if (source.lastSeq > 0) this.#seal('drain', true)
          else this.#finish()
        }
        return
      }
      case 'sealing': {
        const batch = await this.#pieces.sealer.seal(state.isFinal, () => this.#isStopped)
        if (batch !== null) this.#deliver(batch, state)
        return
      }
      case 'delivering': {
        const isSafe = await delivery.deliver(state.batch, state.trigger)
        if (this.#isStopped) return
        if (!isSafe) this.#abandon()
        else if (state.batch.isFinal) this.#finish()
        else this.#collect()
        return
      }
      case 'finishing':
        await this.#replayRest(state.deadline)
        return
      case 'stopped':
        return
      default:
        unreachable(state)
    }
  }

  /** An unforeseen error has ended a step. The mode is what it was, so the next step is the same again. */
  async #pause(error: unknown): Promise<void> {
    const { log, counters, clock, faults } = this.#pieces
    faults.live.add()
    counters.fault()
    log.fault(error, this.#state.mode === 'delivering' ? this.#state.batch.number : null)
    if (this.#isStopped) return
    await new Promise<void>((resolve) => void clock.after(FAULT_PAUSE_MS, resolve))
  }

  /** collecting → sealing: a batch is due. */
  #seal(trigger: FlushTrigger, isFinal: boolean): void {
    this.#enter({ mode: 'sealing', trigger, isFinal, sinceMs: this.#pieces.collector.waitingSinceMs })
  }

  /** sealing → delivering: the batch is sealed. */
  #deliver(batch: Batch, { trigger, sinceMs }: { trigger: FlushTrigger; sinceMs: number }): void {
    const { sealer, database, log } = this.#pieces
    const state = this.#enter({ mode: 'delivering', batch, trigger, sinceMs })
    sealer
      .encodeAhead(() => this.#state === state && !database.isAway)
      .catch((error: unknown) => log.fault(error, null))
  }

  /** delivering → collecting: the batch is safe. */
  #collect(): void {
    this.#enter({ mode: 'collecting' })
    this.#flushes.settle((upTo) => this.#isSettled(upTo))
  }

  /** collecting, delivering → finishing: everything is safe. */
  #finish(): void {
    let overdue = (): void => {}
    const deadline = new Promise<void>((resolve) => {
      overdue = resolve
    })
    this.#enter({ mode: 'finishing', deadline, overdue })
    this.#flushes.settle((upTo) => this.#isSettled(upTo))
  }

  /** finishing → stopped: the replay has ended, or is not waited for. */
  async #replayRest(deadline: Promise<void>): Promise<void> {
    const { replayer, database, delivery } = this.#pieces
    if (replayer !== null && !delivery.isOverdue && !database.isAway) {
      replayer.finish()
      await Promise.race([this.#replaying, deadline])
    }
    if (this.#isStopped) return
    this.#stop(0)
    if (database.isAway || delivery.isOverdue) database.destroy()
    else await database.close()
  }

  /** any → stopped: the deadline. What is left, and the disk has not taken, is dropped. */
  #abandon(): void {
    const { ledger, log, database } = this.#pieces
    const inHand = this.#state.mode === 'delivering' ? this.#state.batch.entries : 0
    const tenants = ledger.dropAllBuffered('shutdown')
    let lost = 0
    for (const entries of tenants.values()) lost += entries
    log.lost(lost, tenants, inHand)
    this.#stop(lost)
    database.destroy()
  }

  /** any → stopped: the books are closed. */
  #stop(lost: number): void {
    const { collector, delivery, replayer, dropLog, sealer } = this.#pieces
    this.#enter({ mode: 'stopped', lost })
    collector.stop()
    delivery.stop()
    replayer?.stop()
    dropLog.stop()
    sealer.stop()
    if (lost > 0) this.#flushes.reject(new Error(STOPPED))
    else this.#flushes.settle(() => true)
  }

  #enter<S extends WriterState>(state: S): S {
    const from = this.#state.mode
    assert(ENTERED_FROM[state.mode].includes(from), `the writer goes from ${from} to ${state.mode}`)
    this.#state = state
    return state
  }

  /** Until all is safe, or the deadline has come and the disk has had its time too. */
  async #drain(deadlineMs: number): Promise<DrainResult> {
    const { collector, delivery, spill, replayer, log, ledger, clock } = this.#pieces
    collector.request('drain')
    delivery.hurry()
    this.start()
    const done = this.#running ?? Promise.resolve()
    if (!(await endsWithin(done, deadlineMs, clock)) && spill !== null && !this.#isStopped) {
      log.overdue(ledger.totals.buffered)
      delivery.overdue()
      replayer?.stop()
      if (this.#state.mode === 'finishing') this.#state.overdue()
      await endsWithin(done, SPILL_GRACE_MS, clock)
    }
    if (!this.#isStopped) this.#abandon()
    if (spill !== null) await endsWithin(spill.close(), SPILL_GRACE_MS, clock)
    return { stored: this.#lost === 0, lost: this.#lost, spilled: ledger.totals.spilled }
  }

  get #shownMode(): WriterMode {
    const { collector, delivery } = this.#pieces
    const { mode } = this.#state
    if (mode === 'stopped') return 'stopped'
    if (collector.isDraining || mode === 'finishing') return 'draining'
    if (mode === 'collecting') return collector.isPending ? 'collecting' : 'idle'
    return delivery.isBackingOff ? 'backing_off' : 'copying'
  }

  #isSettled(upTo: number): boolean {
    const { sealer, source } = this.#pieces
    return !this.#isBusy && !sealer.isBegun && source.oldestSeq > upTo
  }

  /** Whether entries are between the channel and a safe place. */
  get #isBusy(): boolean {
    return this.#state.mode === 'sealing' || this.#state.mode === 'delivering'
  }

  get #isStopped(): boolean {
    return this.#state.mode === 'stopped'
  }

  get #lost(): number {
    return this.#state.mode === 'stopped' ? this.#state.lost : 0
  }
}
