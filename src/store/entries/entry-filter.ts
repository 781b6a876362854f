import { CANARY_OUTCOME, CANARY_TENANT } from '../../model/canary.ts'
import type { ArtifactKind } from '../../model/artifact/identity.ts'
import { ENTRY_COLUMNS, type EntryRow } from '../../model/entry-columns.ts'
import { packageKey } from '../packages/package-key.ts'
import type { Sql, SqlFragment, TransactionSql } from '../sql.ts'

/** Which access entries are asked for; what is undefined does not restrict. */
export interface EntryFilter {
  readonly tenant?: string
  readonly route?: string
  readonly keyId?: string
  /** A status ('404') or a class of them ('5xx'). */
  readonly status?: string
  readonly outcome?: string
  readonly method?: string
  /** Plain text, no wildcards. */
  readonly pathPrefix?: string
  /** An address, or a network in CIDR notation. */
  readonly clientIp?: string
  readonly requestId?: string
  /** Its name, with its namespace or the end of it; in any spelling that some ecosystem takes for the same. */
  readonly package?: string
  readonly artifactKind?: ArtifactKind
  /** Inclusive. */
  readonly since?: Date
  /** Exclusive. */
  readonly until?: Date
  /** Of each field, the values of which an entry has one. */
  readonly oneOf?: OneOf
  readonly traceId?: string
  /** The rule that concerned it. */
  readonly ruleId?: string
  /** What took longer than this, in microseconds. */
  readonly slowerThanUs?: number
}

/** Values of which an entry has one, by column; a status may be a class of them. */
export type OneOf = Partial<Record<OneOfColumn, readonly string[]>>

/** Columns that may be restricted to several values. */
export const ONE_OF_COLUMNS = [
  'tenant',
  'key_id',
  'route',
  'status',
  'outcome',
  'reason',
  'method',
  'artifact_kind',
] as const

export type OneOfColumn = (typeof ONE_OF_COLUMNS)[number]

/** The place of an entry in the order of time. */
export interface EntryCursor {
  /** Exact to the microsecond, which a Date is not: '2026-11-21T08:00:00.123456Z'. */
  readonly startedAt: string
  readonly id: string
}

const CURSOR_TIME = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{6}Z$/
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

/** A cursor as opaque text that is safe in a URL. */
export function encodeCursor(cursor: EntryCursor): string {
  return Buffer.from(`${cursor.startedAt} ${cursor.id}`).toString('base64url')
}

/** What `encodeCursor` was given; null for anything else. */
export function decodeCursor(text: string): EntryCursor | null {
  if (text.length > 200) return null
  const [startedAt = '', id = '', rest] = Buffer.from(text, 'base64url').toString('latin1').split(' ')
  if (rest !== undefined || !CURSOR_TIME.test(startedAt) || !UUID.test(id)) return null
  return Number.isNaN(Date.parse(startedAt)) ? null : { startedAt, id }
}

const SELECTED = ENTRY_COLUMNS.map(({ name, type }) =>
  type === 'inet' ? `host(e.${name}) AS ${name}` : `e.${name}`,
).join(', ')

/** The columns of an `EntryRow` of table `e`, and `cursor_at`, the exact time. */
export function entryColumns(sql: Sql | TransactionSql) {
  return sql`
    ${sql.unsafe(SELECTED)},
    to_char(e.started_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS cursor_at`
}

/** An `EntryRow` on its way out of the database. */
export type CursoredRow = EntryRow & { cursor_at?: string }

/** Removes the exact time from the row and returns it with the id. */
export function takeCursor(row: CursoredRow): EntryCursor {
  const cursor = { startedAt: row.cursor_at ?? '', id: row.id }
  delete row.cursor_at
  return cursor
}

/**
 * All of the filter but its times, as a condition on table `e`; every value is a parameter. The path is matched by `^@`
 * (starts with): no wildcards to escape. Canaries are left out unless they are asked for. Throws a RangeError for a status that is neither a code nor a class.
 */
