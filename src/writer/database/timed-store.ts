import type { Batch, BatchStore, StoreResult } from '../batch/batch.ts'

/** A store that tells of each batch how long its COPY took, for traces. Batches that were found stored already had no COPY. */
export class TimedStore implements BatchStore {
  readonly #store: BatchStore
  readonly #nowMs: () => number
  readonly #onStored: (batch: Batch, startMs: number, endMs: number) => void

  /** `onStored` must be quick, and not throw. */
  constructor(
    store: BatchStore,
    nowMs: () => number,
    onStored: (batch: Batch, startMs: number, endMs: number) => void,
  ) {
    this.#store = store
    this.#nowMs = nowMs
    this.#onStored = onStored
  }

  /** See BatchStore. */
  async store(batch: Batch, more: readonly Batch[] = []): Promise<StoreResult> {
    const startMs = this.#nowMs()
    const result = await this.#store.store(batch, more)
    const endMs = this.#nowMs()
    if (result.state === 'stored') for (const each of [batch, ...more]) this.#onStored(each, startMs, endMs)
    return result
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
