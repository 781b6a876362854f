import { CANARY_TENANT } from '../../model/canary.ts'
import { outcomesOf, type RefusalKind } from '../../model/outcome.ts'
import type { Sql, SqlFragment, TransactionSql } from '../sql.ts'
import { bucketOf, readElement, sketchOf } from './sketch.ts'

/** Packages that an hour and a day keep apart; all others together are one row. */
const TOP_PACKAGES = 1000

/** Whole minutes since 1970, of one day of UTC: `end` is exclusive. */
export interface MinuteRange {
  readonly first: number
  readonly end: number
}

/**
 * Rows of a range, none where its rows may be gone: within the same statement, or retention could drop them in between. `state` is the CTE
 * that says so.
 */
function stateOf(tx: TransactionSql, { first }: MinuteRange): SqlFragment {
  return tx`state AS (SELECT FROM access_minutes_state WHERE first_minute <= ${first})`
}

function rowsOf(tx: TransactionSql, { first, end }: MinuteRange): SqlFragment {
  return tx`
    FROM access_log e WHERE e.started_at >= to_timestamp(${first * 60}) AND e.started_at < to_timestamp(${end * 60})
      AND e.tenant IS DISTINCT FROM ${CANARY_TENANT}`
}

/** How Waybill itself refused row `e`, and sent it nowhere; '' for what was served. What broke off on its way was served. */
export function refusalOf(sql: Sql | TransactionSql): SqlFragment {
  const is = (kind: RefusalKind) => sql`e.outcome = ANY (${outcomesOf(kind)}::text[])`
  return sql`CASE WHEN e.upstream IS NOT NULL THEN '' WHEN ${is('auth')} THEN 'auth' WHEN ${is('limit')} THEN 'limit'
    WHEN ${is('other')} THEN 'other' ELSE '' END`
}

/** The status' first digit, of row `e`. */
export function classOf(sql: Sql | TransactionSql): SqlFragment {
  return sql`least(e.status / 100, 9)::smallint`
}

/** Minutes of routes and tenants, from their rows. One statement, so that what it removes and what it writes are of one snapshot. */
export async function computeMinutes(tx: TransactionSql, range: MinuteRange): Promise<void> {
  const inRange = tx`step = 1 AND minute >= ${range.first} AND minute < ${range.end} AND EXISTS (SELECT FROM state)`
  await tx`
    WITH ${stateOf(tx, range)}, counted AS MATERIALIZED (
      SELECT minute, tenant, route, outcome, status_class, bucket, grouping(tenant) AS is_route, count(*) AS n, sum(received) AS received,
        sum(sent) AS sent, sum(duration_us) AS duration_us, sum(upstream_us) AS upstream_us, count(upstream_us) AS upstream_n
      FROM (
        SELECT floor(date_part('epoch', e.started_at) / 60)::int AS minute, coalesce(e.tenant, '') AS tenant, coalesce(e.route, '') AS route,
          e.outcome, ${classOf(tx)} AS status_class, ${bucketOf(tx, tx`e.duration_us`)} AS bucket,
          e.bytes_received AS received, e.bytes_sent AS sent, e.duration_us, e.upstream_us
        ${rowsOf(tx, range)}) r
      GROUP BY GROUPING SETS ((minute, route, outcome, status_class, bucket), (minute, tenant, status_class, bucket))
    ), gone_routes AS (DELETE FROM figures_routes WHERE ${inRange}), gone_tenants AS (DELETE FROM figures_tenants WHERE ${inRange}),
    routes AS (
      INSERT INTO figures_routes (bytes_received, bytes_sent, duration_us, upstream_us, minute, n, upstream_n, step, status_class,
        route, outcome, sketch)
      SELECT sum(received), sum(sent), sum(duration_us), coalesce(sum(upstream_us), 0), minute, sum(n), sum(upstream_n), 1, status_class,
        route, outcome, ${sketchOf(tx)}
      FROM counted, state WHERE is_route = 1 GROUP BY minute, status_class, route, outcome)
    INSERT INTO figures_tenants (bytes_received, bytes_sent, minute, n, step, status_class, tenant, sketch)
    SELECT sum(received), sum(sent), minute, sum(n), 1, status_class, tenant, ${sketchOf(tx)}
    FROM counted, state WHERE is_route = 0 GROUP BY minute, status_class, tenant`
}

