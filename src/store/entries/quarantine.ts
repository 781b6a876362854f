import { readCopyRow } from '../../model/copy-text.ts'
import { ENTRY_COLUMN_NAMES, ENTRY_COLUMNS } from '../../model/entry-columns.ts'
import { StoreError } from '../errors.ts'
import { inTransaction, type Sql, sqlStateOf, type TransactionSql } from '../sql.ts'

/** A row that Postgres refused. */
export interface QuarantinedRow {
  readonly id: number
  readonly instance: string
  readonly seq: number
  /** '' for a request that could not be attributed. */
  readonly tenant: string
  /** SQLSTATE of the refusal, and the server's words. */
  readonly code: string
  readonly detail: string | null
  readonly quarantinedAt: Date
  /** Null while it waits. */
  readonly resolution: 'stored' | 'dropped' | null
  readonly resolvedAt: Date | null
}

/** Which rows are asked for; those that wait unless told. */
export interface QuarantineFilter {
  readonly tenant?: string
  readonly isResolvedIncluded?: boolean
}

/** What became of a row: `refused` with the server's code and words, which were noted. */
export type RetryResult =
  | { readonly state: 'stored' }
  | { readonly state: 'already_resolved' }
  | { readonly state: 'refused'; readonly code: string; readonly detail: string }

const PAGE_ROWS = 500

/** The first rows in quarantine behind `after`, an id, oldest first. */
export async function quarantinePage(
  sql: Sql,
  { tenant, isResolvedIncluded = false }: QuarantineFilter,
  { after, limit }: { readonly after: number; readonly limit: number },
): Promise<QuarantinedRow[]> {
  return await sql<QuarantinedRow[]>`
    SELECT ${columns(sql)} FROM quarantine q
    WHERE q.id > ${after}
      ${isResolvedIncluded ? sql`` : sql`AND q.resolution IS NULL`}
      ${tenant === undefined ? sql`` : sql`AND q.tenant = ${tenant}`}
    ORDER BY q.id LIMIT ${limit}`
}

/** The rows in quarantine, oldest first, in chunks of at most 500. */
export async function* listQuarantine(
  sql: Sql,
  filter: QuarantineFilter,
): AsyncGenerator<QuarantinedRow[], void, undefined> {
  for (let after = 0; ;) {
    const rows = await quarantinePage(sql, filter, { after, limit: PAGE_ROWS })
    if (rows.length > 0) yield rows
    const last = rows.at(-1)
    if (last === undefined || rows.length < PAGE_ROWS) return
    after = last.id
  }
}

/** A row, and its COPY text. */
export interface QuarantinedText {
  readonly row: QuarantinedRow
  readonly text: Buffer
}

/** The columns by name; the text as latin1, in which every byte is a character, where it is no row. */
export function quarantinedEntry({ text }: QuarantinedText): Record<string, string | null> | string {
  const values = readCopyRow(text)
  return values === null ? text.toString('latin1') : Object.fromEntries(values)
}

/** A row with its COPY text as it was refused; null when there is none of that id. */
export async function getQuarantined(sql: Sql, id: number): Promise<QuarantinedText | null> {
  const [found] = await sql<(QuarantinedRow & { text: Buffer })[]>`
    SELECT ${columns(sql)}, q.row AS text FROM quarantine q WHERE q.id = ${id}`
  if (found === undefined) return null
  const { text, ...row } = found
  return { row, text }
}

/**
 * Stores the row of a quarantined entry, once its cause has been mended: exactly once, however often and by however many it is
 * called. What Postgres refuses again stays in quarantine, with the new reason. Rejects with StoreError
 * `quarantine_not_found`, and with the driver's error when the database fails.
 */
export async function retryQuarantined(sql: Sql | TransactionSql, id: number): Promise<RetryResult> {
  try {
    return await inTransaction(sql, async (tx) => {
      // The lock makes a second call wait, and then see the resolution.
      const [found] = await tx<{ row: Buffer; resolution: string | null }[]>`
        SELECT q.row, q.resolution FROM quarantine q WHERE q.id = ${id} FOR UPDATE`
      if (found === undefined) throw notFound(id)
      if (found.resolution !== null) return { state: 'already_resolved' as const }
      const values = readCopyRow(found.row)
      if (values === null) {
        const detail = 'its text is no row of the access log: it can only be dropped'
        return { state: 'refused' as const, code: '22P04', detail }
      }
      // Text first: the driver would otherwise convert by the column's type. The names and types are our own.
      const casts = ENTRY_COLUMNS.map(({ type }, i) => `$${i + 1}::text::${type}`)
      await tx.unsafe(
        `INSERT INTO access_log (${ENTRY_COLUMN_NAMES.join(', ')}) VALUES (${casts.join(', ')})`,
        ENTRY_COLUMN_NAMES.map((name) => values.get(name) ?? null),
      )
      // No ledger row tells the roll-ups of it. The update is a lock: a run under way leaves the minute to the next one.
      await tx`
        INSERT INTO access_minutes_stale (minute)
        SELECT floor(extract(epoch FROM ${values.get('started_at') ?? ''}::text::timestamptz) / 60)::bigint
        ON CONFLICT (minute) DO UPDATE SET minute = excluded.minute`
      await tx`UPDATE quarantine SET resolution = 'stored', resolved_at = clock_timestamp() WHERE id = ${id}`
      return { state: 'stored' as const }
    })
  } catch (error) {
    const code = sqlStateOf(error)
    // Classes that tell of the row (22 data, 23 constraint, 54 limits), not of the server.
    if (code === null || !/^(22|23|54|P0)/.test(code)) throw error
    const detail = (error as Error).message
    await sql`UPDATE quarantine SET code = ${code}, detail = ${detail} WHERE id = ${id} AND resolution IS NULL`
    return { state: 'refused', code, detail }
  }
}

/**
 * Gives up a quarantined entry: audits count it as dropped from then on. Its text is kept, the digests cover it. Returns
 * false when something had been decided on it before. Rejects with StoreError `quarantine_not_found`.
 */
export async function dropQuarantined(sql: Sql | TransactionSql, id: number): Promise<boolean> {
  const { count } = await sql`
    UPDATE quarantine SET resolution = 'dropped', resolved_at = clock_timestamp() WHERE id = ${id} AND resolution IS NULL`
  if (count === 1) return true
  const present = await sql`SELECT FROM quarantine WHERE id = ${id}`
  if (present.length === 0) throw notFound(id)
  return false
}

function columns(sql: Sql) {
  return sql`q.id, q.instance, q.seq, q.tenant, q.code, q.detail, q.quarantined_at AS "quarantinedAt", q.resolution,
    q.resolved_at AS "resolvedAt"`
}

function notFound(id: number): StoreError {
  return new StoreError('quarantine_not_found', `there is no row ${id} in quarantine`)
}
