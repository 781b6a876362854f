import type { Config } from '../../config/config.ts'
import type { Logger } from '../../logger/logger.ts'
import { AUDIT_GAP_KINDS, type AuditGapKind } from '../../model/audit/audit.ts'
import type { AuditStats } from '../../model/stats.ts'
import { auditInstances } from '../../store/audit/audit.ts'
import { readClock } from '../../store/entries/retention.ts'
import type { Sql } from '../../store/sql.ts'

/** What was accepted in this time is audited. Measured: an hour of 50 million entries a day in a quarter of a second. */
const WINDOW_MS = 3_600_000

/** Audits the last hour now and then, for the metrics: all gateways of the database, as `waybill audit --since 1h` does. */
export class AuditJob {
  readonly #sql: Sql
  readonly #intervalMs: number
  readonly #logger: Logger
  readonly #stopped = new AbortController()
  #timer: NodeJS.Timeout | null = null
  #isFailing = false
  #gaps: Record<AuditGapKind, number> | null = null
  #auditedTick = 0

  constructor(parts: { sql: Sql; intervalMs: number; logger: Logger }) {
    this.#sql = parts.sql
    this.#intervalMs = parts.intervalMs
    this.#logger = parts.logger
  }

  /** Audits after each interval until `stop`. */
  start(): void {
    this.#timer = setTimeout(() => void this.run().then(() => this.start()), this.#intervalMs)
    this.#timer.unref()
    if (this.#stopped.signal.aborted) clearTimeout(this.#timer)
  }

  /** Begins no further audit, and ends the one under way after its statement. */
  stop(): void {
    this.#stopped.abort()
    if (this.#timer !== null) clearTimeout(this.#timer)
  }

  /** One audit. Never rejects: what it cannot find out leaves the last result in place, and its age growing. */
  async run(): Promise<void> {
    const { signal } = this.#stopped
    try {
      const gaps = noGaps()
      const since = new Date((await readClock(this.#sql, Date.now)).databaseMs - WINDOW_MS)
      for await (const one of auditInstances(this.#sql, { since }, { signal })) {
        for (const { kind } of one.gaps) gaps[kind]++
      }
      this.#gaps = gaps
      this.#auditedTick = performance.now()
      this.#isFailing = false
    } catch (error) {
      if (!this.#isFailing && !signal.aborted) this.#logger.warn({ err: error }, 'audit failed; trying again')
      this.#isFailing = true
    }
  }

  /** The newest result; null before the first. */
  get stats(): AuditStats | null {
    if (this.#gaps === null) return null
    return { gaps: this.#gaps, ageMs: performance.now() - this.#auditedTick }
  }
}

/** The job as the configuration wants it; null when it is turned off. */
export function auditJobOf({ options }: Config, sql: Sql, logger: Logger): AuditJob | null {
  const intervalMs = options['audit.intervalMs']
  return intervalMs === 0 ? null : new AuditJob({ sql, intervalMs, logger })
}

function noGaps(): Record<AuditGapKind, number> {
  return Object.fromEntries(AUDIT_GAP_KINDS.map((kind) => [kind, 0])) as Record<AuditGapKind, number>
}
