import { oldestPartitionMs } from './partitions.ts'
import type { Sql } from './sql.ts'

const DAY_MS = 86_400_000

/** What a tenant did on a route in one UTC day. */
export interface UsageRow {
  /** 'YYYY-MM-DD', UTC. */
  readonly day: string
  /** Null for requests that could not be attributed. */
  readonly tenant: string | null
  readonly route: string | null
  readonly requests: number
  readonly errors_4xx: number
  readonly errors_5xx: number
  readonly bytes_received: number
  readonly bytes_sent: number
}

/**
 * Usage from `since` (inclusive) until `until` (exclusive) per day, tenant and route, summed over the entries themselves, so that
 * it agrees with them. Oldest day first, one chunk and one statement for each day that has entries.
 */
export async function* usageByDay(
  sql: Sql,
  filter: { readonly tenant?: string; readonly since: Date; readonly until: Date },
): AsyncGenerator<UsageRow[], void, undefined> {
  const { tenant, since, until } = filter
  for (let from = Math.max(since.getTime(), await oldestPartitionMs(sql)); from < until.getTime();) {
    const midnight = (Math.floor(from / DAY_MS) + 1) * DAY_MS
    const to = Math.min(midnight, until.getTime())
    const rows = await sql<UsageRow[]>`
      SELECT ${new Date(from).toISOString().slice(0, 10)}::text AS day, e.tenant, e.route, count(*) AS requests,
        count(*) FILTER (WHERE e.status BETWEEN 400 AND 499) AS errors_4xx,
        count(*) FILTER (WHERE e.status >= 500) AS errors_5xx,
        sum(e.bytes_received)::bigint AS bytes_received, sum(e.bytes_sent)::bigint AS bytes_sent
      FROM access_log e
      WHERE e.started_at >= ${new Date(from)} AND e.started_at < ${new Date(to)}
        ${tenant === undefined ? sql`` : sql`AND e.tenant = ${tenant}`}
      GROUP BY e.tenant, e.route ORDER BY e.tenant, e.route`
    if (rows.length > 0) yield rows
    from = to
  }
}
