import { backoffMs } from '../lib/time/backoff.ts'
import type { FlushTrigger } from '../model/stats.ts'
import { type Batch, quarantinedByTenant, type StoreResult } from './batch/batch.ts'
import type { Clock } from '../lib/time/clock.ts'
import type { BatchError } from './database/failure.ts'
import type { Ledger } from '../channel/ledger.ts'
import type { DatabaseTurns } from './database/database-turns.ts'
import type { BatchRepair } from './batch-repair.ts'
import {
  assertEnters,
  type DeliveryState,
  type InHand,
  type LiveState,
  unsafeFrom,
} from './delivery-state.ts'
import { DatabaseProbe } from './database/database-probe.ts'
import type { OwnLives } from './own-lives.ts'
import type { Replayer } from './spill/replayer.ts'
import type { Spill } from './spill/spill.ts'
import type { WriterCounters } from './writer-stats.ts'
import type { WriterLog } from './writer-log.ts'

/** How full the channel is when waiting for the database ends after `spillAfterMs`, and when it ends at once. */
const FILL_PRESSED = 1 / 2
const FILL_URGENT = 7 / 8

/** A database that has not answered for so many times `spillAfterMs` is taken for frozen, however empty the channel. */
const FROZEN_FACTOR = 3

/** How often a wait for the database looks at the channel. */
const POLL_MS = 100

/** A disk that refused a batch is asked again no sooner than this. */
const REFUSED_MS = 500

export interface DeliveryParts {
  readonly database: DatabaseTurns
  readonly repair: BatchRepair
  readonly spill: Spill | null
  /** Settles a batch that was spilled while its COPY was under way, when that COPY succeeds after all; null without a spill. */
  readonly replay: Pick<Replayer, 'settle'> | null
  /** What waits in the channel: see Collector. */
  readonly backlog: { readonly fill: number; readonly waitingSinceMs: number }
  readonly lives: Pick<OwnLives, 'meetForeign'>
  readonly ledger: Ledger
  readonly counters: WriterCounters
  readonly log: WriterLog
  readonly clock: Clock
  readonly random: () => number
  readonly options: {
    readonly backoffMinMs: number
    readonly backoffMaxMs: number
    readonly spillAfterMs: number
    readonly isJournal: boolean
  }
}

/**
 * Brings one batch after the other to where it is safe: into the database or, when that is away or too slow, onto the disk. When
 * neither takes it, it waits, and the channel fills behind it.
 *
 * See DeliveryState for the modes that a batch goes through.
 *
 * A batch goes to the spill
 *   at once       with a journal; while the database is away; when the channel is nearly full, or half full of what has waited
 *                 for longer than `spillAfterMs`: the database lags
 *   in back-off   `spillAfterMs` after its first failure, or as soon as the channel is half full
 *   in its COPY   that takes longer than `spillAfterMs` with the channel half full, or when it is nearly full. The COPY goes on,
 *                 and settles the frame when it succeeds; so does the replay, and the ledger lets only one of them store
 *   at the end    when the drain's deadline has come
 */
export class Delivery {
  readonly #parts: DeliveryParts
  readonly #clock: Clock
  readonly #probe: DatabaseProbe
  #state: DeliveryState = { mode: 'resting', hand: null }
  /** The drain's deadline has come: of this batch, and of all that follow. */
  #isOverdue = false
  /** When the disk refused a batch, this one or an earlier one. */
  #refusedAtMs = -Infinity
  /** Ends the wait that runs, if one does. */
  #endWait: (() => void) | null = null

