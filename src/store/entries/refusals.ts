import { outcomesOf, type RefusalKind } from '../../model/outcome.ts'
import type { Sql, SqlFragment, TransactionSql } from '../sql.ts'

/** Whether row `table` was refused by Waybill, as this kind or any, and sent nowhere. What broke off on its way was served. */
function isRefused(sql: Sql | TransactionSql, table: 'e' | 'r', kinds: readonly RefusalKind[]): SqlFragment {
  const outcomes = kinds.flatMap(outcomesOf)
  return sql`(${sql(table)}.upstream IS NULL AND ${sql(table)}.outcome = ANY (${outcomes}::text[]))`
}

/** The columns of refusals, summed over rows of `access_log`. */
export function sumRefusals(sql: Sql | TransactionSql, table: 'e' | 'r'): SqlFragment {
  const any = isRefused(sql, table, ['auth', 'limit', 'other'])
  return sql`count(*) FILTER (WHERE ${isRefused(sql, table, ['auth'])}) AS refused_auth,
    count(*) FILTER (WHERE ${isRefused(sql, table, ['limit'])}) AS refused_limit,
    count(*) FILTER (WHERE ${isRefused(sql, table, ['other'])}) AS refused_other,
    coalesce(sum(${sql(table)}.bytes_received) FILTER (WHERE ${any}), 0) AS refused_received,
    coalesce(sum(${sql(table)}.bytes_sent) FILTER (WHERE ${any}), 0) AS refused_sent`
}
