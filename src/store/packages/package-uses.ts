import { PACKAGE_USES, type PackageUse } from '../../model/artifact/package-use.ts'
import { outcomesOf } from '../../model/outcome.ts'
import type { Sql, SqlFragment, TransactionSql } from '../sql.ts'
import { packageCondition, type PackageScope } from './package-key.ts'
import type { VersionRow } from './package-versions.ts'

/** A value of a sample, or, where `part` is `sum`, the sums of a user. */
export interface UseRow {
  readonly user_rank: number
  readonly user_count: number
  readonly ecosystem: string
  readonly package: string
  readonly tenant: string | null
  readonly key_id: string | null
  readonly use: PackageUse
  readonly outcome: string | null
  readonly part: 'sum' | 'address' | 'agent' | 'version'
  readonly client_ip: string | null
  readonly user_agent: string | null
  readonly version: string | null
  readonly qualifiers: string | null
  /** Values of this part. */
  readonly many: number
  readonly requests: number
  readonly bytes_sent: number
  readonly bytes_received: number
  readonly first_at: Date
  readonly last_at: Date
}

/** Users that are listed; each takes some kilobytes at most. */
export const MAX_USERS = 10_000

/** Values of a sample. */
export const MAX_VALUES = { address: 5, agent: 3, version: 10 } as const

/**
 * Sums of the rows by user, with the most frequent values of each sample, in the order of users. Rows are summed up by all that is asked for first,
 * which several processes of the database can do, and which leaves little: builds repeat themselves.
 * `versions`: those that are meant; null for all.
 */
export async function readUses(
  sql: Sql | TransactionSql,
  scope: PackageScope,
  versions: readonly VersionRow[] | null,
): Promise<UseRow[]> {
  return await sql<UseRow[]>`
    WITH used AS (
      SELECT e.ecosystem, e.package, e.tenant, e.key_id, e.client_ip, e.user_agent, e.version, e.qualifiers, e.outcome,
        ${useOf(sql)} AS use, e.bytes_sent, e.bytes_received, e.started_at
      FROM access_log e WHERE ${packageCondition(sql, scope)} ${versionCondition(sql, versions)}
    ), fine AS (
      SELECT u.ecosystem, u.package, u.tenant, u.key_id, u.use, CASE WHEN u.use IN ('failed', 'refused') THEN u.outcome END AS outcome,
        u.client_ip, u.user_agent, u.version, u.qualifiers, count(*) AS n, sum(u.bytes_sent) AS sent, sum(u.bytes_received) AS received,
        min(u.started_at) AS first_at, max(u.started_at) AS last_at
      FROM used u GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10
    ), sums AS (
      SELECT f.ecosystem, f.package, f.tenant, f.key_id, f.use, f.outcome, f.client_ip, f.user_agent, f.version, f.qualifiers,
        CASE grouping(f.client_ip, f.user_agent, f.version) WHEN 7 THEN 'sum' WHEN 3 THEN 'address' WHEN 5 THEN 'agent' ELSE 'version' END AS part,
        sum(f.n) AS n, sum(f.sent) AS sent, sum(f.received) AS received, min(f.first_at) AS first_at, max(f.last_at) AS last_at
      FROM fine f
      GROUP BY f.ecosystem, f.package, f.tenant, f.key_id, f.use, f.outcome,
        GROUPING SETS ((), (f.client_ip), (f.user_agent), (f.version, f.qualifiers))
    ), ranked AS (
      SELECT s.*, row_number() OVER (PARTITION BY ${USER(sql)}, s.part ORDER BY s.n DESC, s.client_ip, s.user_agent, s.version, s.qualifiers) AS place,
        count(*) OVER (PARTITION BY ${USER(sql)}, s.part) AS many,
        dense_rank() OVER (ORDER BY s.ecosystem, s.package, s.tenant, s.key_id, array_position(${[...PACKAGE_USES]}::text[], s.use), s.outcome) AS user_rank
      FROM sums s
    )
    SELECT r.user_rank, (SELECT max(m.user_rank) FROM ranked m) AS user_count, r.ecosystem, r.package, r.tenant, r.key_id, r.use, r.outcome,
      r.part, host(r.client_ip) AS client_ip, r.user_agent, r.version, r.qualifiers, r.many, r.n::bigint AS requests,
      r.sent::bigint AS bytes_sent, r.received::bigint AS bytes_received, r.first_at, r.last_at
    FROM ranked r
    WHERE r.user_rank <= ${MAX_USERS} AND r.place <= CASE r.part WHEN 'address' THEN ${MAX_VALUES.address}::int
      WHEN 'agent' THEN ${MAX_VALUES.agent}::int ELSE ${MAX_VALUES.version}::int END
    ORDER BY r.user_rank, r.part, r.place`
}

const USER = (sql: Sql | TransactionSql): SqlFragment =>
  sql`s.ecosystem, s.package, s.tenant, s.key_id, s.use, s.outcome`

/** See `PACKAGE_USES`. A range, and an answer that broke off, are a part; what breaks off has another outcome, or a reason. */
function useOf(sql: Sql | TransactionSql): SqlFragment {
  const refusals = [...outcomesOf('auth'), ...outcomesOf('limit'), ...outcomesOf('other')]
  return sql`
    CASE
      WHEN e.status NOT BETWEEN 200 AND 299 AND e.outcome = ANY (${refusals}::text[]) THEN 'refused'
      WHEN e.artifact_kind = 'artifact' AND e.method <> 'HEAD' THEN CASE
        WHEN e.status = 206 THEN 'partial'
        WHEN e.status BETWEEN 200 AND 299 THEN
          CASE WHEN e.outcome IN ('forwarded', 'answered') AND e.reason IS NULL THEN 'download' ELSE 'partial' END
        WHEN e.status = 304 THEN 'unchanged'
        WHEN e.status BETWEEN 300 AND 399 THEN 'redirected'
        ELSE 'failed' END
      WHEN e.artifact_kind = 'upload' AND e.method NOT IN ('HEAD', 'GET') THEN
        CASE WHEN e.status < 400 AND e.outcome IN ('forwarded', 'answered') AND e.reason IS NULL THEN 'upload' ELSE 'failed' END
      ELSE 'lookup' END`
}

function versionCondition(sql: Sql | TransactionSql, versions: readonly VersionRow[] | null): SqlFragment {
  if (versions === null) return sql``
  const columns = (['ecosystem', 'package', 'version', 'qualifiers'] as const).map((name) =>
    versions.map((row) => row[name]),
  )
  const [ecosystems = [], packages = [], texts = [], qualifiers = []] = columns
  return sql`AND (e.ecosystem, e.package, coalesce(e.version, ''), coalesce(e.qualifiers, '')) IN (
    SELECT * FROM unnest(${ecosystems}::text[], ${packages}::text[], ${texts}::text[], ${qualifiers}::text[]))`
}
