import type { Batch, BatchStore, StoreResult } from '../batch/batch.ts'

/** A store that passes everything on to another: for those that look at what passes. */
export class PassingStore implements BatchStore {
  readonly #store: BatchStore

  constructor(store: BatchStore) {
    this.#store = store
  }

  /** See BatchStore. */
  store(batch: Batch, more: readonly Batch[] = []): Promise<StoreResult> {
    return this.#store.store(batch, more)
  }

  /** See BatchStore. */
  storedAmong(batches: readonly Batch[]): Promise<ReadonlySet<Batch>> {
    return this.#store.storedAmong(batches)
  }

  /** See BatchStore. */
  probe(batch: Batch): Promise<void> {
    return this.#store.probe(batch)
  }

  /** See BatchStore. */
  close(): Promise<void> {
    return this.#store.close()
  }

  /** See BatchStore. */
  destroy(): void {
    this.#store.destroy()
  }
}
