import { type AuditedBatch, storedRows } from '../../model/audit/audit-batch.ts'
import { type EntryColumn, ENTRY_COLUMNS, formOf } from '../../model/entry-columns.ts'
import { unreachable } from '../../lib/unreachable.ts'
import type { Sql } from '../sql.ts'

/** Rows that one statement reads and hashes. */
const ROUND_ENTRIES = 50_000

/** Batches whose entries started further apart are read together, lest each of them scan hours of the table. */
const LONG_MS = 600_000

/** A batch to be compared with its rows, none of which has expired. */
export interface DeepBatch {
  readonly batch: AuditedBatch
  readonly range: {
    readonly firstSeq: number
    readonly lastSeq: number
    readonly from: Date
    /** Inclusive. */
    readonly to: Date
  }
}

/** A batch whose rows are not those that were sealed. */
export interface DifferingBatch {
  readonly batch: AuditedBatch
  /** Rows in the table. */
  readonly found: number
  readonly why: string
}

/**
 * Reads the rows of the batches again, has Postgres write them as the COPY text they came as, and compares its SHA-256 with
 * `rows_digest`. Quarantined rows, which the digest covers, are taken from quarantine. Yields the batches that differ: a row
 * missing, added or altered, or a quarantined row gone.
 */
export async function* verifyRows(
  sql: Sql,
  instance: string,
  batches: readonly DeepBatch[],
): AsyncGenerator<DifferingBatch, void, undefined> {
  for (const round of rounds(batches)) {
    const found = new Map((await readDigests(sql, instance, round)).map((row) => [row.batch, row]))
    for (const { batch } of round) {
      const { rows = 0, digest = null } = found.get(batch.batch) ?? {}
      const why = differenceOf(batch, rows, digest)
      if (why !== null) yield { batch, found: rows, why }
    }
  }
}

function differenceOf(batch: AuditedBatch, rows: number, digest: Buffer | null): string | null {
  const wanted = storedRows(batch)
  // The digest covers rows and quarantine together: a row may have gone from one to the other without a word.
  if (rows !== wanted) return `${rows} rows are there, the ledger has ${wanted}`
  if (batch.rowsDigest === null || (digest === null && batch.entries === 0)) return null
  if (digest?.equals(batch.rowsDigest) === true) return null
  return `the ${rows} rows that are there, or those in quarantine, are not those that were sealed`
}

function* rounds(batches: readonly DeepBatch[]): Generator<DeepBatch[], void, undefined> {
  const isLong = ({ range }: DeepBatch): boolean => range.to.getTime() - range.from.getTime() > LONG_MS
  for (const group of [batches.filter((b) => !isLong(b)), batches.filter(isLong)]) {
    let round: DeepBatch[] = []
    let entries = 0
    for (const deep of group) {
      if (round.length > 0 && entries + deep.batch.entries > ROUND_ENTRIES) {
        yield round
        round = []
        entries = 0
      }
      round.push(deep)
      entries += deep.batch.entries
    }
    if (round.length > 0) yield round
  }
}

async function readDigests(
  sql: Sql,
  instance: string,
  round: readonly DeepBatch[],
): Promise<{ batch: number; rows: number; digest: Buffer | null }[]> {
  const times = round.flatMap(({ range }) => [range.from.getTime(), range.to.getTime()])
  // Looked up by binary search: a join by BETWEEN would compare each row with each batch. Ranges of seq do not overlap.
  const first = round.map(({ range }) => range.firstSeq)
  const last = round.map(({ range }) => range.lastSeq)
  const numbers = round.map(({ batch }) => batch.batch)
  const row = sql.unsafe(ROW_TEXT)
  return await sql<{ batch: number; rows: number; digest: Buffer | null }[]>`
    WITH found AS (
      SELECT e.seq, width_bucket(e.seq, ${first}::bigint[]) AS place, true AS is_row, convert_to(${row}, 'UTF8') AS text
      FROM access_log e
      WHERE e.instance = ${instance} AND e.seq BETWEEN ${Math.min(...first)} AND ${Math.max(...last)}
        -- A millisecond more: the range is as exact as a Date.
        AND e.started_at >= ${new Date(Math.min(...times))} AND e.started_at < ${new Date(Math.max(...times) + 1)}
      UNION ALL
      SELECT q.seq, width_bucket(q.seq, ${first}::bigint[]), false, q.row || '\\x0a'::bytea
      FROM quarantine q
      WHERE q.instance = ${instance} AND q.seq BETWEEN ${Math.min(...first)} AND ${Math.max(...last)}
        AND q.resolution IS DISTINCT FROM 'stored'
    )
    SELECT (${numbers}::bigint[])[place] AS batch, count(*) FILTER (WHERE is_row) AS rows,
      sha256(string_agg(text, ''::bytea ORDER BY seq)) AS digest
    FROM found WHERE seq <= (${last}::bigint[])[place] GROUP BY place`
}

