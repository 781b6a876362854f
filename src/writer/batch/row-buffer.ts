/** What a slice of rows takes at most, and more: it grows when that is not enough. */
const INITIAL_BYTES = 256 * 1024

/**
 * Where the rows of a batch are gathered until their number is known; one for a writer, used by one batch after the other. Measured:
 * 0.4 µs a row less than a buffer for each slice, and one for all of them.
 */
export class RowBuffer {
  #bytes = Buffer.allocUnsafeSlow(INITIAL_BYTES)
  #length = 0

  /** Bytes gathered. */
  get length(): number {
    return this.#length
  }

  /** Appends the text as UTF-8; returns its bytes, which are good until the next call. */
  append(text: string): Buffer {
    // A code unit takes three bytes at most.
    const most = this.#length + 3 * text.length
    if (most > this.#bytes.length) {
      const grown = Buffer.allocUnsafeSlow(Math.max(most, 2 * this.#bytes.length))
      this.#bytes.copy(grown, 0, 0, this.#length)
      this.#bytes = grown
    }
    const start = this.#length
    this.#length += this.#bytes.write(text, start)
    return this.#bytes.subarray(start, this.#length)
  }

  /** A copy of all that was gathered; then it is empty. */
  take(): Buffer {
    const taken = Buffer.allocUnsafeSlow(this.#length)
    this.#bytes.copy(taken, 0, 0, this.#length)
    this.#length = 0
    return taken
  }
}
