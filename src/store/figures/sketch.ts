import type { Sql, SqlFragment, TransactionSql } from '../sql.ts'

/** Buckets of a factor of two. */
const PER_OCTAVE = 8
const GROWTH = 2 ** (1 / PER_OCTAVE)

/** A quantile that is read from a sketch is off by this part of it at most: 4.4 % (DDSketch, Masson et al. 2019, §2.1). */
export const QUANTILE_ERROR = (GROWTH - 1) / (GROWTH + 1)

/** An element of a sketch is `bucket << COUNT_BITS | n`. */
const COUNT_BITS = 40
const COUNT_MASK = 2 ** COUNT_BITS - 1

/** The bucket of a duration in microseconds. */
export function bucketOf(sql: Sql | TransactionSql, us: SqlFragment): SqlFragment {
  return sql`ceil(ln(greatest(${us}, 1)::float8) * ${PER_OCTAVE / Math.LN2}::float8)::bigint`
}

/** The sketch of rows (bucket, n), of which each bucket has one. */
export function sketchOf(sql: Sql | TransactionSql): SqlFragment {
  return sql`array_agg(bucket << ${COUNT_BITS}::int | n)`
}

/** Bucket and count of an element `e` of a sketch. */
export function readElement(sql: Sql | TransactionSql): { bucket: SqlFragment; n: SqlFragment } {
  return { bucket: sql`(e >> ${COUNT_BITS}::int)`, n: sql`(e & ${COUNT_MASK}::bigint)` }
}

/** What stands for the durations of a bucket, in microseconds: as far, relatively, from its lower as from its upper bound. */
function durationOf(bucket: number): number {
  return (2 * GROWTH ** bucket) / (GROWTH + 1)
}

/**
 * The quantiles (0 to 1, ascending or not) of counts by bucket, in whole microseconds; null without any. Each is the bucket in which the
 * value of that rank lies.
 */
export function quantilesOf(
  counts: ReadonlyMap<number, number>,
  quantiles: readonly number[],
): readonly (number | null)[] {
  const buckets = [...counts].sort(([a], [b]) => a - b)
  const total = buckets.reduce((sum, [, n]) => sum + n, 0)
  return quantiles.map((quantile) => {
    const rank = Math.max(1, Math.ceil(quantile * total))
    let below = 0
    for (const [bucket, n] of buckets) {
      below += n
      if (below >= rank) return Math.round(durationOf(bucket))
    }
    return null
  })
}
