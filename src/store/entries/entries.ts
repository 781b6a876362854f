import type { EntryRow } from '../../model/entry-columns.ts'
import {
  type CursoredRow,
  entryColumns,
  entryCondition,
  type EntryCursor,
  type EntryFilter,
  takeCursor,
} from './entry-filter.ts'
import { isLookUp, readLookUp } from './look-up.ts'
import { oldestPartitionMs } from './partitions.ts'
import { readClock } from './retention.ts'
import { readTimes, timesCondition } from '../packages/package-times.ts'
import type { Sql, SqlFragment, TransactionSql } from '../sql.ts'
import { readScoped } from '../tenant-scope.ts'

export { decodeCursor, encodeCursor } from './entry-filter.ts'
export { followEntries } from './follow-entries.ts'
export type { EntryCursor, EntryFilter } from './entry-filter.ts'

const SECOND_MS = 1000
const DAY_MS = 86_400_000

/** Rows per query and rows per chunk of `streamEntries`. */
const PAGE_ROWS = 2000
const CHUNK_ROWS = 500

/**
 * The newest `limit` entries that the filter permits and that come before the cursor `before`, newest first, and the
 * cursor of the page after them: null when there is none. Pages do not shift when new entries arrive (keyset, no OFFSET).
 * With a tenant, the btree (tenant, started_at) gives the order. Without, nothing does, and sorting a day of 50 million
 * rows would take a minute: so the newest second is looked at first, then eight times as much, and so on, each by BRIN. Nothing more
 * is asked after the signal, with whose reason it rejects.
 */
export async function listEntries(
  sql: Sql,
  filter: EntryFilter,
  options: { readonly limit: number; readonly before?: EntryCursor | null; readonly signal?: AbortSignal },
): Promise<{ entries: EntryRow[]; next: EntryCursor | null }> {
  const before = options.before ?? null
  const wanted = options.limit + 1 // one more shows whether there is a next page
  const rows: CursoredRow[] = []
  for (const window of await windowsBackwards(sql, filter, before)) {
    options.signal?.throwIfAborted()
    const part = { ...window, before, limit: wanted - rows.length }
    const page = (tx: Sql | TransactionSql, times?: Times) => readWindow(tx, filter, { ...part, times })
    rows.push(...(await readPage(sql, filter, { page, part })))
    if (rows.length >= wanted) break
  }
  const entries = rows.slice(0, options.limit)
  let next: EntryCursor | null = null
  for (const row of entries) next = takeCursor(row)
  return { entries, next: rows.length > options.limit ? next : null }
}

/**
 * All entries that the filter permits, oldest first, up to its `until` or else up to now, in chunks of at most 500. Memory is
 * constant here and in the database, and the consumer may be as slow as it likes: no transaction and no cursor is held
 * open (a portal would run into the statement timeout, keep partitions from being dropped and not survive a pooler);
 * each page is a query of its own over a time window that adapts to the density of entries. Nothing more is asked after the signal,
 * with whose reason it rejects.
 */
export async function* streamEntries(
  sql: Sql,
  filter: EntryFilter,
  signal?: AbortSignal,
): AsyncGenerator<EntryRow[], void, undefined> {
  const [first, last] = await extent(sql, filter)
  let position = { startedAt: new Date(first).toISOString(), id: '00000000-0000-0000-0000-000000000000' }
  let widthMs = 60 * SECOND_MS
  let from = first
  while (from < last) {
    signal?.throwIfAborted()
    const to = Math.min(from + widthMs, last)
    const after = position
    const part = { after, to: new Date(to) }
    const page = (tx: Sql | TransactionSql, times?: Times) => readForward(tx, filter, { ...part, times })
    const find = (tx: TransactionSql) => readTimes(tx, forwardStatement(tx, tx`e.started_at`, filter, part))
    const rows = await readScoped(sql, filter.tenant, page, filter.package === undefined ? undefined : find)
    for (let i = 0; i < rows.length; i += CHUNK_ROWS) {
      const chunk = rows.slice(i, i + CHUNK_ROWS)
      for (const row of chunk) position = takeCursor(row)
      yield chunk
    }
    if (rows.length === PAGE_ROWS) {
      from = Math.max(from, Math.floor(Date.parse(position.startedAt)))
      widthMs = Math.max(SECOND_MS, widthMs / 2)
    } else {
      from = to
      position = { startedAt: new Date(to).toISOString(), id: '00000000-0000-0000-0000-000000000000' }
      if (rows.length < PAGE_ROWS / 4) widthMs = Math.min(DAY_MS, widthMs * 4)
    }
  }
}

/** One window of `listEntries`, by the way that suits what is asked for. */
function readPage(
  sql: Sql,
  filter: EntryFilter,
  how: {
    readonly page: (tx: Sql | TransactionSql, times?: Times) => Promise<CursoredRow[]>
    readonly part: WindowPage
  },
): Promise<CursoredRow[]> {
  const { page, part } = how
  if (filter.package !== undefined) {
    const find = (tx: TransactionSql) => readTimes(tx, windowStatement(tx, tx`e.started_at`, filter, part))
    return readScoped(sql, filter.tenant, page, find)
  }
  return isLookUp(filter) ? readLookUp(sql, filter.tenant, page) : readScoped(sql, filter.tenant, page)
}

