import { hostname } from 'node:os'
import { Periodic } from '../../lib/time/periodic.ts'
import { endsWithin, within } from '../../lib/time/within.ts'
import type { Logger } from '../../logger/logger.ts'
import {
  endInstance,
  raisePromises,
  registerInstance,
  touchInstance,
  type InstanceFigures,
  type InstanceNotes,
  type InstanceProcess,
  type InstancePromises,
  type InstanceStart,
} from '../../store/audit/instances.ts'
import type { Sql } from '../../store/sql.ts'

/** How often the row tells that the process lives, and how far it has come; an instance whose row is a minute old is taken for dead. */
const TOUCH_INTERVAL_MS = 2000
const END_TIMEOUT_MS = 2000
/** A promise that the database has not confirmed after this long is left on disk. */
const UNCONFIRMED_MS = 50

/** What is known of this process life from its start. */
export interface InstanceIdentity {
  readonly version: string
  /** Most entries that a kill can lose. */
  readonly capacityEntries: number
  /** Milliseconds after which every entry is on disk, or null without a journal. */
  readonly journalMs: number | null
  readonly process: InstanceProcess
}

/** A life, and what it promises: for who may have to tell of its death. */
export interface ToldLife {
  readonly start: InstanceStart
  readonly promises: InstancePromises
}

/** Where word is left on disk: see `Spill.setUnheard`. */
export interface Traces {
  setUnheard(isUnheard: boolean): Promise<void>
}

/** Of the process life that is being written, which can be another than at the start. */
export interface LifeFigures extends InstanceFigures {
  readonly id: string
  readonly memoryEntries: number | null
  readonly inFlightMost: number | null
}

/** Keeps this process' row in `instances`: registered as soon as the database can be reached, touched, ended. */
export class InstanceRecord {
  readonly #sql: Sql
  readonly #identity: InstanceIdentity
  readonly #figures: () => LifeFigures
  readonly #notes: () => InstanceNotes
  readonly #logger: Logger
  readonly #traces: Traces | null
  /** Called at once with what is new of it, before anything is awaited. */
  onLife: (life: ToldLife) => void = () => {}
  #startedAt = new Date()
  #registered: string | null = null
  #isUnheard = false
  #toldNotes = ''
  readonly #rounds: Periodic

  /** `traces`: left where the database may not hear of a promise; null when they are not needed, or cannot be. */
  constructor(parts: {
    sql: Sql
    identity: InstanceIdentity
    figures: () => LifeFigures
    notes: () => InstanceNotes
    traces: Traces | null
    /** Called before each sign of life. */
    onBeat: () => void
    logger: Logger
  }) {
    this.#sql = parts.sql
    this.#identity = parts.identity
    this.#figures = parts.figures
    this.#notes = parts.notes
    this.#logger = parts.logger
    this.#traces = parts.traces
    this.#rounds = new Periodic({
      run: () => this.#touch(),
      intervalMs: TOUCH_INTERVAL_MS,
      pace: 'beat',
      onBeat: parts.onBeat,
      onFailure: ({ error }) => this.#logger.debug({ err: error }, 'instance not touched'),
    })
  }

  /** Registers, now or when the database is there; never waits for it, never rejects. */
  start(): void {
    this.#tell()
    this.#rounds.start(0)
  }

  /** More is promised than before: tells it everywhere at once. Called within a push: waits for nothing, never throws. */
  raise(): void {
    this.#tell()
    const { id, acceptedSeq, memoryEntries, inFlightMost } = this.#figures()
    const leaveWord = (): void => {
      this.#isUnheard = true
      void this.#traces?.setUnheard(true)
    }
    const raised = async (): Promise<void> => {
      if (this.#registered !== id) return leaveWord()
      await raisePromises(this.#sql, id, { acceptedSeq, memoryEntries, inFlightMost })
    }
    void within(raised(), { what: 'the promise', ms: UNCONFIRMED_MS }).catch(leaveWord)
  }

  /** Writes the end, within two seconds; a row without it says that the process died. To be called after the log's drain. */
  async stop(): Promise<void> {
    const end = async (): Promise<void> => {
      await this.#rounds.stop(END_TIMEOUT_MS)
      const { id, ...figures } = this.#figures()
      if (this.#registered !== id) await this.#touch()
      await endInstance(this.#sql, id, figures)
    }
    await endsWithin(end(), END_TIMEOUT_MS).catch((error: unknown) => {
      this.#logger.warn({ err: error }, 'the end of this instance could not be written')
    })
  }

  async #touch(): Promise<void> {
    const isUnheard = this.#isUnheard
    const { id, ...plain } = this.#figures()
    const notes = this.#notes()
    const json = JSON.stringify(notes)
    const figures = { ...plain, notes: json === this.#toldNotes ? undefined : notes }
    if (this.#registered !== id || !(await touchInstance(this.#sql, id, figures))) {
      // Another life has begun under this process, because somebody else was found to live under its id.
      if (this.#registered !== null && this.#registered !== id) this.#startedAt = new Date()
      await registerInstance(this.#sql, this.#startOf(id))
      this.#registered = id
      this.#tell()
      await touchInstance(this.#sql, id, { ...plain, notes })
    }
    this.#toldNotes = json
    // The database knows by now, unless there is more to know already.
    const { memoryEntries, inFlightMost } = this.#figures()
    if (!isUnheard || memoryEntries !== plain.memoryEntries || inFlightMost !== plain.inFlightMost) return
    this.#isUnheard = false
    await this.#traces?.setUnheard(false)
  }

  #startOf(id: string): InstanceStart {
    return { ...this.#identity, id, host: hostname(), startedAt: this.#startedAt }
  }

  #tell(): void {
    const { id, memoryEntries, inFlightMost } = this.#figures()
    this.onLife({ start: this.#startOf(id), promises: { memoryEntries, inFlightMost } })
  }
}
