import { backoffMs } from './backoff.ts'
import { type Clock, systemClock } from './clock.ts'
import { endsWithin } from './within.ts'

/** A run that failed. */
export interface FailedRun {
  readonly error: unknown
  /** 1 for the first after a success. */
  readonly inARow: number
  /** Perhaps only because it was stopped. */
  readonly isStopped: boolean
}

export interface PeriodicParts {
  /**
   * One run; it fails by rejecting. Resolves with the milliseconds until the next, or with nothing for the interval. The part of it
   * before its first await is done within the call, of `start(0)` or `kick`, that begins it.
   */
  readonly run: () => Promise<number | void>
  readonly intervalMs: number
  /**
   * `rest`: the interval lies between the end of a run and the next, so that a slow one is not followed at once. `beat`: it lies between
   * their beginnings, and what falls into a run is passed over.
   */
  readonly pace: 'rest' | 'beat'
  /** At each beat, passed over or not; not at a start at once. */
  readonly onBeat?: () => void
  /** At random up to this part of the interval more, lest gateways that were started together run together; 0 unless told. */
  readonly jitter?: number
  /** The waits after failures, ever longer, in place of the interval. */
  readonly backoff?: { readonly minMs: number; readonly maxMs: number }
  /** Of each run that failed. Without it a failure is a bug, and ends the process. */
  readonly onFailure?: (failed: FailedRun) => void
  /** Of the first run that succeeds after so many failures. */
  readonly onWell?: (failures: number) => void
  readonly clock?: Clock
  /** [0, 1); `Math.random` unless told. */
  readonly random?: () => number
}

/**
 * A job that is done now and again and when it is asked for, never twice at a time.
 *
 *   waiting   a timer is set, which keeps no process alive. Exit: the timer, a kick.
 *   running   a kick has it run once more, however many there are. Exit: the run's end → waiting, or running again.
 *   stopped   no timer begins a run. What was asked for before, is done.
 */
export class Periodic {
  readonly #parts: PeriodicParts
  readonly #clock: Clock
  #cancel: (() => void) | null = null
  #isStarted = false
  #isStopped = false
  #isRunning = false
  #isAsked = false
  #runs: Promise<void> = Promise.resolve()
  #failures = 0
  #lastError: unknown = null

  constructor(parts: PeriodicParts) {
    this.#parts = parts
    this.#clock = parts.clock ?? systemClock
  }

  /** The first run after `firstMs`, at once for 0; after an interval, or the back-off if one has failed already, unless told. A second call does nothing. */
  start(firstMs: number = this.#waitMs()): void {
    if (this.#isStarted || this.#isStopped) return
    this.#isStarted = true
    if (firstMs > 0) return this.#arm(firstMs)
    if (this.#parts.pace === 'beat') this.#arm(this.#waitMs())
    this.kick()
  }

  /** A run as soon as may be; nothing after a stop. Never throws. */
  kick(): void {
    if (this.#isStopped) return
    if (this.#isRunning) this.#isAsked = true
    else this.#begin()
  }

  /** As `kick`; resolves when a run that began after the call has ended, rejects with its error. */
  async now(): Promise<void> {
    while (this.#isRunning) await this.#runs
    this.kick()
    await this.#runs
    if (this.#failures > 0) throw this.#lastError
  }

  /** No timer begins a run any more. Resolves true when the run under way, and what was asked for, is done; false after `ms`. */
  async stop(ms: number): Promise<boolean> {
    this.#isStopped = true
    this.#cancel?.()
    this.#cancel = null
    return !this.#isRunning || (await endsWithin(this.#runs, ms, this.#clock))
  }

  #arm(ms: number): void {
    this.#cancel?.()
    this.#cancel = this.#clock.later(ms, () => {
      this.#cancel = null
      if (this.#parts.pace === 'beat') this.#beat()
      else this.kick()
    })
  }

  #beat(): void {
    this.#arm(this.#waitMs())
    this.#parts.onBeat?.()
    if (!this.#isRunning) this.#begin()
  }

  #begin(): void {
    if (this.#parts.pace === 'rest') {
      this.#cancel?.()
      this.#cancel = null
    }
    this.#isRunning = true
    this.#runs = this.#runAll()
  }

  async #runAll(): Promise<void> {
    let nextMs: number | null
    do {
      this.#isAsked = false
      nextMs = await this.#runOnce()
    } while (this.#isAsked)
    this.#isRunning = false
    const isNextOurs = this.#isStarted && !this.#isStopped
    if (isNextOurs && this.#parts.pace === 'rest') this.#arm(nextMs ?? this.#waitMs())
  }

  async #runOnce(): Promise<number | null> {
    try {
      const nextMs = (await this.#parts.run()) ?? null
      const failures = this.#failures
      this.#failures = 0
      if (failures > 0) this.#parts.onWell?.(failures)
      return nextMs
    } catch (error) {
      const { onFailure } = this.#parts
      if (onFailure === undefined) throw error
      this.#lastError = error
      onFailure({ error, inARow: ++this.#failures, isStopped: this.#isStopped })
      return null
    }
  }

  #waitMs(): number {
    const { intervalMs, jitter = 0, backoff, random = Math.random } = this.#parts
    if (this.#failures > 0 && backoff !== undefined)
      return backoffMs(this.#failures - 1, backoff.minMs, backoff.maxMs, random)
    return jitter === 0 ? intervalMs : intervalMs * (1 + random() * jitter)
  }
}

/** Tells a log when a job begins to fail, and when it is well again: a line for each, however long it takes. */
export function tellFailures(
  log: { warn(fields: object, message: string): void; info(fields: object, message: string): void },
  lines: { readonly failed: string; readonly well: string },
): Required<Pick<PeriodicParts, 'onFailure' | 'onWell'>> {
  return {
    onFailure: ({ error, inARow, isStopped }) => {
      if (inARow === 1 && !isStopped) log.warn({ err: error }, lines.failed)
    },
    onWell: (failures) => log.info({ failures }, lines.well),
  }
}
