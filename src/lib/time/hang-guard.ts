import type { Clock } from './clock.ts'
import { within } from './within.ts'

/** The code of a disk that has not answered in time. */
const TIMEOUT = 'timeout'

/**
 * Bounds the wait for calls that cannot be broken off, as writes to a disk that hangs: after `timeoutMs` a call is given up, and until it
 * has ended after all no other call is begun.
 */
export class HangGuard {
  readonly #clock: Clock
  readonly #timeoutMs: number
  /** Calls that were given up and have not ended. */
  #lost = 0

  constructor(clock: Clock, timeoutMs: number) {
    this.#clock = clock
    this.#timeoutMs = timeoutMs
  }

  /**
   * Begins a call, and waits for it. Rejects as the call does; with the code `timeout` when it takes too long, or when an earlier call
   * still hangs: then nothing is begun. `isGivenUp` tells the call that its result is not waited for any more: what it does then, it must
   * undo.
   */
  async run<T>(begin: (isGivenUp: () => boolean) => Promise<T>): Promise<T> {
    if (this.#lost > 0) throw timeout()
    let isGivenUp = false
    const call = begin(() => isGivenUp)
    const late = (): never => {
      isGivenUp = true
      this.#lost++
      const ended = (): void => void this.#lost--
      call.then(ended, ended)
      throw timeout()
    }
    return await within(call, { ms: this.#timeoutMs, clock: this.#clock, late })
  }
}

function timeout(): Error {
  return Object.assign(new Error('the disk does not answer'), { code: TIMEOUT })
}
