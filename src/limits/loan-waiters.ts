import { type Clock, systemClock } from '../lib/time/clock.ts'

/** A request waits no longer for a loan of another worker. */
const MAX_WAIT_MS = 50
/** Requests that wait at once; more are refused at once. */
const MAX_WAITING = 1024
const LOOK_MS = 10

/** Decides again, for the last time when `isLast`; true when that was final. Does not throw. */
export type TryAgain = (isLast: boolean) => boolean

/**
 * Requests that would be refused only because what is left of their limit lies with another worker: they are decided again with each
 * news of loans, and for good after 50 ms. Only what would be refused waits, and its connection with it.
 */
export class LoanWaiters {
  #waiting: { readonly tryAgain: TryAgain; readonly untilMs: number }[] = []
  readonly #clock: Clock
  #cancel: (() => void) | null = null

  constructor(clock: Clock = systemClock) {
    this.#clock = clock
  }

  /** False when too many wait. */
  add(tryAgain: TryAgain): boolean {
    if (this.#waiting.length >= MAX_WAITING) return false
    this.#waiting.push({ tryAgain, untilMs: this.#clock.nowMs() + MAX_WAIT_MS })
    this.#cancel ??= this.#clock.later(LOOK_MS, () => this.#lookInTime())
    return true
  }

  /** There is news, or it is time. */
  look(): void {
    if (this.#waiting.length === 0) return
    const nowMs = this.#clock.nowMs()
    const waiting = this.#waiting
    this.#waiting = []
    const left = waiting.filter(({ tryAgain, untilMs }) => !tryAgain(nowMs >= untilMs))
    this.#waiting = [...left, ...this.#waiting]
    if (this.#waiting.length > 0) return
    this.#cancel?.()
    this.#cancel = null
  }

  #lookInTime(): void {
    this.#cancel = this.#clock.later(LOOK_MS, () => this.#lookInTime())
    this.look()
  }
}
