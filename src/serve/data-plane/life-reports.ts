import type { LifeMemory } from '../../writer/life-memory.ts'
import type { StateReason } from '../../admin/handlers.ts'
import { Periodic } from '../../lib/time/periodic.ts'
import type { Logger } from '../../logger/logger.ts'
import type { LostLife, RememberedLife } from '../../model/audit/life.ts'
import { findLost, readLogState, tellLives, tellSeen } from '../../store/audit/lives.ts'
import type { Sql } from '../../store/sql.ts'

/** How often what was stored is remembered, and the database asked whether it still has it. */
const INTERVAL_MS = 2000
/** How often what others have left is looked at, and how often those that live are told of, too. */
const LOOK_INTERVAL_MS = 10_000
const LIVING_INTERVAL_MS = 60_000
/** After the first look, lives that were seen within this time: they count as dead a minute after they were seen last. */
const SEEN_SECONDS = 180
const STOP_TIMEOUT_MS = 2000

/** Lives named in the log and in warnings; and those of which is known that they were told of. */
const MAX_NAMED = 20
const MAX_TOLD = 1000

/**
 * Reports on the lives of this state folder: remembers on disk what the ledger has acknowledged of this one, tells the database what is
 * remembered of earlier ones, and warns when the database does not have what it had acknowledged. Nothing waits for it.
 */
export class LifeReports {
  readonly #sql: Sql
  readonly #memory: LifeMemory
  /** Id of the life that is being written. */
  readonly #instance: () => string
  readonly #logger: Logger
  readonly #rounds: Periodic
  #log: string | null = null
  #lookedTick = -Infinity
  #livingTick = -Infinity
  #isFirstLook = true
  #isEnding = false
  /** By life: the batch that it was told of with. */
  readonly #toldBatch = new Map<string, number>()
  /** Of this life: what was not there at the last look; and the last batch that was told as missing. */
  #suspect: RememberedLife | null = null
  #missingBatch = 0
  #isWriteFailing = false
  readonly #told = new Set<string>()
  #own: StateReason[] = []
  #others: StateReason[] = []

  constructor(parts: { sql: Sql; memory: LifeMemory; instance: () => string; logger: Logger }) {
    this.#sql = parts.sql
    this.#memory = parts.memory
    this.#instance = parts.instance
    this.#logger = parts.logger
    this.#rounds = new Periodic({
      run: () => this.run(),
      intervalMs: INTERVAL_MS,
      pace: 'beat',
      onFailure: ({ error }) => this.#logger.debug({ err: error }, 'lives not linked'),
    })
  }

  /** Begins, now or when the database is there; never waits for it, never rejects. */
  start(): void {
    this.#rounds.start(0)
  }

  /** Remembers the end, within two seconds. To be called after the log's drain. */
  async stop(): Promise<void> {
    this.#isEnding = true
    this.#rounds.kick()
    await this.#rounds.stop(STOP_TIMEOUT_MS)
  }

  /** What the database has lost, as far as this process knows. */
  get warnings(): readonly StateReason[] {
    return [...this.#own, ...this.#others]
  }

  /** One round. Rejects when the database is away; what was stored is remembered all the same. */
  async run(): Promise<void> {
    if (this.#log !== null) await this.#remember(this.#log)
    const instance = this.#instance()
    const own = this.#suspect ?? this.#memory.latest(instance)
    const { log, hasBatch } = await readLogState(this.#sql, own)
    if (this.#log !== null && this.#log !== log) this.#replaced(this.#log, log)
    if (this.#log !== log) await this.#remember(log)
    this.#log = log
    // Looked for twice: an answer may come from a server that is a moment behind.
    const isMissing = own !== null && !hasBatch && this.#suspect !== null
    this.#suspect = hasBatch || isMissing ? null : own
    const isNews = isMissing && own.batch !== this.#missingBatch
    if (isNews) {
      this.#missingBatch = own.batch
      const detail = `the database does not have batch ${own.batch} of instance ${instance}, which it had acknowledged: a backup was restored, or a standby promoted; "waybill audit" names what is missing`
      this.#logger.error({ instance, batch: own.batch, entries: own.settled }, detail)
      this.#own = [...this.#own.slice(1 - MAX_NAMED), { code: 'log_lost_batches', detail }]
      await tellLives(this.#sql, instance, [own])
      this.#toldBatch.clear()
      this.#isFirstLook = true
    }
    if (!isNews && !this.#isEnding && performance.now() - this.#lookedTick < LOOK_INTERVAL_MS) return
    await this.#look(log, instance)
    this.#lookedTick = performance.now()
  }

  async #look(log: string, instance: string): Promise<void> {
    // Those that live as well now and then, and at the end: they may be gone altogether before anybody else begins.
    const withLiving = this.#isEnding || performance.now() - this.#livingTick >= LIVING_INTERVAL_MS
    const { lives, others } = await this.#memory.read(log, instance, withLiving)
    const news = lives.filter((life) => this.#toldBatch.get(life.instance) !== life.batch)
    await tellLives(this.#sql, instance, news)
    const seen = this.#isFirstLook ? {} : { withinSeconds: SEEN_SECONDS }
    await tellSeen(this.#sql, instance, { ...seen, withLiving })
    if (others > 0 && this.#isFirst('others')) {
      this.#logger.warn(
        { lives: others },
        'stateDir/lives remembers lives of another database: they are no part of what this one is audited for',
      )
    }
    if (news.length > 0 || withLiving) await this.#findLost(lives.map((life) => life.instance))
    for (const { instance: life, batch } of news) this.#toldBatch.set(life, batch)
    if (this.#toldBatch.size > MAX_TOLD) this.#toldBatch.clear()
    if (withLiving) this.#livingTick = performance.now()
    this.#isFirstLook = false
  }

  async #findLost(instances: readonly string[]): Promise<void> {
    const lost = instances.length === 0 ? [] : await findLost(this.#sql, { instances })
    for (const life of lost.slice(0, MAX_NAMED)) {
      if (!this.#isFirst(`${life.instance} ${life.batch}`)) continue
      const { host, batch, settled, newest } = life
      this.#logger.error(
        { instance: life.instance, host, batch, entries: settled, stored: newest?.batch ?? 0 },
        'the database has lost batches of an earlier life, which it had acknowledged; "waybill audit" names them',
      )
    }
    this.#others = lost.slice(0, MAX_NAMED).map(warningOf)
  }

  async #remember(log: string): Promise<void> {
    try {
      await this.#memory.write(log)
      this.#isWriteFailing = false
    } catch (error) {
      if (!this.#isWriteFailing) {
        this.#logger.warn(
          { err: error },
          'stateDir/lives cannot be written: a later life on this folder will not know what this one had stored',
        )
      }
      this.#isWriteFailing = true
    }
  }

  #replaced(from: string, to: string): void {
    const detail = `the database is another one than before (log ${to}, was ${from}): what had been stored there is not here`
    this.#logger.error({ from, to }, detail)
    this.#own = [...this.#own.slice(1 - MAX_NAMED), { code: 'log_replaced', detail }]
  }

  #isFirst(what: string): boolean {
    if (this.#told.has(what)) return false
    if (this.#told.size >= MAX_TOLD) this.#told.clear()
    this.#told.add(what)
    return true
  }
}

function warningOf({ instance, host, batch, newest }: LostLife): StateReason {
  const left = newest === null ? 'nothing of it' : `batches up to ${newest.batch}`
  const detail = `instance ${instance} on ${host} had stored ${batch} batches, the database has ${left}`
  return { code: 'log_lost_batches', detail }
}
