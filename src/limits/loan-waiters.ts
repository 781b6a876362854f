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
  #waiting: { readonly tryAgain: TryAgain; readonly untilTick: number }[] = []
  #timer: NodeJS.Timeout | null = null

  /** False when too many wait. */
  add(tryAgain: TryAgain): boolean {
    if (this.#waiting.length >= MAX_WAITING) return false
    this.#waiting.push({ tryAgain, untilTick: performance.now() + MAX_WAIT_MS })
    this.#timer ??= setInterval(() => this.look(), LOOK_MS).unref()
    return true
  }

  /** There is news, or it is time. */
  look(): void {
    if (this.#waiting.length === 0) return
    const tick = performance.now()
    const waiting = this.#waiting
    this.#waiting = []
    const left = waiting.filter(({ tryAgain, untilTick }) => !tryAgain(tick >= untilTick))
    this.#waiting = [...left, ...this.#waiting]
    if (this.#waiting.length > 0 || this.#timer === null) return
    clearInterval(this.#timer)
    this.#timer = null
  }
}
