/**
 * What all documents of a process together are rewritten of in one turn of the event loop: 2 to 4 ms. Without a bound one turn reads all
 * that has come on a connection, which is 2 MiB from a fast upstream.
 */
const BYTES_PER_TURN = 128 * 1024

/** Shares the turns of the event loop between documents and everything else. */
export class TurnBudget {
  #left = BYTES_PER_TURN
  #waiting: (() => void)[] = []
  #isSet = false

  /** Takes from this turn's; false when it is used up: whoever can wait goes on when `later` calls. */
  spend(bytes: number): boolean {
    this.#left -= bytes
    this.#set()
    return this.#left > 0
  }

  /** Calls in a turn that has something left. Of many that wait, each has its turn. */
  later(go: () => void): void {
    this.#waiting.push(go)
    this.#set()
  }

  #set(): void {
    if (this.#isSet) return
    this.#isSet = true
    setImmediate(() => {
      this.#isSet = false
      this.#left = BYTES_PER_TURN
      // One after the other, as each may use it all up.
      while (this.#left > 0) {
        const go = this.#waiting.shift()
        if (go === undefined) return
        go()
      }
      if (this.#waiting.length > 0) this.#set()
    })
  }
}
