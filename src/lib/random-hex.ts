import { randomBytes } from 'node:crypto'

/** Bytes that are fetched at a time: a call of `randomBytes` costs more than all else that is done with an id. */
const POOL_BYTES = 12 * 1024

/**
 * Random lower-case hex digits. A part of a text holds on to the whole text in V8: who keeps few of many ids takes them of a pool of
 * their own.
 */
export class RandomHex {
  #pool = ''
  #at = 0

  take(digits: number): string {
    if (this.#at + digits > this.#pool.length) {
      this.#pool = randomBytes(POOL_BYTES).toString('hex')
      this.#at = 0
    }
    const from = this.#at
    this.#at = from + digits
    return this.#pool.slice(from, this.#at)
  }
}