export function entryCondition(sql: Sql | TransactionSql, filter: EntryFilter) {
  const { tenant, route, keyId, status, outcome, method, pathPrefix, clientIp, requestId } = filter
  const { package: name, artifactKind, oneOf = {}, traceId, ruleId, slowerThanUs } = filter
  return sql`
    true
    ${tenant === undefined ? withoutCanaries(sql, filter) : sql`AND e.tenant = ${tenant}`}
    ${route === undefined ? sql`` : sql`AND e.route = ${route}`}
    ${keyId === undefined ? sql`` : sql`AND e.key_id = ${keyId}`}
    ${status === undefined ? sql`` : statusCondition(sql, status)}
    ${outcome === undefined ? sql`` : sql`AND e.outcome = ${outcome}`}
    ${method === undefined ? sql`` : sql`AND e.method = ${method}`}
    ${pathPrefix === undefined ? sql`` : sql`AND e.path ^@ ${pathPrefix}`}
    ${clientIp === undefined ? sql`` : addressCondition(sql, clientIp)}
    ${name === undefined ? sql`` : packageNameCondition(sql, name)}
    ${artifactKind === undefined ? sql`` : sql`AND e.artifact_kind = ${artifactKind}`}
    ${requestId === undefined ? sql`` : sql`AND e.request_id = ${requestId}`}
    ${traceId === undefined ? sql`` : sql`AND e.trace_id = ${traceId}`}
    ${ruleId === undefined ? sql`` : sql`AND e.rule_id = ${ruleId}`}
    ${slowerThanUs === undefined ? sql`` : sql`AND e.duration_us > ${slowerThanUs}::bigint`}
    ${ONE_OF_COLUMNS.map((column) => oneOfCondition(sql, column, oneOf[column]))}`
}

function oneOfCondition(
  sql: Sql | TransactionSql,
  column: OneOfColumn,
  values: readonly string[] | undefined,
): SqlFragment {
  if (values === undefined) return sql``
  if (column !== 'status') return sql`AND e.${sql(column)} = ANY (${[...values]}::text[])`
  const [only, ...others] = values
  // An index knows one status, not a join with bounds.
  if (only !== undefined && others.length === 0) return statusCondition(sql, only)
  const bounds = values.map(statusBounds)
  return sql`AND EXISTS (
    SELECT FROM unnest(${bounds.map(([from]) => from)}::bigint[], ${bounds.map(([, to]) => to)}::bigint[]) AS b (low, high)
    WHERE e.status BETWEEN b.low AND b.high)`
}

/** A single address is compared as a whole: an index has it. */
function addressCondition(sql: Sql | TransactionSql, clientIp: string) {
  return clientIp.includes('/')
    ? sql`AND e.client_ip <<= ${clientIp}::inet`
    : sql`AND e.client_ip = ${clientIp}::inet`
}

/** By the index of packages, and then by all segments of the name that were given. */
function packageNameCondition(sql: Sql | TransactionSql, name: string) {
  const folded = (text: SqlFragment) => sql`lower(translate(${text}, '_.', '--'))`
  const wanted = sql`${name}::text`
  return sql`
    AND e.package IS NOT NULL AND ${packageKey(sql, sql`e.package`)} = ${packageKey(sql, wanted)}
    AND right('/' || ${folded(sql`e.package`)}, length(${wanted}) + 1) = '/' || ${folded(wanted)}`
}

function withoutCanaries(sql: Sql | TransactionSql, { outcome, oneOf = {} }: EntryFilter) {
  const areWanted = outcome === CANARY_OUTCOME || oneOf.outcome?.includes(CANARY_OUTCOME) === true
  return areWanted ? sql`` : sql`AND e.tenant IS DISTINCT FROM ${CANARY_TENANT}`
}

function statusCondition(sql: Sql | TransactionSql, status: string) {
  const [low, high] = statusBounds(status)
  // A filter of what is in a block of pages knows values, and no ranges of them.
  if (low === high) return sql`AND e.status = ${low}`
  return sql`AND e.status BETWEEN ${low} AND ${high}`
}

/** The least and greatest status that a code ('404') or a class ('5xx') means. Throws a RangeError for what is neither. */
export function statusBounds(status: string): readonly [low: number, high: number] {
  if (/^[1-5]xx$/i.test(status)) {
    const first = Number(status[0]) * 100
    return [first, first + 99]
  }
  if (!/^[1-5]\d\d$/.test(status))
    throw new RangeError('status must be a code such as 404 or a class such as 5xx')
  return [Number(status), Number(status)]
}
