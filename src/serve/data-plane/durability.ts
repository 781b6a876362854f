import type { StateReason } from '../../admin/handlers.ts'
import type { Logger } from '../../logger/logger.ts'
import { type DurabilitySettings, weaknessesOf } from '../../model/durability.ts'

/** What the writer's connection has found in force on the server: whether "stored" will still be so after a crash of it. */
export class Durability {
  readonly #logger: Logger
  #weaknesses: readonly string[] | null = null

  constructor(logger: Logger) {
    this.#logger = logger
  }

  /** null before the first connection. */
  get weaknesses(): readonly string[] | null {
    return this.#weaknesses
  }

  /** To be called with each connection that the writer opens. Says once what is new. */
  found(settings: DurabilitySettings): void {
    const before = this.#weaknesses ?? []
    this.#weaknesses = weaknessesOf(settings)
    if (before.join() === this.#weaknesses.join()) return
    if (this.#weaknesses.length === 0) this.#logger.info({}, 'the database keeps what it acknowledges')
    else
      this.#logger.warn(
        { settings: this.#weaknesses },
        'the database may lose entries that it has acknowledged, when it crashes',
      )
  }

  /** No reason to send traffic elsewhere. */
  get warnings(): readonly StateReason[] {
    const { weaknesses } = this
    if (weaknesses === null || weaknesses.length === 0) return []
    const detail = `entries that are stored may be lost when the database crashes: ${weaknesses.join(', ')}`
    return [{ code: 'database_not_durable', detail }]
  }
}
