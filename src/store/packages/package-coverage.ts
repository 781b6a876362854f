import {
  type Coverage,
  type ExpiredDays,
  MissingSum,
  type Unidentified,
} from '../../model/artifact/coverage.ts'
import { AuditSum } from '../../model/audit/audit.ts'
import { auditInstances } from '../audit/audit.ts'
import type { GoneInstance } from '../audit/instance-deaths.ts'
import { dayOfPartition, partitionOf } from '../entries/partition-lives.ts'
import type { Sql } from '../sql.ts'
import { readScoped } from '../tenant-scope.ts'
import type { UsersFilter } from './package-users.ts'

const DAY_MS = 86_400_000

/** Entries that are counted, the oldest day's first: what matters is that there are any. */
const MAX_COUNTED = 100_000

/**
 * Entries of the window, of artifact routes, that nobody has told yet what they are about; null for none. `kinds`: of artifact
 * routes. Entries of routes without a kind are about no package.
 */
export async function findUnidentified(
  sql: Sql,
  filter: UsersFilter,
  kinds: readonly string[],
): Promise<Unidentified | null> {
  const { tenant, route, since, until } = filter
  const [row] = await readScoped(
    sql,
    tenant,
    (tx) => tx<{ entries: number; first_at: Date | null; last_at: Date | null }[]>`
      SELECT count(*) AS entries, min(u.started_at) AS first_at, max(u.started_at) AS last_at FROM (
        SELECT e.started_at FROM access_log e
        WHERE e.artifact_kind IS NULL AND e.kind = ANY (${[...kinds]}::text[])
          ${tenant === undefined ? tx`` : tx`AND e.tenant = ${tenant}`}
          ${route === undefined ? tx`` : tx`AND e.route = ${route}`}
          ${since === undefined ? tx`` : tx`AND e.started_at >= ${since}`}
          ${until === undefined ? tx`` : tx`AND e.started_at < ${until}`}
        LIMIT ${MAX_COUNTED}
      ) u`,
  )
  if (row === undefined || row.first_at === null || row.last_at === null) return null
  return {
    entries: row.entries,
    isExact: row.entries < MAX_COUNTED,
    firstAt: row.first_at,
    lastAt: row.last_at,
  }
}

/** Days of the window that retention has dropped; null for none. Nothing tells how many of their entries were a tenant's. */
export async function findExpired(
  sql: Sql,
  { since, until, tenant }: Pick<UsersFilter, 'since' | 'until' | 'tenant'>,
): Promise<ExpiredDays | null> {
  // The newest partition of a window that ends at midnight is of the day before.
  const last = until === undefined ? null : partitionOf(new Date(until.getTime() - 1))
  const rows = await sql<{ partition: string; entries: number }[]>`
    SELECT p.partition, coalesce(sum(p.rows), 0)::bigint AS entries FROM access_log_partitions p
    WHERE p.dropped_at IS NOT NULL
      ${since === undefined ? sql`` : sql`AND p.partition >= ${partitionOf(since)}`}
      ${last === null ? sql`` : sql`AND p.partition <= ${last}`}
    GROUP BY p.partition ORDER BY p.partition`
  const [first, newest] = [rows[0], rows.at(-1)]
  if (first === undefined || newest === undefined) return null
  return {
    days: rows.length,
    entries: tenant === undefined ? rows.reduce((sum, row) => sum + row.entries, 0) : null,
    from: new Date(dayOfPartition(first.partition)),
    to: new Date(dayOfPartition(newest.partition) + DAY_MS),
  }
}

/** How the coverage of an answer is found out. */
export interface CoverageOptions {
  /** Also counts the rows, see `AuditOptions`. */
  readonly isCounted: boolean
  readonly gone?: readonly GoneInstance[]
  /** Kinds of artifact routes. */
  readonly kinds: readonly string[]
  readonly settledAt: Date | null
  readonly signal?: AbortSignal
}

/** What an answer about the window rests on, and lines of the audit that name what is missing. */
export async function readCoverage(
  sql: Sql,
  filter: UsersFilter,
  options: CoverageOptions,
): Promise<{ coverage: Coverage; gaps: readonly string[] }> {
  const { isCounted, gone = [], kinds, settledAt, signal } = options
  const { since, until, tenant } = filter
  const window = {
    ...(tenant === undefined ? {} : { tenant }),
    ...(since === undefined ? {} : { since }),
    ...(until === undefined ? {} : { until }),
  }
  const unidentified = await findUnidentified(sql, filter, kinds)
  const expired = await findExpired(sql, window)
  const sum = new AuditSum()
  const missing = new MissingSum()
  const audits = auditInstances(sql, window, { isCounted, gone, ...(signal === undefined ? {} : { signal }) })
  for await (const one of audits) {
    sum.add(one)
    missing.add(one)
  }
  const coverage: Coverage = {
    since: since ?? null,
    until: until ?? null,
    audit: sum.summary,
    isCounted,
    missing: missing.sum,
    settledAt,
    unidentified,
    expired,
  }
  return { coverage, gaps: missing.lines }
}