const TAB = String.raw`E'\t'`
const NULL = String.raw`'\N'`

/** The columns that tell of the artifact, the only ones that may be written later (`waybill identify`). */
const IDENTITY: ReadonlySet<string> = new Set(['ecosystem', 'package', 'version'])

/**
 * The row of `access_log` as COPY text, byte for byte as the encoder of its gateway wrote it, in any form. What was identified later was
 * sealed without an identity.
 */
const ROW_TEXT = rowText()

function rowText(): string {
  const joined = (columns: readonly EntryColumn[], text = columnText): string =>
    columns.map((column) => text(column)).join(` || ${TAB} || `)
  const isOfIdentity = (column: EntryColumn): boolean => IDENTITY.has(column.name) || formOf(column) > 1
  const identity = ENTRY_COLUMNS.filter(isOfIdentity)
  const at = ENTRY_COLUMNS.findIndex(isOfIdentity)
  const firstForm = identity.filter((column) => formOf(column) === 1)
  const secondForm = identity.filter((column) => formOf(column) <= 2)
  // NULL in all rows of the form that has no such column: a value is a change.
  const others = ['qualifiers', 'upstream_limit', 'rule_id', 'rule_action', 'held_ms'].map(
    (name) => ` || coalesce(e.${name}::text, '')`,
  )
  const middle = `CASE
    WHEN e.artifact_kind IS NULL THEN ${joined(firstForm)}${others.join('')} || coalesce(e.identified_at::text, '')
    WHEN e.identified_at IS NOT NULL THEN ${joined(firstForm, () => NULL)}${others.slice(1).join('')}
    WHEN e.rule_action IS NULL THEN ${joined(secondForm)} || coalesce(e.rule_id, '') || coalesce(e.held_ms::text, '')
    ELSE ${joined(identity)} END`
  const around = [
    joined(ENTRY_COLUMNS.slice(0, at)),
    middle,
    joined(ENTRY_COLUMNS.slice(at + identity.length)),
  ]
  return `${around.join(` || ${TAB} || `)} || E'\\n'`
}

function columnText({ name, type, isNullable }: EntryColumn): string {
  const column = `e.${name}`
  switch (type) {
    case 'timestamptz':
      // Milliseconds, as sealed; what is finer was not written by a gateway, and stays to be seen.
      return `to_char(${column} AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.MS')
        || coalesce(nullif(right(to_char(${column}, 'US'), 3), '000'), '') || '+00'`
    case 'text':
      return textColumn(name)
    case 'inet':
      return orNull(`host(${column})`)
    case 'uuid':
    case 'smallint':
    case 'bigint':
      return isNullable ? orNull(`${column}::text`) : `${column}::text`
    default:
      return unreachable(type)
  }
}

/** COPY's text format: NULL is \N; backslash, tab, newline and carriage return are escaped. */
function textColumn(name: string): string {
  const escaped = [
    ['\\', '\\\\'],
    ['\t', '\\t'],
    ['\n', '\\n'],
    ['\r', '\\r'],
  ].reduce((text, [from = '', to = '']) => `replace(${text}, ${literal(from)}, ${literal(to)})`, `e.${name}`)
  // Hardly a text has one of them: the test is cheaper than four replacements.
  return orNull(String.raw`CASE WHEN e.${name} ~ E'[\\\\\t\n\r]' THEN ${escaped} ELSE e.${name} END`)
}

function orNull(text: string): string {
  return String.raw`coalesce(${text}, '\N')`
}

function literal(text: string): string {
  const escaped = text
    .replaceAll('\\', '\\\\')
    .replaceAll('\t', '\\t')
    .replaceAll('\n', '\\n')
    .replaceAll('\r', '\\r')
  return `E'${escaped}'`
}
