import type { Sql, SqlFragment, TransactionSql } from '../sql.ts'
import { readScoped } from '../tenant-scope.ts'
import { inWindow, sampled, shareOf, type Basis, type BoundedFilter } from './sample.ts'

/** Values of a field at most: the most frequent. */
const MAX_VALUES = 20

/** The fields whose values are counted, by their names in the API. */
const FACETS = [
  'tenant',
  'key',
  'route',
  'status',
  'outcome',
  'reason',
  'method',
  'artifactKind',
  'package',
  'address',
] as const

export type Facet = (typeof FACETS)[number]

/** A value, null for none, and how many entries have it. */
export interface FacetValue {
  readonly value: string | null
  readonly n: number
}

/** The most frequent values of each field. */
export interface Facets extends Basis {
  /** Entries; of a sample, what it makes them to be. */
  readonly n: number
  readonly fields: Readonly<Record<Facet, FacetValue[]>>
}

/** Counts the values of each field among the entries. With a tenant, only of it. Ends after the statement under way with the signal. */
export async function countFacets(sql: Sql, filter: BoundedFilter, signal: AbortSignal): Promise<Facets> {
  return await readScoped(sql, filter.tenant, async (tx) => {
    const share = await shareOf(tx, filter)
    signal.throwIfAborted()
    const counted = await tx<{ others: number; value: string | null; n: number }[]>`
      WITH counted AS (
        SELECT grouping(${columns(tx)}) AS others, coalesce(${columns(tx)}) AS value, count(*)::int AS n
        FROM (
          SELECT e.tenant, e.key_id AS key, e.route, e.status::text, e.outcome, e.reason, e.method,
            nullif(e.artifact_kind, 'none') AS "artifactKind", e.package, host(e.client_ip) AS address
          FROM ${sampled(tx, share)} WHERE ${inWindow(tx, filter)}) x
        GROUP BY GROUPING SETS ((), ${FACETS.map((name, i) => tx`${i === 0 ? tx`` : tx`,`} (${tx(name)})`)})
      ), ranked AS (
        SELECT *, row_number() OVER (PARTITION BY others ORDER BY n DESC, value) AS place FROM counted
      )
      SELECT others, value, n FROM ranked WHERE place <= ${MAX_VALUES} ORDER BY others, place`
    const rows = counted.find(({ others }) => others === ALL_OTHERS)?.n ?? 0
    const scaled = (n: number): number => Math.round(n / share)
    const valuesOf = (name: Facet): FacetValue[] =>
      counted
        .filter(({ others }) => others === othersOf(name))
        .map(({ value, n }) => ({ value, n: scaled(n) }))
    return {
      isSample: share < 1,
      rows,
      n: scaled(rows),
      fields: {
        tenant: valuesOf('tenant'),
        key: valuesOf('key'),
        route: valuesOf('route'),
        status: valuesOf('status'),
        outcome: valuesOf('outcome'),
        reason: valuesOf('reason'),
        method: valuesOf('method'),
        artifactKind: valuesOf('artifactKind'),
        package: valuesOf('package'),
        address: valuesOf('address'),
      },
    }
  })
}

/** PostgreSQL's `grouping`: a bit for each field that is not counted by, the last field's lowest. */
const ALL_OTHERS = 2 ** FACETS.length - 1

function othersOf(name: Facet): number {
  return ALL_OTHERS - 2 ** (FACETS.length - 1 - FACETS.indexOf(name))
}

function columns(sql: Sql | TransactionSql): SqlFragment {
  return sql`${FACETS.map((name, i) => sql`${i === 0 ? sql`` : sql`,`} ${sql(name)}`)}`
}