  constructor(parts: DeliveryParts) {
    this.#parts = parts
    this.#clock = parts.clock
    this.#probe = new DatabaseProbe(parts.database, parts.clock)
    parts.database.onBack(() => this.#endWait?.())
  }

  /**
   * Whether the batch in hand should be on disk by now, and the disk does not take it, or there is none: nothing gets out of the
   * channel. Asked at each request of a strict tenant. A database that is slow and stores all the same blocks nothing.
   */
  get isBlocked(): boolean {
    const { hand } = this.#state
    if (hand === null || hand.unsafeFromMs === Infinity) return false
    if (this.#parts.spill !== null && !hand.isRefused) return false
    return this.#clock.nowMs() >= hand.unsafeFromMs
  }

  /** Whether the batch in hand waits for its next attempt. */
  get isBackingOff(): boolean {
    return this.#state.mode === 'backing_off'
  }

  /** Whether the drain's deadline has come. */
  get isOverdue(): boolean {
    return this.#isOverdue
  }

  /**
   * Resolves to true when the batch is stored or spilled; to false when the delivery was stopped, or is overdue and the disk refuses the
   * batch. One call at a time. Rejects only with an unforeseen error; then the batch is not safe, and may be delivered again.
   */
  async deliver(sealed: Batch, trigger: FlushTrigger): Promise<boolean> {
    const hand = this.#take(sealed, trigger)
    try {
      return await this.#bring(hand)
    } catch (error) {
      if (!hand.isSafe) throw error
      // To deliver it again would count it twice.
      this.#parts.log.fault(error, sealed.number)
      return true
    } finally {
      this.#rest()
    }
  }

  /** The drain has begun: a wait ends. */
  hurry(): void {
    this.#endWait?.()
  }

  /** The drain's deadline has come: what is in hand, and what comes, goes to the spill, or nowhere. */
  overdue(): void {
    this.#isOverdue = true
    this.#endWait?.()
  }

  /** Ends all waits; the caller has accounted for the batch in hand. */
  stop(): void {
    this.#state = { mode: 'stopped', hand: null }
    this.#endWait?.()
  }

  /** resting → taken */
  #take(batch: Batch, trigger: FlushTrigger): InHand {
    const hand: InHand = {
      batch,
      trigger,
      call: null,
      failedSinceMs: Infinity,
      unsafeFromMs: this.#parts.database.isAway ? this.#clock.nowMs() : Infinity,
      isSlow: false,
      isFailureOfDatabase: false,
      isRefused: false,
      isSafe: false,
    }
    this.#enter({ mode: 'taken', hand })
    return hand
  }

  async #bring(hand: InHand): Promise<boolean> {
    const { repair, counters, options, spill } = this.#parts
    repair.beginBatch()
    if (options.isJournal && (await this.#spill(hand))) return true
    while (!this.#isStopped) {
      if (this.#mustSpill(hand) && (await this.#spill(hand))) return true
      if (this.#isOverdue || this.#isStopped) return false
      const startedAtMs = this.#clock.nowMs()
      const outcome = await this.#copy(hand, startedAtMs)
      if (this.#isStopped) return false
      if (outcome === 'pressed') continue
      if ('state' in outcome) {
        this.#stored(hand, outcome, this.#clock.nowMs() - startedAtMs)
        return true
      }
      counters.lastErrorCode = outcome.code
      // Without a spill, the end of the chain is not worth waiting for a database that is away.
      if (hand.batch.isFinal && spill === null) return true
      const repaired = await this.#repair(hand, outcome)
      if (this.#isStopped) return false
      if (repaired === null && (await this.#backOff(hand, outcome))) return true
      counters.retries++
      hand.batch = repaired ?? hand.batch
    }
    return false
  }

  /**
   * → copying: sends the batch once. `pressed` when that takes longer than the channel can bear: the call goes on, and the next attempt
   * waits for the same one.
   */
  async #copy(hand: InHand, startedAtMs: number): Promise<StoreResult | BatchError | 'pressed'> {
    const { spill, database, options } = this.#parts
    this.#enter({ mode: 'copying', hand })
    unsafeFrom(hand, startedAtMs + options.spillAfterMs * FROZEN_FACTOR)
    const call = (hand.call ??= database.store('live', hand.batch))
    const outcome = spill === null ? await call : await this.#whileBearable(hand, call, startedAtMs)
    if (outcome !== 'pressed') hand.call = null
    return outcome
  }

  /** copying → repairing: the batch to send at once in its place; null when only waiting is left. */
  async #repair(hand: InHand, failure: BatchError): Promise<Batch | null> {
    const { repair, options } = this.#parts
    this.#enter({ mode: 'repairing', hand })
    hand.failedSinceMs = Math.min(hand.failedSinceMs, this.#clock.nowMs())
    unsafeFrom(hand, hand.failedSinceMs + options.spillAfterMs)
    return await repair.mend(hand.batch, failure)
  }

  /**
   * repairing → backing_off: until the wait is over, or the database is back, or the drain begins. Returns whether the batch was spilled
   * meanwhile.
   */
  async #backOff(hand: InHand, failure: BatchError): Promise<boolean> {
    const { options, random, counters, log, repair, spill } = this.#parts
    const attempt = counters.consecutiveFailures++
    const waitMs = backoffMs(attempt, options.backoffMinMs, options.backoffMaxMs, random)
    this.#blame(hand, failure)
    log.failing(failure, { batch: hand.batch.number, attempt: attempt + 1, waitMs })
    const retryAtMs = this.#clock.nowMs() + waitMs
    this.#enter({ mode: 'backing_off', hand, retryAtMs })
    for (let leftMs = waitMs; leftMs > 0; leftMs = retryAtMs - this.#clock.nowMs()) {
      if (this.#mustSpill(hand)) {
        if (await this.#spill(hand)) return true
        if (this.#isStopped) return false
        this.#enter({ mode: 'backing_off', hand, retryAtMs })
      }
      if (await this.#isWaitEnded(spill === null ? leftMs : Math.min(leftMs, POLL_MS))) break
    }
    repair.afterBackOff()
    return false
  }

  /** → spilling: whether the disk took the batch, and the books say so. */
  async #spill(hand: InHand): Promise<boolean> {
    const { spill, options } = this.#parts
    const { batch } = hand
    this.#enter({ mode: 'spilling', hand })
    const spilled = (await spill?.append(batch, options.isJournal)) ?? null
    if (spilled === null) {
      hand.isRefused = true
      this.#refusedAtMs = this.#clock.nowMs()
      return false
    }
    // Stopped meanwhile: the books say already that it is lost.
    if (this.#isStopped) return false
    hand.isSafe = true
    const { ledger, database, replay } = this.#parts
    for (const [tenant, count] of batch.tenants) ledger.move(tenant, count, 'buffered', 'spilled')
    for (const [tenant, count] of quarantinedByTenant(batch)) {
      ledger.move(tenant, count, 'buffered', 'spilled')
    }
    ledger.settleDrops(batch.dropped)
    void hand.call?.then((outcome) => {
      if ('state' in outcome) replay?.settle(spilled, batch)
    })
    if (hand.isFailureOfDatabase) database.markAway()
    this.#probe.probeSoon(batch)
    return true
  }

  /** → resting: the batch is safe, or its caller keeps it. */
  #rest(): void {
    if (!this.#isStopped) this.#enter({ mode: 'resting', hand: null })
  }

  #enter(state: LiveState): void {
    assertEnters(this.#state.mode, state.mode)
    this.#state = state
  }

  get #isStopped(): boolean {
    return this.#state.mode === 'stopped'
  }

  #mustSpill(hand: InHand): boolean {
    const { spill, database, options, backlog } = this.#parts
    if (spill === null) return false
    if (this.#isOverdue) return true
    const nowMs = this.#clock.nowMs()
    if (nowMs - this.#refusedAtMs < REFUSED_MS) return false
    if (database.isAway || hand.isSlow || nowMs - hand.failedSinceMs >= options.spillAfterMs) return true
    const { fill } = backlog
    if (fill < FILL_PRESSED) return false
    const hasFailed = hand.failedSinceMs !== Infinity
    return fill >= FILL_URGENT || hasFailed || nowMs - backlog.waitingSinceMs >= options.spillAfterMs
  }

  async #whileBearable<T>(hand: InHand, call: Promise<T>, startedAtMs: number): Promise<T | 'pressed'> {
    const { options, backlog, database } = this.#parts
    let cancel = (): void => {}
    const pressed = new Promise<'pressed'>((resolve) => {
      const look = (): void => {
        cancel()
        const { fill } = backlog
        const silentMs = this.#clock.nowMs() - startedAtMs
        const isPressing = silentMs >= options.spillAfterMs && fill >= FILL_PRESSED
        const isFrozen = silentMs >= options.spillAfterMs * FROZEN_FACTOR
        if (this.#isOverdue || fill >= FILL_URGENT || isPressing || isFrozen) {
          hand.isSlow = true
          if (!this.#isOverdue) database.markAway()
          resolve('pressed')
        } else {
          cancel = this.#clock.after(POLL_MS, look)
        }
      }
      // Not before the first poll: on the happy path the call has ended by then.
      cancel = this.#clock.after(POLL_MS, look)
      // Not when the database is back: the outcome is on its way then, and marking it away once more would outlast it.
      this.#endWait = () => {
        if (this.#isOverdue) look()
      }
    })
    try {
      return await Promise.race([call, pressed])
    } finally {
      cancel()
      this.#endWait = null
    }
  }

  #stored(hand: InHand, result: StoreResult, durationMs: number): void {
    const { batch, trigger } = hand
    const { ledger, counters, log, lives } = this.#parts
    hand.isSafe = true
    for (const [tenant, entries] of batch.tenants) ledger.settle(tenant, entries)
    for (const [tenant, entries] of quarantinedByTenant(batch)) {
      ledger.move(tenant, entries, 'buffered', 'quarantined')
    }
    ledger.settleDrops(batch.dropped)
    counters.stored(batch, result, trigger, durationMs)
    if (result.rows !== batch.entries) {
      log.mismatch({ batch: batch.number, sent: batch.entries, counted: result.rows })
    }
    log.stored(batch.number)
    if (result.isForeign === true) lives.meetForeign(batch)
  }

  /** The database is away when its connection fails, or when it takes nothing. When it takes a row of ours, the batch is the cause. */
  #blame(hand: InHand, failure: BatchError): void {
    hand.isFailureOfDatabase = failure.kind !== 'rejected' && failure.kind !== 'missing_partition'
    if (!hand.isFailureOfDatabase || failure.isOfConnection || this.#parts.spill === null) return
    // Not waited for: the batch is on disk in time, whatever the answer.
    void this.#parts.repair.takesOthers(hand.batch).then((isTaken) => {
      if (isTaken) hand.isFailureOfDatabase = false
    })
  }

  /** Waits; true when the wait was ended before its time. */
  async #isWaitEnded(ms: number): Promise<boolean> {
    if (this.#isStopped || this.#isOverdue) return true
    const isEnded = await new Promise<boolean>((resolve) => {
      const cancel = this.#clock.after(ms, () => resolve(false))
      this.#endWait = () => {
        cancel()
        resolve(true)
      }
    })
    this.#endWait = null
    return isEnded
  }
}