interface Window {
  /** Inclusive; null for no bound. */
  readonly from: Date | null
  /** Exclusive; null for no bound. */
  readonly to: Date | null
}

async function windowsBackwards(
  sql: Sql,
  filter: EntryFilter,
  before: EntryCursor | null,
): Promise<Window[]> {
  const since = filter.since ?? null
  const until = filter.until ?? null
  // One request, or the few of a trace: nothing is to be sorted.
  const isOfFew = filter.requestId !== undefined || filter.traceId !== undefined
  if (filter.tenant !== undefined || isOfFew) return [{ from: since, to: until }]
  const oldest = since?.getTime() ?? (await oldestPartitionMs(sql))
  // No upper bound on the first window unless one is asked for: a gateway's clock may run ahead.
  const newest = Math.min(
    before === null ? (await readClock(sql, Date.now)).databaseMs : Date.parse(before.startedAt),
    until?.getTime() ?? Infinity,
  )
  // No window would be read, and that be taken for an empty log.
  if (!Number.isFinite(oldest + newest)) throw new RangeError('the extent of the log cannot be told')
  const windows: Window[] = []
  let to = until
  for (let widthMs = SECOND_MS, from = newest - widthMs; ; widthMs *= 8, from -= widthMs) {
    if (from <= oldest) return [...windows, { from: since, to }]
    windows.push({ from: new Date(from), to })
    to = new Date(from)
  }
}

/** Moments of the entries, where a package is asked for, see `readTimes`. */
type Times = readonly string[] | null | undefined

/** What `readWindow` reads. */
interface WindowPage extends Window {
  readonly before: EntryCursor | null
  readonly limit: number
  readonly times?: Times
}

/** One page of `listEntries`. Reads what the handle may see: within `asTenant`, one tenant's. */
export async function readWindow(
  sql: Sql | TransactionSql,
  filter: EntryFilter,
  page: WindowPage,
): Promise<CursoredRow[]> {
  return await sql<CursoredRow[]>`${windowStatement(sql, entryColumns(sql), filter, page)}`
}

function windowStatement(
  sql: Sql | TransactionSql,
  columns: SqlFragment,
  filter: EntryFilter,
  page: WindowPage,
): SqlFragment {
  const { from, to, before, limit, times } = page
  // The time bound beside the row comparison is what prunes partitions and bounds the index scan.
  return sql`
    SELECT ${columns} FROM access_log e
    WHERE ${entryCondition(sql, filter)}
      ${from === null ? sql`` : sql`AND e.started_at >= ${from}`}
      ${to === null ? sql`` : sql`AND e.started_at < ${to}`}
      ${
        before === null
          ? sql``
          : sql`AND e.started_at <= ${before.startedAt}::text::timestamptz
                AND (e.started_at, e.id) < (${before.startedAt}::text::timestamptz, ${before.id}::uuid)`
      }
      ${timesCondition(sql, times)}
    ORDER BY e.started_at DESC, e.id DESC
    LIMIT ${limit}`
}

/** What `readForward` reads. */
interface ForwardPage {
  readonly after: EntryCursor
  /** Exclusive. */
  readonly to: Date
  readonly times?: Times
}

/** One page of `streamEntries`. Reads what the handle may see: within `asTenant`, one tenant's. */
export async function readForward(
  sql: Sql | TransactionSql,
  filter: EntryFilter,
  page: ForwardPage,
): Promise<CursoredRow[]> {
  return await sql<CursoredRow[]>`${forwardStatement(sql, entryColumns(sql), filter, page)}`
}

function forwardStatement(
  sql: Sql | TransactionSql,
  columns: SqlFragment,
  filter: EntryFilter,
  { after, to, times }: ForwardPage,
): SqlFragment {
  return sql`
    SELECT ${columns} FROM access_log e
    WHERE ${entryCondition(sql, filter)}
      AND e.started_at >= ${after.startedAt}::text::timestamptz AND e.started_at < ${to}
      AND (e.started_at, e.id) > (${after.startedAt}::text::timestamptz, ${after.id}::uuid)
      ${timesCondition(sql, times)}
    ORDER BY e.started_at, e.id
    LIMIT ${PAGE_ROWS}`
}

/** First and last moment (exclusive) worth looking at, epoch milliseconds. */
async function extent(sql: Sql, filter: EntryFilter): Promise<[number, number]> {
  const [row] = await sql<{ now: Date }[]>`SELECT clock_timestamp() AS now`
  const oldest = await oldestPartitionMs(sql)
  const first = Math.max(filter.since?.getTime() ?? oldest, oldest)
  // Rounded up: the clock has microseconds, a Date milliseconds.
  return [first, filter.until?.getTime() ?? (row?.now ?? new Date()).getTime() + 1]
}
