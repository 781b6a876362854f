/** A number that rises and falls by itself. */
export interface Watched {
  value(): number
  /** Has the listener called each time it rises to `level` or beyond; the last call counts. */
  watch(level: number, listener: () => void): void
}

/** A count that can be watched. What makes it rise calls the listener. */
export class WatchedCount implements Watched {
  #value = 0
  #level = Infinity
  #listener: () => void = () => {}

  value(): number {
    return this.#value
  }

  /** See Watched. */
  watch(level: number, listener: () => void): void {
    this.#level = level
    this.#listener = listener
  }

  rise(): void {
    if (++this.#value >= this.#level) this.#listener()
  }

  fall(by = 1): void {
    this.#value -= by
  }
}

/** Signs of life for which the number must have been small before less is promised. */
const QUIET_BEATS = 15

/**
 * A bound that is promised to others: the number will not exceed it before they have been told of a larger one. It is doubled when half
 * of it is reached, so that there is time to tell, and halved when a quarter has not been reached for a while.
 */
export class PromisedBound {
  readonly #watched: Watched
  readonly #floor: number
  readonly #onRaise: () => void
  #most: number
  #isQuiet = true
  #quietBeats = 0

  /** `onRaise` is called from within what makes the number rise: it must be quick, and must not throw. */
  constructor(watched: Watched, options: { readonly floor: number; readonly onRaise: () => void }) {
    this.#watched = watched
    this.#floor = options.floor
    this.#onRaise = options.onRaise
    this.#most = options.floor
    this.#watch()
  }

  get most(): number {
    return this.#most
  }

  /** To be called with each sign of life, before the bound is told. */
  beat(): void {
    this.#quietBeats = this.#isQuiet ? this.#quietBeats + 1 : 0
    this.#isQuiet = this.#watched.value() < this.#most / 4
    if (this.#quietBeats >= QUIET_BEATS && this.#isQuiet && this.#most > this.#floor) {
      this.#quietBeats = 0
      this.#most = Math.max(this.#floor, this.#most / 2)
    }
    this.#watch()
  }

  #watch(): void {
    this.#watched.watch(this.#isQuiet ? this.#most / 4 : this.#most / 2, () => this.#reached())
  }

  #reached(): void {
    const value = this.#watched.value()
    this.#isQuiet = false
    if (value >= this.#most / 2) {
      while (value >= this.#most / 2) this.#most *= 2
      this.#onRaise()
    }
    this.#watch()
  }
}
