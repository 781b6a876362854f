import type { EntryRow } from '../../model/entry-columns.ts'
import { sleep } from '../../lib/time/sleep.ts'
import {
  type CursoredRow,
  entryColumns,
  entryCondition,
  type EntryFilter,
  takeCursor,
} from './entry-filter.ts'
import type { Sql, TransactionSql } from '../sql.ts'
import { readScoped } from '../tenant-scope.ts'

/** Entries fetched at once, unless a single batch holds more. */
const ROUND_ENTRIES = 4096
const CHUNK_ROWS = 500

/** Ledger rows read at once. */
const LEDGER_PAGE = 1000

/** A stored batch, as the ledger describes it; times exact to the microsecond. */
export interface StoredBatch {
  instance: string
  batch: number
  first_seq: number
  last_seq: number
  entries: number
  first_started_at: string
  last_started_at: string
  written_xid: string
}

type LedgerRow = Omit<StoredBatch, 'written_xid'> & { horizon: string; written_xid: string | null }

/** A place in the order in which transactions end. */
interface Position {
  /** Every transaction below it had ended, and was seen, when the ledger was read last. */
  horizon: string
  /** Batches at or above the horizon that were delivered already, by `instance/batch`, with their transaction. */
  readonly delivered: Map<string, bigint>
}

/**
 * Entries as they are stored, in chunks of at most 500, until the signal is aborted: those of every batch that commits
 * after the call, or with `from`, of every batch written since then too. None is missed and none comes twice.
 *
 * Entries are stored in no order of time: instances write side by side, a long request is stored after short ones that
 * started later, a spilled batch is replayed an hour late. So time is no cursor here; the ledger is. Each batch left its
 * transaction id there; a round reads the batches at or above the horizon (the oldest transaction that was still running at
 * the previous look, PostgreSQL manual §9.27.9, pg_snapshot_xmin), leaves out those delivered, and remembers
 * the ones that the new horizon does not cover. What it remembers is bounded by the batches that are written during the longest
 * transaction. Within a batch, entries come in the order of their sequence numbers.
 *
 * `onStarted` is called when it is known where to begin. Rejects when the database fails; a caller that goes on must start anew.
 */
export async function* followEntries(
  sql: Sql,
  filter: EntryFilter,
  options: {
    readonly signal: AbortSignal
    readonly pollMs: number
    readonly from?: Date
    readonly onStarted?: () => void
  },
): AsyncGenerator<EntryRow[], void, undefined> {
  const { signal, pollMs, from, onStarted } = options
  const position = await startPosition(sql, from)
  onStarted?.()
  let since = from
  while (!signal.aborted) {
    for await (const batches of readLedger(sql, position, since)) {
      for (const round of rounds(batches)) {
        if (signal.aborted) return
        const rows = await readScoped(sql, filter.tenant, (tx) => readBatches(tx, filter, round))
        for (let i = 0; i < rows.length; i += CHUNK_ROWS) yield rows.slice(i, i + CHUNK_ROWS)
      }
    }
    since = undefined
    await sleep(pollMs, { signal })
  }
}

/** The entries of the batches that were written from then on and are stored now, in the order in which they were; and then it ends. */
export async function* storedSince(
  sql: Sql,
  filter: EntryFilter,
  from: Date,
): AsyncGenerator<EntryRow[], void, undefined> {
  for await (const batches of readLedger(sql, await startPosition(sql, from), from)) {
    for (const round of rounds(batches)) {
      yield await readScoped(sql, filter.tenant, (tx) => readBatches(tx, filter, round))
    }
  }
}

async function startPosition(sql: Sql, from: Date | undefined): Promise<Position> {
  const delivered = new Map<string, bigint>()
  if (from !== undefined) return { horizon: '0', delivered }
  const rows = await sql<
    { horizon: string; instance: string | null; batch: number | null; written_xid: string | null }[]
  >`
    SELECT pg_snapshot_xmin(s)::text AS horizon, l.instance, l.batch, l.written_xid::text
    FROM pg_current_snapshot() s LEFT JOIN access_ledger l ON l.written_xid >= pg_snapshot_xmin(s)`
  for (const row of rows) {
    if (row.written_xid !== null) delivered.set(`${row.instance}/${row.batch}`, BigInt(row.written_xid))
  }
  return { horizon: rows[0]?.horizon ?? '0', delivered }
}