/** A quarter of an hour of usage, from its rows. */
export async function computeUsage(tx: TransactionSql, range: MinuteRange): Promise<void> {
  await tx`
    WITH ${stateOf(tx, range)}, gone AS (
      DELETE FROM figures_usage WHERE minute >= ${range.first} AND minute < ${range.end} AND EXISTS (SELECT FROM state))
    INSERT INTO figures_usage (bytes_received, bytes_sent, minute, n, status_class, refusal, tenant, key_id, route, outcome, reason)
    SELECT sum(received), sum(sent), ${range.first}, sum(n), status_class, refusal, tenant, key_id, route, outcome, reason
    FROM (${usageRows(tx, rowsOf(tx, range))}) r, state GROUP BY 5, 6, 7, 8, 9, 10, 11`
}

/** Usage of rows `e`, of what stands behind FROM; more than one row of each kind may come. */
export function usageRows(sql: Sql | TransactionSql, from: SqlFragment): SqlFragment {
  return sql`
    SELECT coalesce(e.tenant, '') AS tenant, coalesce(e.key_id, '') AS key_id, coalesce(e.route, '') AS route, e.outcome,
      coalesce(e.reason, '') AS reason, ${classOf(sql)} AS status_class, ${refusalOf(sql)} AS refusal, count(*) AS n,
      sum(e.bytes_received) AS received, sum(e.bytes_sent) AS sent
    ${from} GROUP BY 1, 2, 3, 4, 5, 6, 7`
}

/** Usage of quarters of an hour whose rows are gone, from `access_minutes`; where there is usage of one already, it stays. */
export async function takeOverUsage(tx: TransactionSql, slots: readonly number[]): Promise<void> {
  await tx`
    INSERT INTO figures_usage (bytes_received, bytes_sent, minute, n, status_class, refusal, tenant, key_id, route, outcome, reason)
    SELECT sum(v.received), sum(v.sent), s.slot, sum(v.n), a.status_class, v.refusal, a.tenant, '', a.route, '', ''
    FROM unnest(${[...slots]}::bigint[]) s (slot) JOIN access_minutes a ON a.minute >= s.slot AND a.minute < s.slot + 15
    CROSS JOIN LATERAL (VALUES
      ('', a.n - a.refused_auth - a.refused_limit - a.refused_other, a.bytes_received - a.refused_received, a.bytes_sent - a.refused_sent),
      -- Their bytes are not known apart: they are put to the first kind that there was.
      ('auth', a.refused_auth, CASE WHEN a.refused_auth > 0 THEN a.refused_received ELSE 0 END,
        CASE WHEN a.refused_auth > 0 THEN a.refused_sent ELSE 0 END),
      ('limit', a.refused_limit, CASE WHEN a.refused_auth = 0 AND a.refused_limit > 0 THEN a.refused_received ELSE 0 END,
        CASE WHEN a.refused_auth = 0 AND a.refused_limit > 0 THEN a.refused_sent ELSE 0 END),
      ('other', a.refused_other, CASE WHEN a.refused_auth + a.refused_limit = 0 THEN a.refused_received ELSE 0 END,
        CASE WHEN a.refused_auth + a.refused_limit = 0 THEN a.refused_sent ELSE 0 END)) v (refusal, n, received, sent)
    WHERE v.n > 0 AND NOT EXISTS (SELECT FROM figures_usage f WHERE f.minute = s.slot)
    GROUP BY s.slot, a.status_class, v.refusal, a.tenant, a.route`
}

