import { errorCode } from '../lib/error-code.ts'
import type { Clock } from '../lib/time/clock.ts'
import { within } from '../lib/time/within.ts'
import type { DirectoryPosition, DirectorySource } from './directory-source.ts'

/** A sign of life at least so often. */
const HEARTBEAT_MS = 10_000
const WRITE_TIMEOUT_MS = 3000

/**
 * Tells the database what this process has applied, for those who wait for it: at once after news, now and then without. One
 * write at a time; what comes meanwhile is folded into the next, so that a bulk import does not write for each row.
 */
export class Confirmations {
  readonly #source: DirectorySource
  readonly #clock: Clock
  readonly #signal: AbortSignal
  readonly #now: () => number
  readonly #onFailure: (code: string) => void
  #due: DirectoryPosition | null = null
  #writing: Promise<void> | null = null
  #writtenAtMs = -Infinity

  constructor(parts: {
    source: DirectorySource
    clock: Clock
    /** Ends the wait for a confirmation. */
    signal: AbortSignal
    now: () => number
    onFailure: (code: string) => void
  }) {
    this.#source = parts.source
    this.#clock = parts.clock
    this.#signal = parts.signal
    this.#now = parts.now
    this.#onFailure = parts.onFailure
  }

  /** Says that this process is about to load: from now on it is waited for. Within 3 s; never rejects. */
  async announce(): Promise<void> {
    await this.#write(null)
  }

  /** Says what was applied, if there was news or it is time. Returns at once. */
  applied(position: DirectoryPosition, hasNews: boolean): void {
    const sinceMs = this.#now() - this.#writtenAtMs
    // A clock that steps back must not keep it silent.
    if (!hasNews && this.#due === null && sinceMs >= 0 && sinceMs < HEARTBEAT_MS) return
    this.#due = position
    this.#writing ??= this.#writeDue()
  }

  /** Says that nobody need wait for this process any more. Within 3 s; never rejects. */
  async leave(): Promise<void> {
    await this.#writing
    const bounds = { what: 'the farewell', ms: WRITE_TIMEOUT_MS, clock: this.#clock }
    await within(this.#source.leave(), bounds).catch((error: unknown) => {
      this.#onFailure(errorCode(error))
    })
  }

  async #writeDue(): Promise<void> {
    while (this.#due !== null) {
      const position = this.#due
      this.#due = null
      await this.#write(position)
    }
    this.#writing = null
  }

  async #write(position: DirectoryPosition | null): Promise<void> {
    this.#writtenAtMs = this.#now()
    try {
      const bounds = {
        what: 'a confirmation',
        ms: WRITE_TIMEOUT_MS,
        clock: this.#clock,
        signal: this.#signal,
      }
      await within(this.#source.confirm(position), bounds)
    } catch (error) {
      this.#writtenAtMs = -Infinity
      this.#onFailure(errorCode(error))
    }
  }
}
