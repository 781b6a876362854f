import type { Batch, RefusedRow } from './batch/batch.ts'
import type { Clock } from '../lib/time/clock.ts'
import type { LogLines } from '../lib/log-lines.ts'
import type { BatchError } from './database/failure.ts'

type Line = 'failing' | 'partitions' | 'rejected' | 'mismatch' | 'fault'

/** One kind of line is repeated no sooner than this. */
const REPEAT_MS = 30_000

/** Tenants named in the line about what a shutdown lost. */
const MAX_TENANTS_NAMED = 20

/**
 * What the writer tells the operator: every change of state once, what repeats at most every 30 s. Never a row's content,
 * nor Postgres' message about one, which quotes it.
 */
export class WriterLog {
  readonly #logger: LogLines
  readonly #clock: Clock
  /** Code and kind of the failure told last, '' when all is well. */
  #failure = ''
  readonly #toldAtMs = new Map<Line, number>()
  #rejected = 0

  constructor(logger: LogLines, clock: Clock) {
    this.#logger = logger
    this.#clock = clock
  }

  /** The batch in hand was not stored and waits for `waitMs`. */
  failing(failure: BatchError, fields: { batch: number; attempt: number; waitMs: number }): void {
    const state = `${failure.kind} ${failure.code}`
    const isNews = state !== this.#failure
    this.#failure = state
    if (!this.#may('failing', isNews)) return
    const cause = failure.kind === 'rejected' ? undefined : causeMessage(failure)
    const all = { code: failure.code, kind: failure.kind, cause, ...fields }
    if (failure.kind === 'retry') this.#logger.warn(all, 'access log: batch not stored, will retry')
    else this.#logger.error(all, 'access log: batch not stored, the database needs attention; will retry')
  }

  /** A batch was stored: tells so when the previous attempt failed. */
  stored(batch: number): void {
    if (this.#failure === '') return
    this.#failure = ''
    this.#logger.info({ batch }, 'access log: stored again')
  }

  partitionsMade(days: readonly string[]): void {
    this.#logger.warn({ days: days.slice(0, 10) }, 'access log: missing partitions made')
  }

  partitionsNotMade(days: readonly string[], error: unknown): void {
    if (!this.#may('partitions')) return
    const cause = error instanceof Error ? error.message : String(error)
    this.#logger.error({ days: days.slice(0, 10), cause }, 'access log: missing partitions could not be made')
  }

  /** Postgres rejects a batch again and again and names no row. */
  rejectedWhole(batch: Batch, code: string): void {
    this.#logger.error(
      { batch: batch.number, entries: batch.entries, code },
      'access log: all rows of a batch refused, they go to quarantine',
    )
  }

  /** A row was cut out of its batch, or could not be encoded. */
  rejected(row: Pick<RefusedRow, 'tenant' | 'seq'>, code: string): void {
    this.#rejected++
    if (!this.#may('rejected')) return
    this.#logger.error(
      { tenant: row.tenant, seq: row.seq, code, rejected: this.#rejected },
      'access log: entry rejected',
    )
    this.#rejected = 0
  }

  /** Postgres counted other rows than were sent: a fault of the encoding. */
  mismatch(fields: { batch: number; sent: number; counted: number }): void {
    if (this.#may('mismatch')) this.#logger.error(fields, 'access log: Postgres counted other rows than sent')
  }

  /** The number of a batch is another's: two processes live under one id. */
  foreign(fields: { instance: string; batch: number; next?: string }): void {
    this.#logger.error(
      fields,
      'access log: the ledger has another batch of this number; was the machine or the database put back? The batch is stored under an id of its own',
    )
  }

  /** An error that nothing foresees ended the work on a batch, if there is one in hand. It is kept, and the work is begun again. */
  fault(error: unknown, batch: number | null): void {
    if (!this.#may('fault')) return
    this.#logger.error(
      { err: error, batch },
      'access log: fault of the writer; what it holds is kept and tried again',
    )
  }

  /** The deadline of the shutdown has come; what is left goes to the spill directory. */
  overdue(entries: number): void {
    if (entries > 0)
      this.#logger.warn({ entries }, 'access log: deadline of the shutdown reached, entries spilled')
  }

  /** `inHand`: entries of a batch that was on its way, some or all of which may have been stored. */
  lost(entries: number, tenants: ReadonlyMap<string, number>, inHand: number): void {
    if (entries === 0) return
    this.#logger.error(
      { entries, inHand, tenants: Object.fromEntries([...tenants].slice(0, MAX_TENANTS_NAMED)) },
      'access log: deadline of the shutdown reached, entries dropped',
    )
  }

  #may(line: Line, isNews = false): boolean {
    const nowMs = this.#clock.nowMs()
    const toldAtMs = this.#toldAtMs.get(line) ?? -Infinity
    if (!isNews && nowMs - toldAtMs < REPEAT_MS) return false
    this.#toldAtMs.set(line, nowMs)
    return true
  }
}

function causeMessage(failure: BatchError): string {
  return failure.cause instanceof Error ? failure.cause.message : failure.message
}
