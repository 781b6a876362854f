/** A map of bounded size that forgets what was not used for longest. */
export class Recent<V> {
  readonly #entries = new Map<string, { readonly value: V; readonly size: number }>()
  readonly #maxEntries: number
  readonly #maxSize: number
  #size = 0

  /** `maxSize` is of the keys' and values' characters together. */
  constructor(bounds: { readonly maxEntries: number; readonly maxSize: number }) {
    this.#maxEntries = bounds.maxEntries
    this.#maxSize = bounds.maxSize
  }

  get(key: string): V | undefined {
    const entry = this.#entries.get(key)
    if (entry === undefined) return undefined
    this.#entries.delete(key)
    this.#entries.set(key, entry)
    return entry.value
  }

  /** `chars`: how large the value is. */
  set(key: string, value: V, chars: number): void {
    this.delete(key)
    const size = key.length + chars
    this.#entries.set(key, { value, size })
    this.#size += size
    for (const oldest of this.#entries.keys()) {
      if (this.#entries.size <= this.#maxEntries && this.#size <= this.#maxSize) break
      this.delete(oldest)
    }
  }

  delete(key: string): void {
    this.#size -= this.#entries.get(key)?.size ?? 0
    this.#entries.delete(key)
  }
}