/** The batches not delivered yet, page by page in the order of their transactions; moves the position behind them. */
async function* readLedger(
  sql: Sql,
  position: Position,
  since: Date | undefined,
): AsyncGenerator<StoredBatch[], void, undefined> {
  const from = position.horizon
  let horizon: string | null = null
  let last: StoredBatch | null = null
  do {
    const page: LedgerRow[] = await readLedgerPage(sql, from, since, last)
    // The first page's horizon holds for all: later ones were read later, and what they found above it is remembered.
    horizon ??= page[0]?.horizon ?? from
    const fresh: StoredBatch[] = []
    for (const row of page) {
      if (row.written_xid === null) continue
      const batch = { ...row, written_xid: row.written_xid }
      last = batch
      const name = `${row.instance}/${row.batch}`
      if (position.delivered.has(name)) continue
      if (BigInt(row.written_xid) >= BigInt(horizon)) position.delivered.set(name, BigInt(row.written_xid))
      if (row.entries > 0) fresh.push(batch)
    }
    if (page.length < LEDGER_PAGE) last = null
    yield fresh
  } while (last !== null)
  for (const [name, xid] of position.delivered) {
    if (xid < BigInt(horizon)) position.delivered.delete(name)
  }
  position.horizon = horizon
}

async function readLedgerPage(
  sql: Sql,
  from: string,
  since: Date | undefined,
  last: StoredBatch | null,
): Promise<LedgerRow[]> {
  // One statement, so horizon and rows belong to the same snapshot. Times as text: exact to the microsecond.
  return await sql<LedgerRow[]>`
    SELECT pg_snapshot_xmin(s)::text AS horizon, l.instance, l.batch, l.first_seq, l.last_seq, l.entries,
      l.first_started_at::text, l.last_started_at::text, l.written_xid::text
    FROM pg_current_snapshot() s LEFT JOIN access_ledger l
      ON l.written_xid >= ${last?.written_xid ?? from}::text::xid8
      ${since === undefined ? sql`` : sql`AND l.written_at >= ${since}`}
      ${
        last === null
          ? sql``
          : sql`AND (l.written_xid, l.instance, l.batch) >
                    (${last.written_xid}::text::xid8, ${last.instance}::uuid, ${last.batch}::bigint)`
      }
    ORDER BY l.written_xid, l.instance, l.batch
    LIMIT ${LEDGER_PAGE}`
}

/** Groups batches so that one query's rows fit in memory. */
function* rounds(batches: readonly StoredBatch[]): Generator<StoredBatch[], void, undefined> {
  let round: StoredBatch[] = []
  let entries = 0
  for (const batch of batches) {
    if (round.length > 0 && entries + batch.entries > ROUND_ENTRIES) {
      yield round
      round = []
      entries = 0
    }
    round.push(batch)
    entries += batch.entries
  }
  if (round.length > 0) yield round
}

/** The entries of some batches. Reads what the handle may see: within `asTenant`, one tenant's. */
export async function readBatches(
  sql: Sql | TransactionSql,
  filter: EntryFilter,
  round: readonly StoredBatch[],
): Promise<EntryRow[]> {
  // As text first: a parameter of the type timestamptz goes through the driver's Date and loses its microseconds.
  // The time bounds over all batches prune partitions and let BRIN or (tenant, started_at) serve the scan.
  const rows = await sql<CursoredRow[]>`
    WITH batches AS (
      SELECT * FROM unnest(
        ${round.map((batch) => batch.instance)}::uuid[], ${round.map((batch) => batch.first_seq)}::bigint[],
        ${round.map((batch) => batch.last_seq)}::bigint[]
      ) WITH ORDINALITY AS b (instance, first_seq, last_seq, place)
    )
    SELECT ${entryColumns(sql)} FROM access_log e JOIN batches b
      ON b.instance = e.instance AND e.seq BETWEEN b.first_seq AND b.last_seq
    WHERE ${entryCondition(sql, filter)}
      AND e.started_at >= (SELECT min(t) FROM unnest(${round.map((batch) => batch.first_started_at)}::text[]::timestamptz[]) t)
      AND e.started_at <= (SELECT max(t) FROM unnest(${round.map((batch) => batch.last_started_at)}::text[]::timestamptz[]) t)
      ${filter.since === undefined ? sql`` : sql`AND e.started_at >= ${filter.since}`}
      ${filter.until === undefined ? sql`` : sql`AND e.started_at < ${filter.until}`}
    ORDER BY b.place, e.seq`
  for (const row of rows) takeCursor(row)
  return rows
}
