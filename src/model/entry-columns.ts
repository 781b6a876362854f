import type { AccessEntry } from './access-entry.ts'

/** What the driver makes of a column's type. */
interface ColumnValues {
  readonly uuid: string
  readonly timestamptz: Date
  readonly text: string
  readonly inet: string
  readonly smallint: number
  readonly bigint: number
}

/** A column of `access_log`. */
export interface EntryColumn {
  /** In SQL, CSV and JSON. */
  readonly name: string
  /** PostgreSQL's type; what is selected, and how the audit writes the value again, follows from it. */
  readonly type: keyof ColumnValues
  readonly isNullable: boolean
  /** The field of the entry that it holds; null for what the encoder adds. */
  readonly field: Exclude<keyof AccessEntry, UnstoredField> | null
}

/** Fields of an entry that no column holds: the channel's, and what the artifact is told from. */
export type UnstoredField = 'standing' | 'bytes' | 'isEvicted' | 'next' | 'routed' | 'digest' | 'span'

/**
 * The columns of `access_log`, in the order of a row of COPY text, of CSV and of JSON. COPY, quarantine, SELECT, the row type, the
 * printed forms and the audit read them here. Written by hand, for speed, are only RowEncoder.row and `textUnits`; a test
 * demands of both that they do what stands here. `seq` is last: `cutRowsText` finds it there.
 */
export const ENTRY_COLUMNS = [
  { name: 'id', type: 'uuid', isNullable: false, field: null },
  { name: 'started_at', type: 'timestamptz', isNullable: false, field: 'startedAtMs' },
  { name: 'tenant', type: 'text', isNullable: true, field: 'tenant' },
  { name: 'key_id', type: 'text', isNullable: true, field: 'keyId' },
  { name: 'route', type: 'text', isNullable: true, field: 'route' },
  { name: 'kind', type: 'text', isNullable: true, field: 'kind' },
  { name: 'method', type: 'text', isNullable: true, field: 'method' },
  { name: 'host', type: 'text', isNullable: true, field: 'host' },
  { name: 'path', type: 'text', isNullable: true, field: 'path' },
  { name: 'status', type: 'smallint', isNullable: false, field: 'status' },
  { name: 'outcome', type: 'text', isNullable: false, field: 'outcome' },
  { name: 'reason', type: 'text', isNullable: true, field: 'reason' },
  { name: 'bytes_received', type: 'bigint', isNullable: false, field: 'bytesReceived' },
  { name: 'bytes_sent', type: 'bigint', isNullable: false, field: 'bytesSent' },
  { name: 'duration_us', type: 'bigint', isNullable: false, field: 'durationUs' },
  { name: 'upstream_us', type: 'bigint', isNullable: true, field: 'upstreamUs' },
  { name: 'upstream', type: 'text', isNullable: true, field: 'upstream' },
  { name: 'client_ip', type: 'inet', isNullable: true, field: 'clientIp' },
  { name: 'user_agent', type: 'text', isNullable: true, field: 'userAgent' },
  { name: 'request_id', type: 'text', isNullable: true, field: 'requestId' },
  { name: 'trace_id', type: 'text', isNullable: true, field: 'traceId' },
  { name: 'ecosystem', type: 'text', isNullable: true, field: 'ecosystem' },
  { name: 'package', type: 'text', isNullable: true, field: 'package' },
  { name: 'version', type: 'text', isNullable: true, field: 'version' },
  { name: 'artifact_kind', type: 'text', isNullable: true, field: 'artifactKind' },
  { name: 'qualifiers', type: 'text', isNullable: true, field: 'qualifiers' },
  { name: 'upstream_limit', type: 'text', isNullable: true, field: 'upstreamLimit' },
  { name: 'rule_id', type: 'text', isNullable: true, field: 'ruleId' },
  { name: 'rule_action', type: 'text', isNullable: true, field: 'ruleAction' },
  { name: 'held_ms', type: 'bigint', isNullable: true, field: 'heldMs' },
  { name: 'instance', type: 'uuid', isNullable: false, field: null },
  { name: 'seq', type: 'bigint', isNullable: false, field: 'seq' },
] as const satisfies readonly EntryColumn[]

type Column = (typeof ENTRY_COLUMNS)[number]

/** The name of a column of `access_log`. */
export type EntryColumnName = Column['name']

/** Names of the columns, in their order. */
export const ENTRY_COLUMN_NAMES: readonly EntryColumnName[] = ENTRY_COLUMNS.map(({ name }) => name)

/** `artifact_kind` of a request that no artifact route took. */
export const NO_ARTIFACT = 'none'

/** `rule_action` of a request that no rule concerned. */
export const NO_RULE = 'none'

/**
 * Rows were sealed in three forms, of which a batch has one. Rows of the first have no columns for what the request was about, and those
 * of the second none for rules and for holding: programs wrote them that knew nothing of it, and segments on disk, rows in quarantine and tables still have
 * them (docs/decisions/0460, 0620). In the table, rows of the second form are those with an `artifact_kind` that was not put there later,
 * and rows of the third those with a `rule_action`.
 */
const LATER_FORMS: ReadonlyMap<string, 2 | 3> = new Map<EntryColumnName, 2 | 3>([
  ['artifact_kind', 2],
  ['qualifiers', 2],
  ['upstream_limit', 2],
  ['rule_id', 3],
  ['rule_action', 3],
  ['held_ms', 3],
])

/** The first form whose rows have the column. */
export function formOf({ name }: EntryColumn): 1 | 2 | 3 {
  return LATER_FORMS.get(name) ?? 1
}

/** Names of the columns of each form, in their order; the newest form first. */
export const FORM_NAMES: readonly (readonly EntryColumnName[])[] = [3, 2, 1].map((form) =>
  ENTRY_COLUMNS.filter((column) => formOf(column) <= form).map(({ name }) => name),
)

/** A row of `access_log` as it stands. */
export type EntryRow = {
  readonly [C in Column as C['name']]: ColumnValues[C['type']] | (C['isNullable'] extends true ? null : never)
}
