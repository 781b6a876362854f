import { entryCondition, type EntryFilter } from '../entries/entry-filter.ts'
import type { Sql, SqlFragment, TransactionSql } from '../sql.ts'

/** Rows of a tenant, or of all, in a window that are read one and all: some tens of milliseconds. */
const EXACT_ROWS = 50_000
/** Bytes of the table that are read of a longer window: some 100,000 rows. */
const SAMPLE_BYTES = 32 * 1024 * 1024

/** A search with both its ends. */
export type BoundedFilter = EntryFilter & { readonly since: Date; readonly until: Date }

/** What a count rests on. */
export interface Basis {
  /** False where every entry was looked at. */
  readonly isSample: boolean
  /** Entries that were counted; of a sample, those in it. */
  readonly rows: number
}

/**
 * The part of the blocks, above 0 and up to 1, that is read for a question about a window. A window whose rows are few is read whole,
 * whatever the rest of the filter is; of a larger one blocks are picked evenly, the same ones each time.
 */
export async function shareOf(
  sql: Sql | TransactionSql,
  { tenant, since, until }: BoundedFilter,
): Promise<number> {
  const scope = tenant === undefined ? {} : { tenant }
  const [few] = await sql<{ n: number }[]>`
    SELECT count(*)::int AS n FROM (
      SELECT FROM access_log e WHERE ${inWindow(sql, { ...scope, since, until })} LIMIT ${EXACT_ROWS + 1}) x`
  if ((few?.n ?? 0) <= EXACT_ROWS) return 1
  const name = (at: Date): string => `access_log_${at.toISOString().slice(0, 10).replaceAll('-', '')}`
  const [size] = await sql<{ bytes: number | null }[]>`
    SELECT sum(pg_relation_size(c.oid))::bigint AS bytes
    FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
    WHERE i.inhparent = to_regclass('access_log') AND c.relname BETWEEN ${name(since)} AND ${name(until)}`
  return Math.min(1, SAMPLE_BYTES / Math.max(1, size?.bytes ?? 0))
}

/** `access_log e`, or so much of its blocks. */
export function sampled(sql: Sql | TransactionSql, share: number): SqlFragment {
  if (share === 1) return sql`access_log e`
  return sql`access_log e TABLESAMPLE SYSTEM (${share * 100}::real) REPEATABLE (0)`
}

/** The whole filter, its times included. */
export function inWindow(sql: Sql | TransactionSql, filter: BoundedFilter): SqlFragment {
  return sql`${entryCondition(sql, filter)}
    AND e.started_at >= ${filter.since} AND e.started_at < ${filter.until}`
}
