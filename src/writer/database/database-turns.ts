import type { Batch, BatchStore, StoreResult } from '../batch/batch.ts'
import { type BatchError, toBatchError } from './failure.ts'

/** Where a batch comes from: `live` was just sealed, `replay` was read from the spill. */
export type Sender = 'live' | 'replay'

/**
 * Gives the database to one sender at a time, in turns: a live batch never waits for more than one replayed batch, nor a replayed one
 * for more than one live batch. Also keeps whether the database is away: from a call of `markAway` to the next success of any sender.
 */
export class DatabaseTurns {
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
  #onCallEnded: (() => void)[] = []

  /** `onStep` is called when a sender's turn begins and when it ends; `onAnswer` at each success. */
  constructor(store: BatchStore, onStep: (sender: Sender) => void = () => {}, onAnswer = () => {}) {
    this.#store = store
    this.#onAnswer = onAnswer
    this.#onStep = onStep
  }

  get isAway(): boolean {
    return this.#isAway
  }

  /** How many calls have succeeded. When it rises between two failures of a batch, the batch is the cause, not the database. */
  get successes(): number {
    return this.#successes
  }

  /** Adds a listener: called at the first success after the database was away. */
  onBack(listener: () => void): void {
    this.#onBack.push(listener)
  }

  /** The database takes nothing at present. Senders then ask it with one probe at a time. */
  markAway(): void {
    this.#isAway = true
  }

  /** The database answers again. */
  markBack(): void {
    if (!this.#isAway) return
    this.#isAway = false
    for (const listener of this.#onBack) listener()
  }

  /** Waits for its turn, and sends. Never rejects. See BatchStore. */
  async store(sender: Sender, batch: Batch, more: readonly Batch[] = []): Promise<StoreResult | BatchError> {
    return await this.#inTurn(sender, () => this.#store.store(batch, more))
  }

  /** Waits for its turn, and tries the rows out; null when they would be stored. Never rejects. See BatchStore. */
  async probe(sender: Sender, batch: Batch): Promise<BatchError | null> {
    return await this.#inTurn(sender, async () => {
      await this.#store.probe(batch)
      return null
    })
  }

  /** Resolves when the call under way has ended and its sender knows the outcome; at once when there is none. */
  async callEnded(): Promise<void> {
    if (this.#isBusy) await new Promise<void>((resolve) => this.#onCallEnded.push(resolve))
  }

  /** Waits for its turn, and asks. Never rejects. See BatchStore. */
  async storedAmong(batches: readonly Batch[]): Promise<ReadonlySet<Batch> | BatchError> {
    return await this.#inTurn('replay', () => this.#store.storedAmong(batches))
  }

  async close(): Promise<void> {
    await this.#store.close()
  }

  destroy(): void {
    this.#store.destroy()
  }

  async #inTurn<T>(sender: Sender, act: () => Promise<T>): Promise<T | BatchError> {
    if (this.#isBusy) await new Promise<void>((resolve) => this.#waiting.get(sender)?.push(resolve))
    this.#isBusy = true
    this.#last = sender
    this.#onStep(sender)
    try {
      const result = await act()
      this.#successes++
      this.#onAnswer()
      this.markBack()
      return result
    } catch (error) {
      return toBatchError(error)
    } finally {
      this.#onStep(sender)
      this.#passOn()
    }
  }

  /** The turn goes to the other sender if that waits. `#isBusy` stays true meanwhile, so that no third call comes in between. */
  #passOn(): void {
    for (const resolve of this.#onCallEnded) resolve()
    this.#onCallEnded = []
    const other = this.#last === 'live' ? 'replay' : 'live'
    const next = this.#waiting.get(other)?.shift() ?? this.#waiting.get(this.#last)?.shift()
    if (next === undefined) this.#isBusy = false
    else next()
  }
}
