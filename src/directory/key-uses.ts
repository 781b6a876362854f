import { errorCode } from '../lib/error-code.ts'
import { Deadlines, type Schedule } from './deadlines.ts'

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
  readonly schedule: Schedule
  /** [0, 1) */
  readonly random: () => number
  /** Told of each write that failed; its uses are kept for the next. */
  readonly onFailure: (code: string) => void
}

/** Writes the uses, one statement for all keys and at most one an interval. */
export class KeyUseWriter {
  readonly uses = new KeyUses()
  readonly #options: KeyUseWriterOptions
  readonly #deadlines: Deadlines
  #cancelTimer: () => void = () => {}
  #writing: Promise<void> = Promise.resolve()
  #isStopped = false

  constructor(options: KeyUseWriterOptions) {
    this.#options = options
    this.#deadlines = new Deadlines(options.schedule)
  }

  start(): void {
    this.#plan()
  }

  /** Writes what is left, waiting 2 s at most, also for a write under way. Never rejects. */
  async stop(): Promise<void> {
    this.#isStopped = true
    this.#cancelTimer()
    let isLate = false
    const cancel = this.#options.schedule(() => {
      isLate = true
      this.#deadlines.abort()
    }, STOP_TIMEOUT_MS)
    await this.#writing
    if (!isLate) await this.#write(STOP_TIMEOUT_MS)
    cancel()
  }

  #plan(): void {
    if (this.#isStopped) return
    // Jitter, so that gateways that were started together do not write together.
    const delayMs = this.#options.intervalMs * (1 + this.#options.random() * 0.1)
    this.#cancelTimer = this.#options.schedule(() => {
      this.#writing = this.#write(WRITE_TIMEOUT_MS).then(() => {
        this.#plan()
      })
    }, delayMs)
  }

  async #write(timeoutMs: number): Promise<void> {
    if (this.uses.size === 0) return
    const uses = this.uses.take()
    try {
      await this.#deadlines.within(this.#options.write(uses), timeoutMs)
    } catch (error) {
      // Perhaps written all the same: writing a time twice does no harm.
      this.uses.putBack(uses)
      this.#options.onFailure(errorCode(error))
    }
  }
}
