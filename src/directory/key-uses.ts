import { errorCode } from '../lib/error-code.ts'
import type { Clock } from '../lib/time/clock.ts'
import { Periodic } from '../lib/time/periodic.ts'
import { WaitEndedError, within } from '../lib/time/within.ts'

/** More keys than that are not noted between two writes; a gateway with that many in use at once has other worries. */
const MAX_KEYS = 250_000

/** When keys were last used, collected until they are written: one number for each key, however often it is used. */
export class KeyUses {
  #uses = new Map<string, number>()

  get size(): number {
    return this.#uses.size
  }

  /** Notes a use; measured: 0.05 µs. */
  note(keyId: string, atMs: number): void {
    if (this.#uses.size < MAX_KEYS || this.#uses.has(keyId)) this.#uses.set(keyId, atMs)
  }

  /** Hands over what has been noted and begins anew. */
  take(): ReadonlyMap<string, number> {
    const uses = this.#uses
    this.#uses = new Map()
    return uses
  }

  /** Takes back what could not be written; later uses noted meanwhile win. */
  putBack(uses: ReadonlyMap<string, number>): void {
    for (const [keyId, atMs] of uses) {
      if ((this.#uses.get(keyId) ?? -Infinity) < atMs) this.note(keyId, atMs)
    }
  }
}

/** Longest wait for one write, and for the last one on stop. */
const WRITE_TIMEOUT_MS = 10_000
const STOP_TIMEOUT_MS = 2000

export interface KeyUseWriterOptions {
  /** Writes id → epoch milliseconds; safe to repeat. */
  readonly write: (uses: ReadonlyMap<string, number>) => Promise<void>
  readonly intervalMs: number
  readonly clock: Clock
  /** [0, 1) */
  readonly random: () => number
  /** Told of each write that failed; its uses are kept for the next. */
  readonly onFailure: (code: string) => void
}

/** Writes the uses, one statement for all keys and at most one an interval. */
export class KeyUseWriter {
  readonly uses = new KeyUses()
  readonly #options: KeyUseWriterOptions
  readonly #writes: Periodic
  readonly #ended = new AbortController()

  constructor(options: KeyUseWriterOptions) {
    this.#options = options
    const { intervalMs, clock, random } = options
    this.#writes = new Periodic({
      run: () => this.#write(WRITE_TIMEOUT_MS),
      intervalMs,
      pace: 'rest',
      jitter: 0.1,
      clock,
      random,
      onFailure: ({ error }) => this.#fail(error),
    })
  }

  start(): void {
    this.#writes.start()
  }

  /** Writes what is left, waiting 2 s at most, also for a write under way. Never rejects. */
  async stop(): Promise<void> {
    const { clock } = this.#options
    const endMs = clock.nowMs() + STOP_TIMEOUT_MS
    if (await this.#writes.stop(STOP_TIMEOUT_MS)) {
      await this.#write(endMs - clock.nowMs()).catch((error: unknown) => this.#fail(error))
      return
    }
    this.#ended.abort(new WaitEndedError())
    await this.#writes.stop(STOP_TIMEOUT_MS)
  }

  async #write(ms: number): Promise<void> {
    if (this.uses.size === 0) return
    const uses = this.uses.take()
    try {
      const { signal } = this.#ended
      const { clock } = this.#options
      await within(this.#options.write(uses), { what: 'the last uses of keys', ms, clock, signal })
    } catch (error) {
      // Perhaps written all the same: writing a time twice does no harm.
      this.uses.putBack(uses)
      throw error
    }
  }

  #fail(error: unknown): void {
    this.#options.onFailure(errorCode(error))
  }
}
