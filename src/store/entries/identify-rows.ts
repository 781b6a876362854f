import type { AccessEntry } from '../../model/access-entry.ts'
import { NO_ARTIFACT } from '../../model/entry-columns.ts'
import { oldestPartitionMs } from './partitions.ts'
import { type Sql, sqlStateOf } from '../sql.ts'

/** What an older row tells. */
export interface UnidentifiedRow {
  readonly route: string | null
  readonly kind: string | null
  readonly method: string | null
  readonly path: string | null
}

/** What a row is found to be about; '' for what is not known. */
export type RowIdentity = Pick<
  AccessEntry,
  'ecosystem' | 'artifactKind' | 'package' | 'version' | 'qualifiers'
>

/** What was done so far. */
export interface IdentifyProgress {
  /** Rows that were identified, and those of them that are about a package. */
  identified: number
  packages: number
  /** By route: rows of which nothing could be told, because the route is not there, or has another kind now. */
  readonly skipped: Map<string, number>
  /** Up to when rows have been looked at. */
  at: Date
}

export interface IdentifyOptions {
  readonly since: Date
  /** Exclusive. */
  readonly until: Date
  readonly route?: string
  /** Rows that one transaction changes at most. */
  readonly batchRows: number
  /** Called after each transaction; the next begins when it has resolved. False ends the work. */
  readonly onBatch: (progress: Readonly<IdentifyProgress>) => Promise<boolean>
  /** Null for a row that is to be skipped. */
  readonly identify: (row: UnidentifiedRow) => RowIdentity | null
}

/** Shortest and longest time that one statement looks through: 15 minutes are half a million rows of a day of 50 million. */
const MIN_WIDTH_MS = 1000
const MAX_WIDTH_MS = 900_000

interface FoundRow extends UnidentifiedRow {
  readonly partition: string
  readonly ctid: string
  readonly id: string
  readonly started_at: Date
  readonly at: string
}

/** A partition, or a column of it, that is not there any more: retention has dropped it. */
const GONE = new Set(['42P01'])

/**
 * Tells what rows of before there were artifacts were about, oldest first, a transaction for each batch. Rows with an `artifact_kind`
 * are left alone, so that it can be interrupted and begun again at any time, by several at once. Each row that is changed is
 * written anew, and gets an `identified_at`: an audit knows by it what was sealed. Needs a handle of `openControl`.
 */
export async function identifyRows(sql: Sql, options: IdentifyOptions): Promise<IdentifyProgress> {
  const { until, batchRows } = options
  const from = new Date(Math.max(options.since.getTime(), await oldestPartitionMs(sql)))
  const progress: IdentifyProgress = { identified: 0, packages: 0, skipped: new Map(), at: from }
  let widthMs = 60_000
  let position: Position = { at: from.toISOString(), id: NIL }
  while (progress.at < until) {
    const to = new Date(Math.min(progress.at.getTime() + widthMs, until.getTime()))
    const rows = await findRows(sql, options, position, to)
    const isFull = rows.length === batchRows
    const last = rows.at(-1)
    await writeIdentities(sql, rows, options, progress)
    if (isFull && last !== undefined) {
      position = { at: last.at, id: last.id }
      progress.at = last.started_at
      widthMs = Math.max(MIN_WIDTH_MS, widthMs / 2)
    } else {
      position = { at: to.toISOString(), id: NIL }
      progress.at = to
      if (rows.length < batchRows / 4) widthMs = Math.min(MAX_WIDTH_MS, widthMs * 4)
    }
    if ((rows.length > 0 || progress.at >= until) && !(await options.onBatch(progress))) break
  }
  return progress
}

/** Behind which row the next begin. */
interface Position {
  /** Exact to the microsecond. */
  readonly at: string
  readonly id: string
}

const NIL = '00000000-0000-0000-0000-000000000000'

async function findRows(
  sql: Sql,
  { route, batchRows }: IdentifyOptions,
  { at, id }: Position,
  to: Date,
): Promise<FoundRow[]> {
  return await sql<FoundRow[]>`
    SELECT e.tableoid::regclass::text AS partition, e.ctid::text AS ctid, e.id, e.route, e.kind, e.method, e.path, e.started_at,
      to_char(e.started_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS at
    FROM access_log e
    WHERE e.artifact_kind IS NULL AND e.started_at >= ${at}::text::timestamptz AND e.started_at < ${to}
      AND (e.started_at, e.id) > (${at}::text::timestamptz, ${id}::uuid)
      ${route === undefined ? sql`` : sql`AND e.route = ${route}`}
    ORDER BY e.started_at, e.id
    LIMIT ${batchRows}`
}

async function writeIdentities(
  sql: Sql,
  rows: readonly FoundRow[],
  { identify }: IdentifyOptions,
  progress: IdentifyProgress,
): Promise<void> {
  const byPartition = new Map<string, { row: FoundRow; identity: RowIdentity }[]>()
  for (const row of rows) {
    const identity = identify(row)
    if (identity === null) {
      progress.skipped.set(row.route ?? '', (progress.skipped.get(row.route ?? '') ?? 0) + 1)
      continue
    }
    const list = byPartition.get(row.partition) ?? []
    list.push({ row, identity })
    byPartition.set(row.partition, list)
  }
  for (const [partition, list] of byPartition) {
    const changed = await update(sql, partition, list)
    progress.identified += changed.length
    progress.packages += changed.filter(({ has_package }) => has_package).length
  }
}

/** By the place of the row, which has no unique index; its id tells whether it is still the row that was read. */
async function update(
  sql: Sql,
  partition: string,
  list: readonly { readonly row: FoundRow; readonly identity: RowIdentity }[],
): Promise<{ has_package: boolean }[]> {
  const of = (get: (identity: RowIdentity) => string): (string | null)[] =>
    list.map(({ identity }) => get(identity) || null)
  try {
    return await sql<{ has_package: boolean }[]>`
      UPDATE ${sql(partition)} e SET ecosystem = v.ecosystem, package = v.package, version = v.version, qualifiers = v.qualifiers,
        artifact_kind = v.artifact_kind, identified_at = clock_timestamp()
      FROM unnest(${list.map(({ row }) => row.ctid)}::text[]::tid[], ${list.map(({ row }) => row.id)}::uuid[],
        ${of(({ ecosystem }) => ecosystem)}::text[], ${of((each) => each.package)}::text[], ${of(({ version }) => version)}::text[],
        ${of(({ qualifiers }) => qualifiers)}::text[], ${of(({ artifactKind }) => artifactKind || NO_ARTIFACT)}::text[])
        AS v (place, id, ecosystem, package, version, qualifiers, artifact_kind)
      WHERE e.ctid = v.place AND e.id = v.id AND e.artifact_kind IS NULL
      RETURNING e.package IS NOT NULL AS has_package`
  } catch (error) {
    if (GONE.has(sqlStateOf(error) ?? '')) return []
    throw error
  }
}
