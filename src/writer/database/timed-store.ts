import type { Batch, BatchStore, StoreResult } from '../batch/batch.ts'
import { PassingStore } from './passing-store.ts'

/**
 * A store that tells of each batch how long its COPY took, for traces. Batches that were found stored already had no COPY; one that
 * was stored under another id has other numbers in the database than it says.
 */
export class TimedStore extends PassingStore {
  readonly #nowMs: () => number
  readonly #onStored: (batch: Batch, startMs: number, endMs: number) => void

  /** `onStored` must be quick, and not throw. */
  constructor(
    store: BatchStore,
    nowMs: () => number,
    onStored: (batch: Batch, startMs: number, endMs: number) => void,
  ) {
    super(store)
    this.#nowMs = nowMs
    this.#onStored = onStored
  }

  /** See BatchStore. */
  override async store(batch: Batch, more: readonly Batch[] = []): Promise<StoreResult> {
    const startMs = this.#nowMs()
    const result = await super.store(batch, more)
    const endMs = this.#nowMs()
    if (result.state === 'stored' && result.isForeign !== true)
      for (const each of [batch, ...more]) this.#onStored(each, startMs, endMs)
    return result
  }
}
