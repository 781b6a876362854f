import type { Batch, BatchStore, StoreResult } from '../../writer/batch/batch.ts'

/**
 * A store that is opened by its first batch, or before it by `open`. For the one of COPY: to load its driver takes a tenth of
 * a gateway's start, and its connection is not opened before there is something to store.
 */
export class LazyStore implements BatchStore {
  readonly #make: () => Promise<BatchStore>
  #opening: Promise<BatchStore> | null = null
  #store: BatchStore | null = null
  #destroyed = 0

  /** `make` is called again after it has rejected. */
  constructor(make: () => Promise<BatchStore>) {
    this.#make = make
  }

  /** Opens it, for the next batch. A failure is for that batch to meet. */
  open(): void {
    this.#opened().catch(() => {})
  }

  /** See BatchStore. */
  async store(batch: Batch, more?: readonly Batch[]): Promise<StoreResult> {
    return await (this.#store ?? (await this.#opened())).store(batch, more)
  }

  /** See BatchStore. */
  async storedAmong(batches: readonly Batch[]): Promise<ReadonlySet<Batch>> {
    return await (this.#store ?? (await this.#opened())).storedAmong(batches)
  }

  /** See BatchStore. */
  async probe(batch: Batch): Promise<void> {
    await (this.#store ?? (await this.#opened())).probe(batch)
  }

  /** See BatchStore. */
  async close(): Promise<void> {
    await this.#store?.close()
  }

  /** See BatchStore: a call that waits for the opening rejects as well. */
  destroy(): void {
    this.#destroyed++
    this.#store?.destroy()
  }

  async #opened(): Promise<BatchStore> {
    const destroyed = this.#destroyed
    try {
      this.#opening ??= this.#make()
      this.#store = await this.#opening
    } catch (error) {
      this.#opening = null
      throw error
    }
    if (destroyed !== this.#destroyed) throw new Error('the store was destroyed while it was opened')
    return this.#store
  }
}
