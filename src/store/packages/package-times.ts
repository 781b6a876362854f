import type { Sql, SqlFragment, TransactionSql } from '../sql.ts'

/** Moments that are handed over at most: some megabytes. A tenant with more of them in one package has its rows read one and all. */
const MAX_TIMES = 50_000

/**
 * Moments of entries, exact to the microsecond; null when there are more than are handed over. `entries`: a statement with a column `started_at`.
 *
 * Row level security keeps the index of packages from being used: PostgreSQL does not run a function that might tell of what it is given (`lower`, say)
 * on rows that the policy has not let pass, so all rows of the tenant would be read. So the index is asked for moments alone, with the
 * rights of the handle, and what is read at those moments is read within the scope of the tenant, by the index of tenants and times.
 */
export async function readTimes(tx: TransactionSql, entries: SqlFragment): Promise<readonly string[] | null> {
  const rows = await tx<{ at: string }[]>`
    SELECT x.started_at::text AS at FROM (${entries}) x LIMIT ${MAX_TIMES + 1}`
  return rows.length > MAX_TIMES ? null : rows.map(({ at }) => at)
}

/** Restricts `access_log e` to moments that `readTimes` has found; null or undefined does not restrict. */
export function timesCondition(
  sql: Sql | TransactionSql,
  times: readonly string[] | null | undefined,
): SqlFragment {
  if (times === null || times === undefined) return sql``
  return sql`AND e.started_at IN (SELECT unnest(${[...times]}::text[])::timestamptz)`
}
