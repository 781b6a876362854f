import { purlOf } from '../../model/artifact/purl.ts'
import { ENTRY_COLUMN_NAMES, NO_ARTIFACT, NO_RULE, type EntryRow } from '../../model/entry-columns.ts'
import { ROUTE_KINDS, type RouteKind } from '../../model/route.ts'
import { ECOSYSTEMS } from '../kinds.ts'

/** An entry as it is shown: its columns under their names, but for what tells of the artifact. */
export interface ShownEntry extends Omit<
  EntryRow,
  'artifact_kind' | 'upstream_limit' | 'rule_id' | 'rule_action' | 'held_ms'
> {
  /** The package URL; null where the request was about no package, or was not identified. */
  readonly purl: string | null
  /** Null also for a request of no artifact route, which has `none` in the table. */
  readonly artifactKind: string | null
  readonly upstreamLimit: string | null
  /** The rule that concerned it, and what it did or would have done; null for none. */
  readonly ruleId: string | null
  readonly ruleAction: string | null
  /** Milliseconds that it was held because of a limit; null when it was not. */
  readonly heldMs: number | null
}

const SHOWN: Readonly<Record<string, string>> = {
  upstream_limit: 'upstreamLimit',
  rule_id: 'ruleId',
  rule_action: 'ruleAction',
  held_ms: 'heldMs',
}

/** Names of a shown entry, in the order of the columns. */
export const SHOWN_NAMES: readonly string[] = ENTRY_COLUMN_NAMES.flatMap((name) => {
  if (name === 'artifact_kind') return ['purl', 'artifactKind']
  return [SHOWN[name] ?? name]
})

/** The entry as listings and the API show it. */
export function shownEntry(entry: EntryRow): ShownEntry {
  const { artifact_kind: kind, upstream_limit: upstreamLimit, rule_id: ruleId, ...others } = entry
  const { rule_action: action, held_ms: heldMs, instance, seq, qualifiers, ...columns } = others
  const artifactKind = kind === NO_ARTIFACT ? null : kind
  const ruleAction = action === NO_RULE ? null : action
  const purl = purlOfRow(entry)
  const about = { purl, artifactKind, qualifiers, upstreamLimit, ruleId, ruleAction, heldMs }
  return { ...columns, ...about, instance, seq }
}

/** The package URL of a row; null where it has no package. */
export function purlOfRow(row: Pick<EntryRow, 'kind' | 'package' | 'version' | 'qualifiers'>): string | null {
  const { kind, package: name, version, qualifiers } = row
  if (name === null || kind === null || !isRouteKind(kind)) return null
  const { purlType } = ECOSYSTEMS[kind]
  if (purlType === '') return null
  return purlOf(purlType, { name, version: version ?? '', qualifiers: qualifiers ?? '' })
}

function isRouteKind(kind: string): kind is RouteKind {
  return (ROUTE_KINDS as readonly string[]).includes(kind)
}
