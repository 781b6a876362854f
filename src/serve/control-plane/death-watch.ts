import { hostname } from 'node:os'
import { machineName } from '../../lib/host/machine.ts'
import { Periodic } from '../../lib/time/periodic.ts'
import type { Logger } from '../../logger/logger.ts'
import {
  findGone,
  findSilent,
  noteDeath,
  type DeathSign,
  type GoneInstance,
  type InstanceDeath,
  type StateFolder,
} from '../../store/audit/instance-deaths.ts'
import type { Sql } from '../../store/sql.ts'

const INTERVAL_MS = 2000
const FOLDER_INTERVAL_MS = 10_000
/** Deaths held until the database is there; a gateway whose workers die more often has other worries. */
const MAX_PENDING = 1000

/**
 * Writes into the database who has died, as soon as that is known and the database is there: workers whose primary this is, owners of
 * spill folders that were taken over and, with a state folder, processes of this machine that are no more, and who had the folder before.
 */
export class DeathWatch {
  readonly #sql: Sql
  readonly #logger: Logger
  readonly #folder: StateFolder | null
  #lookedTick = -Infinity
  readonly #pending = new Map<string, InstanceDeath>()
  readonly #told = new Set<string>()
  readonly #rounds: Periodic

  /** `folder`: where this gateway keeps its state; null for not to look who else has died. */
  constructor(parts: { sql: Sql; logger: Logger; folder: string | null }) {
    this.#sql = parts.sql
    this.#logger = parts.logger
    const { folder } = parts
    this.#folder = folder === null ? null : { host: hostname(), machine: machineName(), folder }
    this.#rounds = new Periodic({
      run: () => this.#write(),
      intervalMs: INTERVAL_MS,
      pace: 'beat',
      onFailure: ({ error }) => this.#logger.debug({ err: error }, 'deaths of instances not written'),
    })
  }

  start(): void {
    this.#rounds.start(0)
  }

  /** Returns whether it has come into the database since it was last asked about. Never waits, never throws. */
  add(death: InstanceDeath): boolean {
    const key = `${death.id} ${death.sign}`
    if (this.#told.delete(key)) return true
    if (this.#pending.size >= MAX_PENDING) return false
    this.#pending.set(key, death)
    this.#rounds.kick()
    return false
  }

  /** The owner of a spill folder that was taken over has died; `isCutOff`: it may have promised more than the database heard. As `add`. */
  inherited(id: string, isCutOff: boolean): boolean {
    return this.add({ id, sign: 'heir', promises: null, isCutOff, start: null })
  }

  /** Writes what is known, within the time. Never rejects. */
  async stop(timeoutMs: number): Promise<void> {
    await this.#rounds.stop(timeoutMs)
  }

  async #write(): Promise<void> {
    for (const [key, death] of this.#pending) {
      await noteDeath(this.#sql, death)
      this.#pending.delete(key)
      if (this.#told.size >= MAX_PENDING) this.#told.clear()
      this.#told.add(key)
    }
    if (this.#folder === null) return
    await this.#note('gone', await findGone(this.#sql, this.#folder.machine))
    if (performance.now() - this.#lookedTick < FOLDER_INTERVAL_MS) return
    await this.#note('heir', await findSilent(this.#sql, this.#folder))
    this.#lookedTick = performance.now()
  }

  async #note(sign: DeathSign, found: readonly GoneInstance[]): Promise<void> {
    for (const { id, isCutOff } of found) {
      await noteDeath(this.#sql, { id, sign, promises: null, isCutOff, start: null })
      this.#logger.warn(
        { instance: id, sign },
        'an instance has died: "waybill audit" says what that can have cost',
      )
    }
  }
}
