import { CANARY_TENANT } from '../../model/canary.ts'
import type { Sql } from '../sql.ts'
import { readScoped } from '../tenant-scope.ts'

/** What a tenant took of the rate that a route's upstream allows. */
export interface BudgetRow {
  readonly route: string
  /** Null for requests that could not be attributed. */
  readonly tenant: string | null
  /** Requests that were sent upstream. */
  readonly requests: number
  /** Of all requests of the route, as far as they were read: from 0 to 1. */
  readonly share: number
  /** Answered 429 by the upstream. */
  readonly refused: number
  readonly lastRefusedAt: Date | null
  /** What the upstream said of its limit last, to anybody, and when; null where it never did. */
  readonly limit: string | null
  readonly limitAt: Date | null
}

/** Of which time, and of whom. */
export interface BudgetFilter {
  readonly tenant?: string
  readonly route?: string
  readonly since: Date
  readonly until?: Date
}

/** Lines at most. */
const MAX_ROWS = 10_000

/**
 * Requests to upstreams by route and tenant, of the routes whose upstreams have spoken of a limit, by a field or a 429; the most
 * requests first. Of one tenant its own requests are all that is read. Reads all rows of the time.
 */
export async function upstreamBudgets(sql: Sql, filter: BudgetFilter): Promise<BudgetRow[]> {
  const { tenant, route, since, until } = filter
  const rows = await readScoped(
    sql,
    tenant,
    (tx) => tx<(Omit<BudgetRow, 'limitAt'> & { limitAt: string | null })[]>`
      WITH used AS (
        SELECT e.route, e.tenant, count(*) AS requests,
          count(*) FILTER (WHERE e.status = 429 AND e.outcome = 'forwarded') AS refused,
          max(e.started_at) FILTER (WHERE e.status = 429 AND e.outcome = 'forwarded') AS last_refused_at,
          -- The newest, without sorting: its time comes first, and orders as text.
          max(to_char(e.started_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') || ' ' || e.upstream_limit) AS newest
        FROM access_log e
        WHERE e.started_at >= ${since} ${until === undefined ? tx`` : tx`AND e.started_at < ${until}`}
          AND e.upstream IS NOT NULL AND e.route IS NOT NULL
          ${tenant === undefined ? tx`AND e.tenant IS DISTINCT FROM ${CANARY_TENANT}` : tx`AND e.tenant = ${tenant}`}
          ${route === undefined ? tx`` : tx`AND e.route = ${route}`}
        GROUP BY 1, 2
      ), routes AS (
        SELECT u.*, sum(u.requests) OVER w AS of_route, sum(u.refused) OVER w AS refused_of_route, max(u.newest) OVER w AS newest_of_route
        FROM used u WINDOW w AS (PARTITION BY u.route)
      )
      SELECT r.route, r.tenant, r.requests, (r.requests / r.of_route)::float8 AS share, r.refused, r.last_refused_at AS "lastRefusedAt",
        substr(r.newest_of_route, strpos(r.newest_of_route, ' ') + 1) AS "limit",
        split_part(r.newest_of_route, ' ', 1) AS "limitAt"
      FROM routes r
      WHERE r.newest_of_route IS NOT NULL OR r.refused_of_route > 0 ${route === undefined ? tx`` : tx`OR true`}
      ORDER BY r.route, r.requests DESC, r.tenant LIMIT ${MAX_ROWS}`,
  )
  return rows.map((row) =>
    Object.assign(row, { limitAt: row.limitAt === null ? null : new Date(row.limitAt) }),
  )
}
