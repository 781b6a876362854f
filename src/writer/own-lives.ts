import { randomUUID } from 'node:crypto'
import type { Batch } from './batch/batch.ts'
import type { Sealer } from './sealer.ts'
import type { WriterCounters } from './writer-stats.ts'
import type { WriterLog } from './writer-log.ts'

/** Ids under which one process may go on; more are not begun: each batch that meets another's is stored as a life of its own. */
const MAX_LIVES = 64

/** The ids of all chains that this process has written. */
export class OwnLives {
  readonly #ids: Set<string>
  readonly #parts: { readonly sealer: Sealer; readonly counters: WriterCounters; readonly log: WriterLog }

  constructor(parts: {
    readonly sealer: Sealer
    readonly counters: WriterCounters
    readonly log: WriterLog
  }) {
    this.#parts = parts
    this.#ids = new Set([parts.sealer.life.instance])
  }

  /** Whether the entries of this life are in our books. */
  has(instance: string): boolean {
    return this.#ids.has(instance)
  }

  /** The number of this batch was another process's: the batch was stored under another id, and the next one begins a new chain. */
  meetForeign({ instance, number }: Batch): void {
    const { sealer, counters, log } = this.#parts
    counters.foreign++
    const isNew = instance === sealer.life.instance
    const next = randomUUID()
    log.foreign({ instance, batch: number, ...(isNew ? { next } : {}) })
    if (!isNew || this.#ids.size >= MAX_LIVES) return
    this.#ids.add(next)
    sealer.renew(next)
  }
}
