import type { Batch, BatchStore, StoreResult } from '../batch/batch.ts'
import { PassingStore } from './passing-store.ts'

/** A store that reports each batch that is known to be in the ledger, in the same turn in which that becomes known. */
export class RememberingStore extends PassingStore {
  readonly #onStored: (batch: Batch) => void

  /** `onStored` must be quick, and may hear of one batch several times. */
  constructor(store: BatchStore, onStored: (batch: Batch) => void) {
    super(store)
    this.#onStored = onStored
  }

  /** See BatchStore. */
  override async store(batch: Batch, more: readonly Batch[] = []): Promise<StoreResult> {
    const result = await super.store(batch, more)
    // The batch was stored under another id: under its own, the ledger has another batch.
    if (result.isForeign === true) return result
    if (result.state === 'stored' || more.length === 0) {
      this.#onStored(batch)
      for (const each of more) this.#onStored(each)
    }
    return result
  }

  /** See BatchStore. */
  override async storedAmong(batches: readonly Batch[]): Promise<ReadonlySet<Batch>> {
    const stored = await super.storedAmong(batches)
    for (const batch of stored) this.#onStored(batch)
    return stored
  }
}
