import type { Config } from '../../config/config.ts'
import { Periodic, tellFailures } from '../../lib/time/periodic.ts'
import type { Logger } from '../../logger/logger.ts'
import { AUDIT_GAP_KINDS, type AuditGap, type AuditGapKind } from '../../model/audit/audit.ts'
import type { AuditStats } from '../../model/stats.ts'
import { auditInstances } from '../../store/audit/audit.ts'
import { readClock } from '../../store/entries/retention.ts'
import type { Sql } from '../../store/sql.ts'
import { isTold } from './events/events-job.ts'

/** What was accepted in this time is audited. Measured: an hour of 50 million entries a day in a quarter of a second. */
const WINDOW_MS = 3_600_000

/** Gaps that are told of as events, of one audit. */
const MAX_TOLD = 100

/** Audits the last hour now and then, for the metrics: all gateways of the database, as `waybill audit --since 1h` does. */
export class AuditJob {
  readonly #sql: Sql
  readonly #stopped = new AbortController()
  readonly #runs: Periodic
  readonly #onGaps: (gaps: readonly AuditGap[], now: Date) => Promise<void>
  #gaps: Record<AuditGapKind, number> | null = null
  #auditedTick = 0

  constructor(parts: {
    sql: Sql
    intervalMs: number
    logger: Logger
    /** Is told the first of those that are told after each audit. What it rejects with is a failure of the audit. */
    onGaps?: (gaps: readonly AuditGap[], now: Date) => Promise<void>
  }) {
    this.#sql = parts.sql
    this.#onGaps = parts.onGaps ?? (() => Promise.resolve())
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
    const found: AuditGap[] = []
    const { databaseMs } = await readClock(this.#sql, Date.now)
    const since = new Date(databaseMs - WINDOW_MS)
    for await (const one of auditInstances(this.#sql, { since }, { signal: this.#stopped.signal })) {
      for (const { kind } of one.gaps) gaps[kind]++
      found.push(...one.gaps.filter(({ kind }) => isTold(kind)).slice(0, MAX_TOLD - found.length))
    }
    this.#gaps = gaps
    this.#auditedTick = performance.now()
    if (found.length > 0) await this.#onGaps(found, new Date(databaseMs))
  }

  /** The newest result; null before the first. */
  get stats(): AuditStats | null {
    if (this.#gaps === null) return null
    return { gaps: this.#gaps, ageMs: performance.now() - this.#auditedTick }
  }
}

/** The job as the configuration wants it; null when it is turned off. */
export function auditJobOf(
  { options }: Config,
  parts: Omit<ConstructorParameters<typeof AuditJob>[0], 'intervalMs'>,
): AuditJob | null {
  const intervalMs = options['audit.intervalMs']
  return intervalMs === 0 ? null : new AuditJob({ ...parts, intervalMs })
}

function noGaps(): Record<AuditGapKind, number> {
  return Object.fromEntries(AUDIT_GAP_KINDS.map((kind) => [kind, 0])) as Record<AuditGapKind, number>
}
