/** After an unforeseen error a loop of the writer goes on this much later. */
export const FAULT_PAUSE_MS = 1000

/** A fault lasts when it has ended so many steps in a row: half a minute with the pauses. */
const LASTING = 30

/**
 * Counts the unforeseen errors that have ended steps of a loop, in a row. A loop that does nothing but fail by them goes on trying, and
 * takes no step for the watchdog: only a new process helps (docs/decisions/0430).
 */
export class LoopFaults {
  readonly #steps: () => number
  #inARow = 0

  /** `steps`: of the loop, so far. */
  constructor(steps: () => number) {
    this.#steps = steps
  }

  /** A fault has ended a step. */
  add(): void {
    this.#inARow++
  }

  /** A step that had something to do has ended without a fault. */
  clear(): void {
    this.#inARow = 0
  }

  /** The loop has done nothing but fail for so long that it may not be well again. */
  get isLasting(): boolean {
    return this.#inARow >= LASTING
  }

  /** Steps as the watchdog sees them: always the same number while a fault lasts. */
  get visibleSteps(): number {
    return this.isLasting ? -1 : this.#steps()
  }
}