/** A longer step of routes, from its minutes. */
export async function sumRoutes(tx: TransactionSql, range: MinuteRange): Promise<void> {
  const step = range.end - range.first
  const { bucket, n } = readElement(tx)
  await tx`
    WITH ${stateOf(tx, range)}, parts AS MATERIALIZED (
      SELECT f.* FROM figures_routes f WHERE step = 1 AND minute >= ${range.first} AND minute < ${range.end}
    ), sketches AS (
      SELECT status_class, route, outcome, ${sketchOf(tx)} AS sketch FROM (
        SELECT status_class, route, outcome, ${bucket} AS bucket, sum(${n})::bigint AS n
        FROM parts, unnest(sketch) e GROUP BY 1, 2, 3, 4) b GROUP BY 1, 2, 3
    ), sums AS (
      SELECT status_class, route, outcome, sum(bytes_received) AS received, sum(bytes_sent) AS sent, sum(duration_us) AS duration_us,
        sum(upstream_us) AS upstream_us, sum(n) AS n, sum(upstream_n) AS upstream_n
      FROM parts GROUP BY 1, 2, 3
    ), gone AS (DELETE FROM figures_routes WHERE step = ${step} AND minute = ${range.first} AND EXISTS (SELECT FROM state))
    INSERT INTO figures_routes (bytes_received, bytes_sent, duration_us, upstream_us, minute, n, upstream_n, step, status_class,
      route, outcome, sketch)
    SELECT s.received, s.sent, s.duration_us, s.upstream_us, ${range.first}, s.n, s.upstream_n, ${step}, s.status_class, s.route, s.outcome,
      k.sketch
    FROM sums s JOIN sketches k USING (status_class, route, outcome), state`
}

/** An hour of tenants, from its minutes. */
export async function sumTenants(tx: TransactionSql, range: MinuteRange): Promise<void> {
  const step = range.end - range.first
  const { bucket, n } = readElement(tx)
  await tx`
    WITH ${stateOf(tx, range)}, parts AS MATERIALIZED (
      SELECT f.* FROM figures_tenants f WHERE step = 1 AND minute >= ${range.first} AND minute < ${range.end}
    ), sketches AS (
      SELECT status_class, tenant, ${sketchOf(tx)} AS sketch FROM (
        SELECT status_class, tenant, ${bucket} AS bucket, sum(${n})::bigint AS n
        FROM parts, unnest(sketch) e GROUP BY 1, 2, 3) b GROUP BY 1, 2
    ), sums AS (
      SELECT status_class, tenant, sum(bytes_received) AS received, sum(bytes_sent) AS sent, sum(n) AS n FROM parts GROUP BY 1, 2
    ), gone AS (DELETE FROM figures_tenants WHERE step = ${step} AND minute = ${range.first} AND EXISTS (SELECT FROM state))
    INSERT INTO figures_tenants (bytes_received, bytes_sent, minute, n, step, status_class, tenant, sketch)
    SELECT s.received, s.sent, ${range.first}, s.n, ${step}, s.status_class, s.tenant, k.sketch
    FROM sums s JOIN sketches k USING (status_class, tenant), state`
}

/** The packages of an hour that were asked for most, from its rows. */
export async function computePackages(tx: TransactionSql, range: MinuteRange): Promise<void> {
  const packages = tx`
    SELECT coalesce(e.ecosystem, '') AS ecosystem, e.package, count(*) AS n, sum(e.bytes_sent) AS sent,
      count(*) FILTER (WHERE e.artifact_kind = 'artifact' AND e.status / 100 = 2) AS downloads
    ${rowsOf(tx, range)} AND e.package <> '' GROUP BY 1, 2`
  await replacePackages(tx, range, packages)
}

/** The packages of a day that were asked for most, from those of its hours. */
export async function sumPackages(tx: TransactionSql, range: MinuteRange): Promise<void> {
  const packages = tx`
    SELECT ecosystem, package, sum(n)::bigint AS n, sum(bytes_sent) AS sent, sum(downloads)::bigint AS downloads FROM figures_packages
    WHERE step = 60 AND minute >= ${range.first} AND minute < ${range.end} GROUP BY 1, 2`
  await replacePackages(tx, range, packages)
}

async function replacePackages(tx: TransactionSql, range: MinuteRange, packages: SqlFragment): Promise<void> {
  const step = range.end - range.first
  await tx`
    WITH ${stateOf(tx, range)}, ranked AS (
      SELECT p.*, package <> '' AND row_number() OVER (ORDER BY package = '', n DESC, package, ecosystem) <= ${TOP_PACKAGES} AS is_top
      FROM (${packages}) p
    ), gone AS (DELETE FROM figures_packages WHERE step = ${step} AND minute = ${range.first} AND EXISTS (SELECT FROM state))
    INSERT INTO figures_packages (n, downloads, bytes_sent, minute, step, ecosystem, package)
    SELECT sum(n), sum(downloads), sum(sent), ${range.first}, ${step}, CASE WHEN is_top THEN ecosystem ELSE '' END,
      CASE WHEN is_top THEN package ELSE '' END
    FROM ranked, state GROUP BY 6, 7`
}
