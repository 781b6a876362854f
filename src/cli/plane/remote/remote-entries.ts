import { ENTRY_COLUMN_NAMES, type EntryRow } from '../../../model/entry-columns.ts'
import type { EntryFilter } from '../../../store/entries/entries.ts'
import { parseAnswer, type ApiClient } from './api-client.ts'

/** Rows of an export that are handed on together. */
const CHUNK = 500

/** The parameters of /entries that a filter is. */
export function entryQuery(filter: EntryFilter): Readonly<Record<string, string | undefined>> {
  const { keyId, ruleId, pathPrefix, clientIp, slowerThanUs, since, until, oneOf: _, ...same } = filter
  return {
    ...same,
    key: keyId,
    rule: ruleId,
    path: pathPrefix,
    address: clientIp,
    slowerThan: slowerThanUs === undefined ? undefined : `${slowerThanUs / 1000}ms`,
    since: since?.toISOString(),
    until: until?.toISOString(),
  }
}

/** Columns that the API shows under other names. */
const SHOWN: Readonly<Record<string, string>> = {
  artifact_kind: 'artifactKind',
  upstream_limit: 'upstreamLimit',
  rule_id: 'ruleId',
  rule_action: 'ruleAction',
  held_ms: 'heldMs',
}

/** The row of an entry as the API shows it, its columns in their order. */
export function entryOf(shown: object): EntryRow {
  const fields: Readonly<Record<string, unknown>> = { ...shown }
  const columns = ENTRY_COLUMN_NAMES.map((name) => {
    if (name === 'started_at') return [name, new Date(String(fields[name]))]
    return [name, fields[SHOWN[name] ?? name]]
  })
  return Object.fromEntries(columns) as EntryRow
}

/** All entries of the filter, oldest first, as they come; ends early with the signal. Rejects with a CommandError when they are cut off. */
export async function* exportEntries(
  api: ApiClient,
  filter: EntryFilter,
  signal?: AbortSignal,
): AsyncGenerator<readonly EntryRow[], void, undefined> {
  let rows: EntryRow[] = []
  const ask = { query: entryQuery(filter), isOftenSilent: true, ...(signal === undefined ? {} : { signal }) }
  for await (const line of api.lines('/entries/export', ask)) {
    rows.push(entryOf(parseAnswer(line) as object))
    if (rows.length < CHUNK) continue
    yield rows
    rows = []
  }
  if (rows.length > 0) yield rows
}
