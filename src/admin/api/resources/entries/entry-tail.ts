import type { Logger } from '../../../../logger/logger.ts'
import type { EntryRow } from '../../../../model/entry-columns.ts'
import { followEntries } from '../../../../store/entries/entries.ts'
import type { Sql } from '../../../../store/sql.ts'
import { ApiError } from '../../problems.ts'

/** One who listens. Neither call may wait. */
export interface TailListener {
  take(rows: readonly EntryRow[]): void
  /** The source has failed: nothing comes any more. */
  fail(): void
}

interface Run {
  readonly ended: AbortController
  readonly started: Promise<void>
}

/** New entries as they are stored, read once for all who listen; while nobody does, nothing runs. */
export class EntryTail {
  readonly #reader: Sql
  readonly #logger: Logger
  readonly #bounds: { readonly pollMs: number; readonly maxListeners: number }
  readonly #listeners = new Set<TailListener>()
  #run: Run | null = null

  constructor(
    { reader, logger }: { readonly reader: Sql; readonly logger: Logger },
    bounds: { readonly pollMs: number; readonly maxListeners: number },
  ) {
    this.#reader = reader
    this.#logger = logger
    this.#bounds = bounds
  }

  /**
   * Resolves when everything that is stored from now on will come, with what ends it. Rejects with an ApiError when as many listen as may,
   * and with the driver's error while the database is away.
   */
  async listen(listener: TailListener): Promise<() => void> {
    if (this.#listeners.size >= this.#bounds.maxListeners) throw TOO_MANY
    this.#listeners.add(listener)
    const end = (): void => {
      this.#listeners.delete(listener)
      if (this.#listeners.size > 0) return
      this.#run?.ended.abort()
      this.#run = null
    }
    this.#run ??= this.#start()
    try {
      await this.#run.started
    } catch (error) {
      end()
      throw error
    }
    return end
  }

  #start(): Run {
    const ended = new AbortController()
    const started = new Promise<void>((resolve, reject) => {
      void this.#follow(ended.signal, resolve).catch((error: unknown) => {
        reject(error)
        this.#fail(ended, error)
      })
    })
    return { ended, started }
  }

  async #follow(signal: AbortSignal, onStarted: () => void): Promise<void> {
    const { pollMs } = this.#bounds
    for await (const rows of followEntries(this.#reader, {}, { signal, pollMs, onStarted })) {
      if (signal.aborted) return
      for (const listener of this.#listeners) listener.take(rows)
    }
  }

  /** Whoever listened comes again, and is caught up. */
  #fail(ended: AbortController, error: unknown): void {
    if (this.#run?.ended !== ended) return
    this.#run = null
    this.#logger.warn({ err: error }, 'following the access log failed')
    const listeners = [...this.#listeners]
    this.#listeners.clear()
    for (const listener of listeners) listener.fail()
  }
}

const TOO_MANY = new ApiError(429, 'too_many_streams', {
  title: 'Too many streams',
  detail: 'As many listen to new entries as may at once.',
  headers: { 'retry-after': '10' },
})
