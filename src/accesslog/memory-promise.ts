import type { Ledger } from './ledger.ts'

/** Signs of life for which little must have been in memory before less is promised. */
const QUIET_BEATS = 15

/**
 * What this process promises of its memory: so many entries at most are in neither database nor segment. It is raised when half of
 * it is reached, so that it is known elsewhere before it would be broken, and lowered when a quarter has not been reached for a while.
 */
export class MemoryPromise {
  readonly #ledger: Ledger
  readonly #floor: number
  readonly #onRaise: () => void
  #entries: number
  #isQuiet = true
  #quietBeats = 0

  /** `onRaise` is called within a push: it must be quick, and must not throw. */
  constructor(ledger: Ledger, options: { readonly floor: number; readonly onRaise: () => void }) {
    this.#ledger = ledger
    this.#floor = options.floor
    this.#onRaise = options.onRaise
    this.#entries = options.floor
    this.#watch()
  }

  get entries(): number {
    return this.#entries
  }

  /** To be called with each sign of life, before the promise is told. */
  beat(): void {
    this.#quietBeats = this.#isQuiet ? this.#quietBeats + 1 : 0
    this.#isQuiet = this.#ledger.unsettled < this.#entries / 4
    if (this.#quietBeats >= QUIET_BEATS && this.#isQuiet && this.#entries > this.#floor) {
      this.#quietBeats = 0
      this.#entries = Math.max(this.#floor, this.#entries / 2)
    }
    this.#watch()
  }

  #watch(): void {
    this.#ledger.onUnsettled(this.#isQuiet ? this.#entries / 4 : this.#entries / 2, () => this.#reached())
  }

  #reached(): void {
    const { unsettled } = this.#ledger
    this.#isQuiet = false
    if (unsettled >= this.#entries / 2) {
      while (unsettled >= this.#entries / 2) this.#entries *= 2
      this.#onRaise()
    }
    this.#watch()
  }
}
