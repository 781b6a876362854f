import { z } from '@hono/zod-openapi'
import { SHOWN_NAMES, shownEntry, type ShownEntry } from '../../../../artifacts/identify/shown-entry.ts'
import type { Principal } from '../../../../model/admin/principal.ts'
import { ENTRY_COLUMNS, type EntryColumn, type EntryRow } from '../../../../model/entry-columns.ts'
import { TIME } from '../../operation.ts'

/** What a column's values are in JSON. */
const VALUES: Readonly<Record<EntryColumn['type'], () => z.ZodType>> = {
  uuid: () => z.string(),
  timestamptz: () => TIME,
  text: () => z.string(),
  inet: () => z.string(),
  smallint: () => z.int(),
  bigint: () => z.int(),
}

/** Names that need a word; those of a shown entry that are not here say what they are. */
const WORDS: Readonly<Record<string, string>> = {
  started_at: 'When the head of the request had come.',
  key_id: 'Public id of the key.',
  kind: 'Kind of the route.',
  outcome: 'How the request ended.',
  reason: 'Why, within an outcome.',
  duration_us: 'Microseconds.',
  upstream_us: 'Microseconds until the head of the upstream had come.',
  purl: 'Package URL; null where the request was about no package, or was not identified.',
  artifactKind: 'What of the package the request was about; null for a request of no artifact route.',
  upstreamLimit: 'What the upstream said of its own limit.',
  ruleId: 'The rule that concerned the request; null for none.',
  ruleAction:
    'What the rule did, or, as a dry run, would have done: deny, warn, allow, would_deny, would_warn, would_allow.',
  heldMs: 'Milliseconds that the request was held because of a limit; null when it was not.',
  instance: 'The process that wrote it.',
  seq: 'Its number there, without gaps; null for a tenant.',
  upstream: 'Where it was forwarded to; null where it was not, and for a tenant.',
}

/** What a tenant is not shown of its entries: where the operator's machines are, and how much other tenants ask. */
const HIDDEN = { upstream: null, seq: null } as const

/** An entry as the API shows it: the columns of `access_log`, and the package URL. */
export const ENTRY = z
  .object(Object.fromEntries(SHOWN_NAMES.map((name) => [name, schemaOf(name)])))
  .openapi('Entry')

function schemaOf(name: string): z.ZodType {
  const column: EntryColumn | undefined = ENTRY_COLUMNS.find((one) => one.name === name)
  const value = column === undefined ? z.string() : VALUES[column.type]()
  const schema = column?.isNullable === false && !(name in HIDDEN) ? value : value.nullable()
  const description = WORDS[name]
  return description === undefined ? schema : schema.openapi({ description })
}

/** An entry as somebody may see it. There are two of these, for operators and for tenants. */
export type EntryView = (row: EntryRow) => ShownEntry | (Omit<ShownEntry, 'seq'> & typeof HIDDEN)

const ownEntry: EntryView = (row) => ({ ...shownEntry(row), ...HIDDEN })

/** How the principal sees entries. */
export function viewFor({ tenant }: Principal): EntryView {
  return tenant === null ? shownEntry : ownEntry
}

/** The body of an entry, seen so. */
export function entryBody(row: EntryRow, view: EntryView): z.infer<typeof ENTRY> {
  return { ...view(row), started_at: row.started_at.toISOString() }
}
