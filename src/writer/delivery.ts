import { backoffMs } from '../lib/time/backoff.ts'
import type { FlushTrigger } from '../model/stats.ts'
import { type Batch, quarantinedByTenant, type StoreResult } from './batch/batch.ts'
import type { Clock } from '../lib/time/clock.ts'
import type { BatchError } from './database/failure.ts'
import type { Ledger } from '../channel/ledger.ts'
import type { DatabaseTurns } from './database/database-turns.ts'
import type { BatchRepair } from './batch-repair.ts'
import { DatabaseProbe } from './database/database-probe.ts'
import type { Spill } from './spill/spill.ts'
import type { Spilled } from './spill/spill.ts'
import type { WriterCounters } from './writer-stats.ts'
import type { WriterLog } from './writer-log.ts'

/** How full the channel is when waiting for the database ends after `spillAfterMs`, and when it ends at once. */
const FILL_PRESSED = 1 / 2
const FILL_URGENT = 7 / 8

/** A database that has not answered for so many times `spillAfterMs` is taken for frozen, however empty the channel. */
const FROZEN_FACTOR = 3

/** How often that is looked at while something is waited for. */
const POLL_MS = 100

/** A disk that refused a batch is asked again no sooner than this. */
const REFUSED_MS = 500

export interface DeliveryParts {
  readonly database: DatabaseTurns
  readonly repair: BatchRepair
  readonly spill: Spill | null
  /** Settles a batch that was spilled while its COPY was under way, when that COPY has succeeded after all. */
  readonly settleSpilled: (spilled: Spilled, batch: Batch) => void
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
  /** How full the channel is, 0 to 1. */
  readonly channelFill: () => number
  /** When the oldest entry in the channel was pushed; Infinity when it is empty. */
  readonly waitingSinceMs: () => number
  /** A batch was stored under another id, for its number was somebody else's. */
  readonly onForeign: (batch: Batch) => void
  readonly onBackOff: () => void
  readonly onAttempt: () => void
}

