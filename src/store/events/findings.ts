import { CANARY_TENANT } from '../../model/canary.ts'
import type { Finding } from '../../model/events/event.ts'
import type { Outcome } from '../../model/outcome.ts'
import type { Sql } from '../sql.ts'

/** Keys are told of this long before they end. */
const EXPIRING_DAYS = 7
/** Quarters of an hour are counted once they are over: those of this time are looked at. */
const LIMIT_MINUTES = 45
/** Minutes are counted once they are over. */
const UPSTREAM_MINUTES = 5
/** Fewer failures than this are no news: of a route that nobody uses, one in two is soon. */
const MIN_FAILED = 10
/** How a request ends whose upstream failed. */
const FAILED: readonly Outcome[] = ['upstream_refused', 'upstream_timeout', 'upstream_reset']
/** Of one look; the rest is found by the next. */
const MAX_FOUND = 500

/** Keys in use that end soon and were not told of. Those that were made for a short life are meant to end. */
async function findExpiringKeys(sql: Sql): Promise<Finding[]> {
  const rows = await sql<
    { id: string; key: string; tenant: string; name: string | null; expires_at: Date }[]
  >`
    SELECT f.* FROM (
      SELECT 'key.expiring:' || k.id || ':' || floor(extract(epoch FROM k.expires_at)) AS id,
        k.id AS key, k.tenant, k.name, k.expires_at
      FROM api_keys k JOIN tenants o ON o.slug = k.tenant
      WHERE k.revoked_at IS NULL AND k.rotated_to IS NULL AND o.state <> 'deleted'
        AND k.expires_at - k.created_at > ${EXPIRING_DAYS} * interval '1 day'
        AND k.expires_at > now() AND k.expires_at < now() + ${EXPIRING_DAYS} * interval '1 day') f
    WHERE NOT EXISTS (SELECT FROM events e WHERE e.id = f.id)
    ORDER BY f.expires_at LIMIT ${MAX_FOUND}`
  return rows.map(({ id, key, tenant, name, expires_at: expiresAt }) => ({
    id,
    type: 'key.expiring',
    data: { key, tenant, name, expiresAt: expiresAt.toISOString() },
  }))
}

/** Whether entries were quarantined in this hour: told of once in it. */
async function findQuarantined(sql: Sql): Promise<Finding[]> {
  const rows = await sql<{ id: string; n: number; first: string; codes: string[] }[]>`
    SELECT 'quarantine.added:' || to_char(date_trunc('hour', now() AT TIME ZONE 'UTC'), 'YYYY-MM-DD"T"HH24') AS id,
      count(*)::int AS n, min(q.id)::text AS first, (array_agg(DISTINCT q.code))[1:10] AS codes
    FROM quarantine q WHERE q.resolution IS NULL AND q.quarantined_at >= date_trunc('hour', now())
    HAVING count(*) > 0`
  return rows.map(({ id, n, first, codes }) => ({
    id,
    type: 'quarantine.added',
    data: { entries: n, firstId: first, codes },
  }))
}

/** Tenants of which requests were refused by a limit: told of once a day (UTC) each. */
async function findLimited(sql: Sql): Promise<Finding[]> {
  const rows = await sql<{ id: string; tenant: string; refused: number; limits: string[]; since: Date }[]>`
    SELECT f.* FROM (
      SELECT 'limit.reached:' || tenant || ':' || to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD') AS id, tenant,
        sum(n)::bigint AS refused, array_agg(DISTINCT reason ORDER BY reason) AS limits, to_timestamp(min(minute) * 60.0) AS since
      FROM figures_usage
      WHERE minute >= floor(extract(epoch FROM now()) / 60)::int - ${LIMIT_MINUTES}::int
        AND refusal = 'limit' AND tenant <> '' AND tenant <> ${CANARY_TENANT}
      GROUP BY tenant) f
    WHERE NOT EXISTS (SELECT FROM events e WHERE e.id = f.id)
    ORDER BY f.refused DESC LIMIT ${MAX_FOUND}`
  return rows.map(({ id, tenant, refused, limits, since }) => ({
    id,
    type: 'limit.reached',
    data: { tenant, refused, limits: limits.filter((limit) => limit !== ''), since: since.toISOString() },
  }))
}

/** Routes of which at least half of the requests that went to the upstream failed there: told of once an hour each. */
async function findFailingRoutes(sql: Sql): Promise<Finding[]> {
  const rows = await sql<
    { id: string; route: string; requests: number; failed: number; outcomes: string[] }[]
  >`
    SELECT f.* FROM (
      SELECT 'upstream.failing:' || route || ':' || to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24') AS id, route,
        sum(n)::bigint AS requests, coalesce(sum(n) FILTER (WHERE outcome <> 'forwarded'), 0)::bigint AS failed,
        array_agg(DISTINCT outcome ORDER BY outcome) FILTER (WHERE outcome <> 'forwarded') AS outcomes
      FROM figures_routes
      WHERE step = 1 AND minute >= floor(extract(epoch FROM now()) / 60)::int - ${UPSTREAM_MINUTES}::int
        AND route <> '' AND outcome = ANY (${['forwarded', ...FAILED]}::text[])
      GROUP BY route) f
    WHERE f.failed >= ${MIN_FAILED} AND f.failed * 2 >= f.requests AND NOT EXISTS (SELECT FROM events e WHERE e.id = f.id)
    ORDER BY f.failed DESC LIMIT ${MAX_FOUND}`
  return rows.map(({ id, route, requests, failed, outcomes }) => ({
    id,
    type: 'upstream.failing',
    data: { route, requests, failed, outcomes },
  }))
}

/** All that the database tells of. */
export async function findEvents(sql: Sql): Promise<Finding[]> {
  const found: Finding[] = []
  for (const find of [findExpiringKeys, findQuarantined, findLimited, findFailingRoutes])
    found.push(...(await find(sql)))
  return found
}
