const EMPTY: Buffer = Buffer.alloc(0)

/** Bytes that wait for the rest of what they begin, at most `limit` of them. Doubles its room, so that bytes that come one by one are copied twice on the whole and not once each. */
export class HeldBytes {
  readonly #limit: number
  #bytes = EMPTY
  #length = 0

  constructor(limit: number) {
    this.#limit = limit
  }

  get length(): number {
    return this.#length
  }

  /** Copies what fits of `data` from `from` on. */
  append(data: Buffer, from: number): void {
    const to = Math.min(data.length, from + this.#limit - this.#length)
    const length = this.#length + to - from
    if (length > this.#bytes.length) {
      const bytes = Buffer.allocUnsafe(Math.min(this.#limit, Math.max(512, length * 2)))
      this.#bytes.copy(bytes, 0, 0, this.#length)
      this.#bytes = bytes
    }
    data.copy(this.#bytes, this.#length, from, to)
    this.#length = length
  }

  get isFull(): boolean {
    return this.#length >= this.#limit
  }

  /** What is held; valid until the next call. */
  view(): Buffer {
    return this.#bytes.subarray(0, this.#length)
  }

  clear(): void {
    this.#length = 0
    this.#bytes = EMPTY
  }
}