/**
 * Brings one batch after the other to where it is safe: into the database or, when that is away or too slow, onto the disk. When
 * neither takes it, it waits, and the channel fills behind it.
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
  #isStopped = false
  #isOverdue = false
  #endWait: (() => void) | null = null
  /** The COPY under way of the batch in hand. */
  #call: Promise<StoreResult | BatchError> | null = null
  /** Of the batch in hand: its first failure, and that it was slow. */
  #failedSinceMs = Infinity
  #isSlow = false
  /** Its last failure says nothing against the batch. */
  #isFailureOfDatabase = false
  #refusedAtMs = -Infinity
  /** Of the batch in hand: when it should be on disk at the latest, and that the disk has refused it. */
  #unsafeFromMs = Infinity
  #isRefused = false

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
    if (this.#unsafeFromMs === Infinity || (this.#parts.spill !== null && !this.#isRefused)) return false
    return this.#clock.nowMs() >= this.#unsafeFromMs
  }

  /** Resolves to true when the batch is stored or spilled; to false when it was stopped, or is overdue and refused by the disk. */
  async deliver(sealed: Batch, trigger: FlushTrigger): Promise<boolean> {
    this.#isRefused = false
    this.#unsafeFromMs = this.#parts.database.isAway ? this.#clock.nowMs() : Infinity
    const isSafe = await this.#deliver(sealed, trigger)
    this.#unsafeFromMs = Infinity
    return isSafe
  }

  async #deliver(sealed: Batch, trigger: FlushTrigger): Promise<boolean> {
    const { repair, counters, options } = this.#parts
    this.#failedSinceMs = Infinity
    this.#isSlow = false
    this.#isFailureOfDatabase = false
    repair.beginBatch()
    if (this.#parts.options.isJournal && (await this.#spill(sealed))) return true
    let batch = sealed
    while (!this.#isStopped) {
      if (this.#mustSpill() && (await this.#spill(batch))) return true
      if (this.#isOverdue) return false
      const startedAtMs = this.#clock.nowMs()
      this.#unsafeFrom(startedAtMs + options.spillAfterMs * FROZEN_FACTOR)
      const outcome = await this.#attempt(batch)
      if (this.#isStopped) return false
      if (outcome === 'pressed') continue
      if ('state' in outcome) {
        this.#stored(batch, outcome, trigger, this.#clock.nowMs() - startedAtMs)
        return true
      }
      counters.lastErrorCode = outcome.code
      // Without a spill, the end of the chain is not worth waiting for a database that is away.
      if (batch.isFinal && this.#parts.spill === null) return true
      this.#failedSinceMs = Math.min(this.#failedSinceMs, this.#clock.nowMs())
      this.#unsafeFrom(this.#failedSinceMs + options.spillAfterMs)
      const mended = await repair.mend(batch, outcome)
      if (this.#isStopped) return false
      if (mended === null && (await this.#backOff(outcome, batch))) return true
      counters.retries++
      batch = mended ?? batch
    }
    return false
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

  stop(): void {
    this.#isStopped = true
    this.#endWait?.()
  }

  /** The earliest counts: a further attempt does not put it off. */
  #unsafeFrom(ms: number): void {
    this.#unsafeFromMs = Math.min(this.#unsafeFromMs, ms)
  }

  #mustSpill(): boolean {
    const { spill, database, options, channelFill, waitingSinceMs } = this.#parts
    if (spill === null) return false
    if (this.#isOverdue) return true
    const nowMs = this.#clock.nowMs()
    if (nowMs - this.#refusedAtMs < REFUSED_MS) return false
    if (database.isAway || this.#isSlow || nowMs - this.#failedSinceMs >= options.spillAfterMs) return true
    const fill = channelFill()
    if (fill < FILL_PRESSED) return false
    const hasFailed = this.#failedSinceMs !== Infinity
    return fill >= FILL_URGENT || hasFailed || nowMs - waitingSinceMs() >= options.spillAfterMs
  }

  /** Sends it once; `pressed` when that takes too long for the channel: the call goes on, and a further attempt waits for the same. */
  async #attempt(batch: Batch): Promise<StoreResult | BatchError | 'pressed'> {
    this.#parts.onAttempt()
    const call = (this.#call ??= this.#parts.database.store('live', batch))
    const outcome = this.#parts.spill === null ? await call : await this.#whileBearable(call)
    if (outcome !== 'pressed') this.#call = null
    return outcome
  }

  async #whileBearable<T>(call: Promise<T>): Promise<T | 'pressed'> {
    const { options, channelFill, database } = this.#parts
    const startedAtMs = this.#clock.nowMs()
    let cancel = (): void => {}
    const pressed = new Promise<'pressed'>((resolve) => {
      const look = (): void => {
        cancel()
        const fill = channelFill()
        const silentMs = this.#clock.nowMs() - startedAtMs
        const isPressing = silentMs >= options.spillAfterMs && fill >= FILL_PRESSED
        const isFrozen = silentMs >= options.spillAfterMs * FROZEN_FACTOR
        if (this.#isOverdue || fill >= FILL_URGENT || isPressing || isFrozen) {
          this.#isSlow = true
          if (!this.#isOverdue) database.markAway()
          resolve('pressed')
        } else {
          cancel = this.#clock.after(POLL_MS, look)
        }
      }
      // Not before the first poll: on the happy path the call has ended by then.
      cancel = this.#clock.after(POLL_MS, look)
      // Not when the database is back: then the outcome is on its way, and taking it for lost again would outlast it.
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

  async #spill(batch: Batch): Promise<boolean> {
    const { spill, ledger, database, options, settleSpilled } = this.#parts
    const spilled = (await spill?.append(batch, options.isJournal)) ?? null
    if (spilled === null) {
      this.#isRefused = true
      this.#refusedAtMs = this.#clock.nowMs()
      return false
    }
    // Stopped meanwhile: it is in the books already, as lost.
    if (this.#isStopped) return false
    for (const [tenant, count] of batch.tenants) ledger.move(tenant, count, 'buffered', 'spilled')
    for (const [tenant, count] of quarantinedByTenant(batch)) {
      ledger.move(tenant, count, 'buffered', 'spilled')
    }
    ledger.settleDrops(batch.dropped)
    void this.#call?.then((outcome) => {
      if ('state' in outcome) settleSpilled(spilled, batch)
    })
    this.#call = null
    if (this.#isFailureOfDatabase) database.markAway()
    this.#probe.probeSoon(batch)
    return true
  }

  #stored(batch: Batch, result: StoreResult, trigger: FlushTrigger, durationMs: number): void {
    const { ledger, counters, log } = this.#parts
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
    if (result.isForeign === true) this.#parts.onForeign(batch)
  }

  /** Until the wait is over, or the database is back, or the drain begins. Returns whether the batch was spilled meanwhile. */
  async #backOff(failure: BatchError, batch: Batch): Promise<boolean> {
    const { options, random, counters, log, repair, spill } = this.#parts
    const attempt = counters.consecutiveFailures++
    const waitMs = backoffMs(attempt, options.backoffMinMs, options.backoffMaxMs, random)
    this.#blame(failure, batch)
    this.#parts.onBackOff()
    log.failing(failure, { batch: batch.number, attempt: attempt + 1, waitMs })
    const endMs = this.#clock.nowMs() + waitMs
    for (let leftMs = waitMs; leftMs > 0; leftMs = endMs - this.#clock.nowMs()) {
      if (this.#mustSpill() && (await this.#spill(batch))) return true
      if (await this.#isWaitEnded(spill === null ? leftMs : Math.min(leftMs, POLL_MS))) break
    }
    repair.afterBackOff()
    return false
  }

  /** Away is the connection, or a database that takes nothing. One that takes a row of ours has something against the batch. */
  #blame(failure: BatchError, batch: Batch): void {
    this.#isFailureOfDatabase = failure.kind !== 'rejected' && failure.kind !== 'missing_partition'
    if (!this.#isFailureOfDatabase || failure.isOfConnection || this.#parts.spill === null) return
    const failedSinceMs = this.#failedSinceMs
    // Not waited for: the batch is on disk in time, whatever the answer.
    void this.#parts.repair.takesOthers(batch).then((isTaken) => {
      if (isTaken && failedSinceMs === this.#failedSinceMs) this.#isFailureOfDatabase = false
    })
  }

  /** Waits; true when somebody has ended the wait. */
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
