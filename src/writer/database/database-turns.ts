import type { Batch, BatchStore, StoreResult } from '../batch/batch.ts'
import { type StoreError, toStoreError } from './failure.ts'

/** Who wants to send: a batch that was just sealed, or one from the spill. */
export type Sender = 'live' | 'replay'

/**
 * The way to the database, which both senders share, one call at a time: a live batch never waits for more than one replayed
 * batch, nor a replayed one for more than one live batch. Also knows whether the database is away: from a failure that is told with
 * `lost` to the next success, whoever has it.
 */
export class Link {
  readonly #store: BatchStore
  readonly #onStep: (sender: Sender) => void
  readonly #onAnswer: () => void
  readonly #waiting = new Map<Sender, (() => void)[]>([
    ['live', []],
    ['replay', []],
  ])
  #isBusy = false
  #last: Sender = 'replay'
  #isAway = false
  #successes = 0
  readonly #onBack: (() => void)[] = []
  #onPassed: (() => void)[] = []

  /** `onStep` is called when a sender gets its turn, and when it has ended; `onAnswer` at each success. */
  constructor(store: BatchStore, onStep: (sender: Sender) => void = () => {}, onAnswer = () => {}) {
    this.#store = store
    this.#onAnswer = onAnswer
    this.#onStep = onStep
  }

  get isAway(): boolean {
    return this.#isAway
  }

  /** How often the database has done what was asked of it: whoever fails meanwhile has only itself to blame. */
  get successes(): number {
    return this.#successes
  }

  /** Adds a listener: called at the first success after the database was away. */
  onBack(listener: () => void): void {
    this.#onBack.push(listener)
  }

  /** The database is away: one probe at a time has to find out when it is back. */
  lost(): void {
    this.#isAway = true
  }

  /** The database is there. */
  found(): void {
    if (!this.#isAway) return
    this.#isAway = false
    for (const listener of this.#onBack) listener()
  }

  /** Waits for its turn, and sends. Never rejects. See BatchStore. */
  async store(sender: Sender, batch: Batch, more: readonly Batch[] = []): Promise<StoreResult | StoreError> {
    return await this.#inTurn(sender, () => this.#store.store(batch, more))
  }

  /** Waits for its turn, and tries the rows out; null when they would be stored. Never rejects. See BatchStore. */
  async probe(sender: Sender, batch: Batch): Promise<StoreError | null> {
    return await this.#inTurn(sender, async () => {
      await this.#store.probe(batch)
      return null
    })
  }

  /** Resolves when nothing is under way, or what is has ended: then its sender knows the outcome already. */
  async passed(): Promise<void> {
    if (this.#isBusy) await new Promise<void>((resolve) => this.#onPassed.push(resolve))
  }

  /** Waits for its turn, and asks. Never rejects. See BatchStore. */
  async storedAmong(batches: readonly Batch[]): Promise<ReadonlySet<Batch> | StoreError> {
    return await this.#inTurn('replay', () => this.#store.storedAmong(batches))
  }

  async close(): Promise<void> {
    await this.#store.close()
  }

  destroy(): void {
    this.#store.destroy()
  }

  async #inTurn<T>(sender: Sender, act: () => Promise<T>): Promise<T | StoreError> {
    if (this.#isBusy) await new Promise<void>((resolve) => this.#waiting.get(sender)?.push(resolve))
    this.#isBusy = true
    this.#last = sender
    this.#onStep(sender)
    try {
      const result = await act()
      this.#successes++
      this.#onAnswer()
      this.found()
      return result
    } catch (error) {
      return toStoreError(error)
    } finally {
      this.#onStep(sender)
      this.#passOn()
    }
  }

  /** The turn goes to the other sender when it waits. Busy all the while, so that nobody comes in between. */
  #passOn(): void {
    for (const resolve of this.#onPassed) resolve()
    this.#onPassed = []
    const other = this.#last === 'live' ? 'replay' : 'live'
    const next = this.#waiting.get(other)?.shift() ?? this.#waiting.get(this.#last)?.shift()
    if (next === undefined) this.#isBusy = false
    else next()
  }
}
