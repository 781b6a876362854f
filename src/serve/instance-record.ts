import { hostname } from 'node:os'
import type { Logger } from '../logger.ts'
import { endInstance, registerInstance, touchInstance, type InstanceFigures } from '../store/instances.ts'
import type { Sql } from '../store/sql.ts'

/** How often the row tells that the process lives, and how far it has come; an instance whose row is a minute old is taken for dead. */
const TOUCH_INTERVAL_MS = 2000
const END_TIMEOUT_MS = 2000

/** What is known of this process life from its start. */
export interface InstanceIdentity {
  readonly version: string
  /** Most entries that a kill can lose. */
  readonly capacityEntries: number
  /** Milliseconds after which every entry is on disk, or null without a journal. */
  readonly journalMs: number | null
}

/** Of the process life that is being written, which can be another than at the start. */
export interface LifeFigures extends InstanceFigures {
  readonly id: string
}

/** Keeps this process' row in `instances`: registered as soon as the database can be reached, touched, ended. */
export class InstanceRecord {
  readonly #sql: Sql
  readonly #identity: InstanceIdentity
  readonly #figures: () => LifeFigures
  readonly #logger: Logger
  #startedAt = new Date()
  #registered: string | null = null
  #timer: NodeJS.Timeout | null = null
  #running: Promise<void> = Promise.resolve()

  constructor(parts: { sql: Sql; identity: InstanceIdentity; figures: () => LifeFigures; logger: Logger }) {
    this.#sql = parts.sql
    this.#identity = parts.identity
    this.#figures = parts.figures
    this.#logger = parts.logger
  }

  /** Registers, now or when the database is there; never waits for it, never rejects. */
  start(): void {
    this.#run()
    this.#timer = setInterval(() => this.#run(), TOUCH_INTERVAL_MS)
    this.#timer.unref()
  }

  /** Writes the end, within two seconds; a row without it says that the process died. To be called after the log's drain. */
  async stop(): Promise<void> {
    if (this.#timer !== null) clearInterval(this.#timer)
    const end = this.#running.then(async () => {
      const { id, ...figures } = this.#figures()
      if (this.#registered !== id) await this.#touch()
      await endInstance(this.#sql, id, figures)
    })
    let timer: NodeJS.Timeout | undefined
    const timeout = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, END_TIMEOUT_MS)
    })
    await Promise.race([end, timeout]).catch((error: unknown) => {
      this.#logger.warn({ err: error }, 'the end of this instance could not be written')
    })
    clearTimeout(timer)
  }

  #run(): void {
    this.#running = this.#running
      .then(() => this.#touch())
      .catch((error: unknown) => {
        this.#logger.debug({ err: error }, 'instance not touched')
      })
  }

  async #touch(): Promise<void> {
    const { id, ...figures } = this.#figures()
    if (this.#registered === id && (await touchInstance(this.#sql, id, figures))) return
    // Another life has begun under this process, because somebody else was found to live under its id.
    if (this.#registered !== null && this.#registered !== id) this.#startedAt = new Date()
    await registerInstance(this.#sql, { ...this.#identity, id, host: hostname(), startedAt: this.#startedAt })
    this.#registered = id
  }
}
