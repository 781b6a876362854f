/** Parts of the window: what is older than the window is forgotten a tenth of it at a time. */
const PARTS = 10

/** Attempts of the last while and how many of them failed, in a fixed number of counters. No clock: its owner says when it is. */
export class RollingOutcomes {
  readonly #partMs: number
  readonly #attempts = new Float64Array(PARTS)
  readonly #failures = new Float64Array(PARTS)
  /** Number of the newest part, counted from the owner's time 0. */
  #newest = 0
  attempts = 0
  failures = 0

  /** `windowMs`: how long one counts, less up to a tenth of it. */
  constructor(windowMs: number) {
    this.#partMs = windowMs / PARTS
  }

  /** Counts one. What comes late, with an earlier moment than another before, counts as the newest. */
  add(isFailure: boolean, nowMs: number): void {
    this.forget(nowMs)
    const at = this.#newest % PARTS
    this.#attempts[at] = (this.#attempts[at] ?? 0) + 1
    this.attempts++
    if (!isFailure) return
    this.#failures[at] = (this.#failures[at] ?? 0) + 1
    this.failures++
  }

  /** Takes out what is older than the window. */
  forget(nowMs: number): void {
    const part = Math.floor(nowMs / this.#partMs)
    if (part <= this.#newest) return
    const steps = Math.min(PARTS, part - this.#newest)
    for (let i = 1; i <= steps; i++) {
      const at = (this.#newest + i) % PARTS
      this.attempts -= this.#attempts[at] ?? 0
      this.failures -= this.#failures[at] ?? 0
      this.#attempts[at] = 0
      this.#failures[at] = 0
    }
    this.#newest = part
  }

  /** Forgets all. */
  clear(): void {
    this.#attempts.fill(0)
    this.#failures.fill(0)
    this.attempts = 0
    this.failures = 0
  }
}
