import { backoffMs } from '../../lib/time/backoff.ts'
import { type Batch, quarantinedByTenant, type StoreResult } from '../batch/batch.ts'
import type { Clock } from '../../lib/time/clock.ts'
import type { BatchError } from '../database/failure.ts'
import type { Ledger } from '../../channel/ledger.ts'
import type { DatabaseTurns } from '../database/database-turns.ts'
import type { BatchRepair } from '../batch-repair.ts'
import type { OwnLives } from '../own-lives.ts'
import type { Spill, Spilled } from './spill.ts'
import { FAULT_PAUSE_MS, type LoopFaults } from '../watch/loop-faults.ts'
import type { WriterCounters } from '../writer-stats.ts'
import type { WriterLog } from '../writer-log.ts'

/**
 * A batch is set aside after so many failures in a row, with others stored in between. When its failures are broken connections, after
 * so many over so long: an operator who ends backends, or a pooler that restarts, breaks several in a moment.
 */
const MAX_FAILURES = 2
const MAX_BROKEN = 3
const BROKEN_FOR_MS = 5000

/** Set aside so often, with waits of half a minute to ten in between, a batch goes to quarantine whole. */
const MAX_ASIDE = 5

/** Of these the server's disk is the cause: the quarantine needs it, too. */
const DISK = /^(53|58)/

/** With a channel as full as that, live batches have the database to themselves. */
const FILL_PRESSED = 1 / 2

/** When something is pending that cannot be replayed yet, the replay looks again this often. */
const POLL_MS = 50

export interface ReplayParts {
  readonly spill: Spill
  readonly database: DatabaseTurns
  readonly ledger: Ledger
  readonly repair: BatchRepair
  readonly counters: WriterCounters
  readonly log: WriterLog
  readonly clock: Clock
  readonly random: () => number
  readonly options: {
    readonly maxBatchEntries: number
    readonly maxBatchBytes: number
    readonly backoffMinMs: number
    readonly backoffMaxMs: number
    /** With a journal all batches come this way, and a COPY is due as it is without: by number or by age. */
    readonly journal: { readonly flushEntries: number; readonly flushIntervalMs: number } | null
  }
  readonly lives: Pick<OwnLives, 'has' | 'meetForeign'>
  /** What waits in the channel: see Collector. */
  readonly backlog: { readonly fill: number }
  /** Of the replay. */
  readonly faults: LoopFaults
}

/**
 * Stores what is spilled, oldest first, several batches in one transaction where they are small, whenever the database is free. While
 * the database is away it is a probe: the oldest batches are sent again and again, with back-off, until they are stored. A batch
 * that fails while others are taken is not waited for: it is set aside, and tried again later (see SetAside).
 * A batch that is stored already, by us or by another process, is settled just so.
 */
