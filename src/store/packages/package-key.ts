import type { Sql, SqlFragment, TransactionSql } from '../sql.ts'
import { timesCondition } from './package-times.ts'

/**
 * What the index of packages holds of a name, as SQL: its last segment without regard to case and to which of `-_.` it has. So a
 * name without its namespace, the vendor of a deb, say, finds it too. The major version at the end of a Go module is no
 * last segment: thousands of modules end in `/v2`.
 */
export function packageKey(sql: Sql | TransactionSql, name: SqlFragment): SqlFragment {
  return sql`lower(translate(CASE WHEN ${name} ~ '/v[0-9]+$' THEN split_part(${name}, '/', -2)
    ELSE split_part(${name}, '/', -1) END, '_.', '--'))`
}

/** What rows of `access_log e` a question is about, as far as SQL can tell. */
export interface PackageScope {
  /** Names in all spellings that may be meant. */
  readonly names: readonly string[]
  /** Values of `ecosystem`. */
  readonly ecosystems: readonly string[]
  readonly tenant?: string
  readonly route?: string
  /** Inclusive. */
  readonly since?: Date
  /** Exclusive. */
  readonly until?: Date
  /** Moments of the rows, see `readTimes`. */
  readonly times?: readonly string[] | null
}

/** Rows that may be about the packages. The keys are compared one by one: the planner knows each, and so how many rows it has. */
export function packageCondition(sql: Sql | TransactionSql, scope: PackageScope): SqlFragment {
  const { names, ecosystems, tenant, route, since, until, times } = scope
  const keys = names.map(
    (name) => sql`${packageKey(sql, sql`e.package`)} = ${packageKey(sql, sql`${name}::text`)}`,
  )
  const [first = sql`false`, ...others] = keys
  // The index has no others.
  return sql`
    e.package IS NOT NULL AND (${others.reduce((all, each) => sql`${all} OR ${each}`, first)})
    AND e.ecosystem = ANY (${[...ecosystems]}::text[])
    ${tenant === undefined ? sql`` : sql`AND e.tenant = ${tenant}`}
    ${route === undefined ? sql`` : sql`AND e.route = ${route}`}
    ${since === undefined ? sql`` : sql`AND e.started_at >= ${since}`}
    ${until === undefined ? sql`` : sql`AND e.started_at < ${until}`}
    ${timesCondition(sql, times)}`
}
