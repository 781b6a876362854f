import type { AuditedBatch } from '../../model/audit/audit-batch.ts'
import type { DeepBatch } from './audit-rows.ts'
import { type Moment, partitionOf, type RowsCover, type RowsState } from '../entries/partition-lives.ts'
import type { Sql, TransactionSql } from '../sql.ts'

/** Ledger rows read at once: a statement of some 20 ms. */
export const PAGE_BATCHES = 4000

/** Entries that started from `since` (inclusive) until `until` (exclusive); all when undefined. */
export interface AuditWindow {
  readonly since?: Date
  readonly until?: Date
}

/** A row of `access_ledger`. */
export interface BatchRow {
  batch: number
  first_seq: number | null
  last_seq: number | null
  entries: number
  bytes: number
  first_started_at: Date | null
  last_started_at: Date | null
  written_at: Date
  written_xid: string
  dropped: AuditedBatch['dropped']
  tenants: AuditedBatch['tenants']
  quarantined: AuditedBatch['quarantined']
  resolved: [string, string, number][] | null
  accepted_seq: number | null
  buffered: number | null
  rows_digest: Buffer | null
  digest: Buffer | null
  is_final: boolean
  is_in_window: boolean
}

/**
 * Whether batch `l` may have entries, or drops, of the window. A batch without rows has no times of its own: that of its
 * writing stands in.
 */
export function inWindow(sql: Sql | TransactionSql, { since, until }: AuditWindow) {
  if (since === undefined && until === undefined) return sql`true`
  const from = since ?? new Date(-62_135_596_800_000)
  const to = until ?? new Date(253_402_300_799_000)
  return sql`(
    (l.last_started_at >= ${from} AND l.first_started_at < ${to})
    OR (l.first_started_at IS NULL AND l.written_at >= ${from} AND l.written_at < ${to}))`
}

/** The batches of an instance from a number on, in order, at most `PAGE_BATCHES`. */
export async function readBatches(
  sql: Sql | TransactionSql,
  instance: string,
  range: { readonly from: number; readonly to: number | null; readonly filter: AuditWindow },
): Promise<BatchRow[]> {
  return await sql<BatchRow[]>`
    SELECT l.batch, l.first_seq, l.last_seq, l.entries, l.bytes, l.first_started_at, l.last_started_at, l.written_at, l.written_xid::text AS written_xid, l.dropped, l.tenants,
      l.quarantined, l.accepted_seq, l.buffered, l.rows_digest, l.digest, l.is_final, ${inWindow(sql, range.filter)} AS is_in_window,
      CASE WHEN l.quarantined IS NOT NULL THEN (
        SELECT jsonb_agg(jsonb_build_array(r.tenant, r.resolution, r.n)) FROM (
          SELECT q.tenant, q.resolution, count(*) AS n FROM quarantine q
          WHERE q.instance = l.instance AND q.seq BETWEEN l.first_seq AND l.last_seq AND q.resolution IS NOT NULL
          GROUP BY q.tenant, q.resolution) r
      ) END AS resolved
    FROM access_ledger l
    WHERE l.instance = ${instance} AND l.batch >= ${range.from} ${range.to === null ? sql`` : sql`AND l.batch <= ${range.to}`}
    ORDER BY l.batch
    LIMIT ${PAGE_BATCHES}`
}

/** When the batch was written, by both of the database's orders. */
export function writtenAt(row: BatchRow): Moment {
  return { ms: row.written_at.getTime(), xid: Number(row.written_xid) }
}

/** A row as the auditor sees it. */
export function batchOf(row: BatchRow, cover: RowsCover): AuditedBatch {
  const states = rowsStates(row, cover)
  return {
    batch: row.batch,
    firstSeq: row.first_seq,
    lastSeq: row.last_seq,
    entries: row.entries,
    bytes: row.bytes,
    dropped: row.dropped,
    tenants: row.tenants,
    quarantined: row.quarantined,
    resolved: row.resolved ?? [],
    acceptedSeq: row.accepted_seq,
    buffered: row.buffered,
    rowsDigest: row.rows_digest,
    digest: row.digest,
    isFinal: row.is_final,
    isInWindow: row.is_in_window,
    isExpired: states.length > 0 && states.every(({ state }) => state === 'expired'),
    goneFrom: states.find(({ state }) => state === 'gone')?.partition ?? null,
  }
}

/**
 * What became of the rows of the first and of the last day of a batch; empty when it has none. A batch is of two days at most,
 * unless a clock stepped.
 */
function rowsStates(row: BatchRow, cover: RowsCover): { partition: string; state: RowsState }[] {
  const { first_started_at: first, last_started_at: last } = row
  if (first === null || last === null) return []
  const written = writtenAt(row)
  return [first, last].map((time) => ({ partition: partitionOf(time), state: cover.stateOf(time, written) }))
}

/** Where the rows of a batch are; null when it has none, or some of them are not there any more. */
export function rangeOf(row: BatchRow, cover: RowsCover): DeepBatch['range'] | null {
  const { first_seq, last_seq, first_started_at, last_started_at } = row
  if (first_seq === null || last_seq === null || first_started_at === null || last_started_at === null)
    return null
  if (rowsStates(row, cover).some(({ state }) => state !== 'present')) return null
  return { firstSeq: first_seq, lastSeq: last_seq, from: first_started_at, to: last_started_at }
}