export class Replayer {
  readonly #parts: ReplayParts
  readonly #spill: Spill
  readonly #clock: Clock
  #isStopped = false
  #isHurried = false
  #failures = 0
  /** The batch that fails at present, how often in a row, and when it first did, by the clock and by the database's successes. */
  #failing: {
    segment: Spilled['segment']
    offset: number
    times: number
    sinceMs: number
    successes: number
  } | null = null
  /** Since when the oldest batch of the journal waits. */
  #pendingSinceMs = Infinity
  #endWait: (() => void) | null = null
  #isBackingOff = false

  constructor(parts: ReplayParts) {
    this.#parts = parts
    this.#spill = parts.spill
    this.#clock = parts.clock
    this.#spill.onPending(() => this.#wake())
    // A live batch or a probe has found the database back.
    parts.database.onBack(() => this.#endWait?.())
  }

  /** Until `stop` or `finish`. Never rejects: after an unforeseen error it goes on with what is pending. */
  async run(): Promise<void> {
    while (!this.#isStopped) {
      if (this.#isHurried && (!this.#spill.hasPending || this.#parts.database.isAway)) return
      try {
        await this.#step()
      } catch (error) {
        await this.#pause(error)
      }
    }
  }

  async #step(): Promise<void> {
    const { options, backlog } = this.#parts
    if (!this.#spill.hasPending) await this.#rest()
    else if (options.journal === null && backlog.fill >= FILL_PRESSED) await this.#wait(POLL_MS)
    else if (this.#journalDueMs() > 0) await this.#wait(this.#journalDueMs())
    else {
      await this.#replayOldest()
      this.#parts.faults.clear()
    }
  }

  /** Ends `run` when the call under way has ended; what is pending stays on disk. */
  stop(): void {
    this.#isStopped = true
    this.#endWait?.()
  }

  /** From now on `run` ends when nothing is pending, or the database is away. */
  finish(): void {
    this.#isHurried = true
    this.#endWait?.()
  }

  /** The batch is stored, in this form: settles its frame, and its rows in the ledger. A second call changes nothing. */
  settle(spilled: Spilled, batch: Batch): void {
    if (!this.#spill.settle(spilled)) return
    const { ledger, counters, lives } = this.#parts
    counters.replayed += batch.entries
    counters.quarantined += batch.quarantined.length
    // Entries of a dead process were never in this ledger.
    if (!lives.has(batch.instance)) return
    for (const [tenant, count] of batch.tenants) ledger.move(tenant, count, 'spilled', 'stored')
    for (const [tenant, count] of quarantinedByTenant(batch)) {
      ledger.move(tenant, count, 'spilled', 'quarantined')
    }
  }

  async #rest(): Promise<void> {
    this.#pendingSinceMs = Infinity
    if (this.#parts.options.journal === null) await this.#spill.rest()
    // A call of stop, finish or wake during the rest had no wait to end.
    if (!this.#spill.hasPending && !this.#isStopped && !this.#isHurried) await this.#wait(Infinity)
  }

  async #replayOldest(): Promise<void> {
    const { maxBatchEntries: entries, maxBatchBytes: bytes } = this.#parts.options
    // A COPY under way may be that of the oldest batch, spilled because it took too long: its outcome first.
    await this.#parts.database.callEnded()
    await this.#clock.turn()
    if (this.#isStopped) return
    const group = await this.#spill.oldest({ entries, bytes })
    this.#pendingSinceMs = Infinity
    const [first, ...more] = group
    if (this.#isStopped) return
    if (first === undefined) return await this.#wait(POLL_MS)
    if (more.length === 0) await this.#storeOne(first)
    else await this.#storeGroup(first, more)
  }

  /** All in one transaction, or else one by one. */
  async #storeGroup(first: Spilled, more: readonly Spilled[]): Promise<void> {
    const group = [first, ...more]
    const batches = more.map(({ frame }) => frame.batch)
    const startedAtMs = this.#clock.nowMs()
    const outcome = await this.#parts.database.store('replay', first.frame.batch, batches)
    if (!('state' in outcome)) {
      // Which of them breaks the connection, if it is one of them, is found one by one.
      if (outcome.isOfConnection && !this.#isItsOwnFault(first, outcome)) await this.#failed(outcome, first)
      else for (const each of group) await this.#storeOne(each)
      return
    }
    if (outcome.state === 'stored') {
      const rows = group.reduce((sum, { frame }) => sum + frame.batch.entries, 0)
      this.#count({ ...first.frame.batch, entries: rows }, outcome, startedAtMs)
      for (const each of group) this.settle(each, each.frame.batch)
      return
    }
    const stored = await this.#parts.database.storedAmong([first.frame.batch, ...batches])
    if (!('has' in stored)) return void (await this.#failed(stored, first))
    this.#parts.counters.alreadyStored += stored.size
    for (const each of group) if (stored.has(each.frame.batch)) this.settle(each, each.frame.batch)
    // None of them: the number of one is taken by another batch.
    if (stored.size === 0) for (const each of group) await this.#storeOne(each)
  }

  /** Until it is stored, whatever has to be mended for that, or the replay is stopped. */
  async #storeOne(spilled: Spilled): Promise<void> {
    const { repair, database } = this.#parts
    let { batch } = spilled.frame
    repair.beginBatch()
    while (!this.#isStopped) {
      const startedAtMs = this.#clock.nowMs()
      const outcome = await database.store('replay', batch)
      if ('state' in outcome) {
        this.#count(batch, outcome, startedAtMs)
        this.settle(spilled, batch)
        return
      }
      const mended = (await repair.mend(batch, outcome)) ?? this.#quarantined(spilled, batch, outcome)
      if (mended === null) {
        if (await this.#failed(outcome, spilled)) return
        repair.afterBackOff()
      }
      this.#parts.counters.retries++
      batch = mended ?? batch
    }
  }

  #count(batch: Batch, result: StoreResult, startedAtMs: number): void {
    this.#failures = 0
    this.#failing = null
    this.#parts.counters.replay(batch, result, this.#clock.nowMs() - startedAtMs)
    this.#parts.log.stored(batch.number)
    if (result.isForeign === true) this.#parts.lives.meetForeign(batch)
    if (result.rows !== batch.entries) {
      this.#parts.log.mismatch({ batch: batch.number, sent: batch.entries, counted: result.rows })
    }
  }

  /** Waits, or sets the batch aside; returns whether it did that. */
  async #failed(failure: BatchError, spilled: Spilled): Promise<boolean> {
    const { counters, database, log, repair } = this.#parts
    const { batch } = spilled.frame
    counters.consecutiveFailures++
    counters.lastErrorCode = failure.code
    const { segment, frame } = spilled
    if (this.#failing?.segment === segment && this.#failing.offset === frame.offset) this.#failing.times++
    else {
      const [sinceMs, { successes }] = [this.#clock.nowMs(), database]
      this.#failing = { segment, offset: frame.offset, times: 1, sinceMs, successes }
    }
    const takesOthers = !failure.isOfConnection && (await repair.takesOthers(batch))
    if (this.#isItsOwnFault(spilled, failure) && this.#spill.setAside(spilled, failure.code) > 0) {
      this.#failing = null
      this.#failures = 0
      return true
    }
    if (isOfTheDatabase(failure) && !takesOthers) database.markAway()
    await this.#backOff((waitMs) => {
      log.failing(failure, { batch: batch.number, attempt: this.#failures, waitMs })
    })
    return false
  }

  /** It has failed again and again, and the database has done other things meanwhile. */
  #isItsOwnFault(spilled: Spilled, { isOfConnection }: BatchError): boolean {
    const { segment, frame } = spilled
    const failing = this.#failing
    if (failing === null || failing.segment !== segment || failing.offset !== frame.offset) return false
    const isFailing = failing.times >= (isOfConnection ? MAX_BROKEN : MAX_FAILURES)
    const isChance = isOfConnection && this.#clock.nowMs() - failing.sinceMs < BROKEN_FOR_MS
    if (isChance && this.#spill.timesAside(spilled) === 0) return false
    return isFailing && this.#parts.database.successes > failing.successes
  }

  /** The batch as the last resort: with all its rows in quarantine; null when it is not yet time for that. */
  #quarantined(spilled: Spilled, batch: Batch, failure: BatchError): Batch | null {
    if (failure.isOfConnection || DISK.test(failure.code) || batch.entries === 0) return null
    if (this.#spill.timesAside(spilled) < MAX_ASIDE) return null
    return this.#parts.repair.cutAll(batch, failure)
  }

  async #backOff(tell: (waitMs: number) => void): Promise<void> {
    const { options, random } = this.#parts
    const waitMs = backoffMs(this.#failures++, options.backoffMinMs, options.backoffMaxMs, random)
    tell(waitMs)
    await this.#waitApart(waitMs)
  }

  /** An unforeseen error has ended a step: the same is tried again. */
  async #pause(error: unknown): Promise<void> {
    const { faults, counters, log } = this.#parts
    faults.add()
    counters.fault()
    log.fault(error, null)
    if (!this.#isStopped) await this.#waitApart(FAULT_PAUSE_MS)
  }

  /** Waits; a batch that is spilled meanwhile does not end it. */
  async #waitApart(ms: number): Promise<void> {
    this.#isBackingOff = true
    await this.#wait(ms)
    this.#isBackingOff = false
  }

  /** How long until the journal's batches are due; 0 without a journal. */
  #journalDueMs(): number {
    const { journal } = this.#parts.options
    if (journal === null || this.#isHurried) return 0
    if (this.#spill.stats.pendingEntries >= journal.flushEntries) return 0
    const nowMs = this.#clock.nowMs()
    this.#pendingSinceMs = Math.min(this.#pendingSinceMs, nowMs)
    return Math.max(0, this.#pendingSinceMs + journal.flushIntervalMs - nowMs)
  }

  #wake(): void {
    if (!this.#isBackingOff) this.#endWait?.()
  }

  async #wait(ms: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const cancel = ms === Infinity ? () => {} : this.#clock.after(ms, resolve)
      this.#endWait = () => {
        cancel()
        resolve()
      }
    })
    this.#endWait = null
  }
}

/** Not of the rows; whether of the batch, is to be found out. */
function isOfTheDatabase({ kind }: BatchError): boolean {
  return kind !== 'rejected' && kind !== 'missing_partition'
}
