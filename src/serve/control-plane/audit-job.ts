import type { Config } from '../../config/config.ts'
import { Periodic, tellFailures } from '../../lib/time/periodic.ts'
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
  readonly #stopped = new AbortController()
  readonly #runs: Periodic
  #gaps: Record<AuditGapKind, number> | null = null
  #auditedTick = 0

  constructor(parts: { sql: Sql; intervalMs: number; logger: Logger }) {
    this.#sql = parts.sql
    this.#runs = new Periodic({
      run: () => this.#audit(),
      intervalMs: parts.intervalMs,
      pace: 'rest',
      ...tellFailures(parts.logger, { failed: 'audit failed; trying again', well: 'audit goes on' }),
    })
  }

  /** Audits after each interval until `stop`. */
  start(): void {
    this.#runs.start()
  }

  /** Begins no further audit, and ends the one under way after its statement. */
  stop(): void {
    this.#stopped.abort()
    void this.#runs.stop(0)
  }

  /** One audit. Never rejects: what it cannot find out leaves the last result in place, and its age growing. */
  async run(): Promise<void> {
    await this.#runs.now().catch(() => {})
  }

  async #audit(): Promise<void> {
    const gaps = noGaps()
    const since = new Date((await readClock(this.#sql, Date.now)).databaseMs - WINDOW_MS)
    for await (const one of auditInstances(this.#sql, { since }, { signal: this.#stopped.signal })) {
      for (const { kind } of one.gaps) gaps[kind]++
    }
    this.#gaps = gaps
    this.#auditedTick = performance.now()
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
