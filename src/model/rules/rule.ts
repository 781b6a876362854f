import { PACKAGE_TEXT_MAX } from '../access-entry.ts'

/**
 * What a rule does with what it matches. `deny` refuses it, `warn` lets it pass and says so in the entry, `allow` lets it pass whatever
 * rules behind it say. Others may follow: a gateway leaves rules alone whose action it does not know.
 */
export const RULE_ACTIONS = ['deny', 'warn', 'allow'] as const

export type RuleAction = (typeof RULE_ACTIONS)[number]

/** What a rule did to a request, or, as a dry run, would have done: `rule_action` of its entry. */
export const RULE_MARKS = ['deny', 'warn', 'allow', 'would_deny', 'would_warn', 'would_allow'] as const

export type RuleMark = (typeof RULE_MARKS)[number]

/** `disabled` and `active` may alternate; `removed` is terminal. */
export type RuleState = 'active' | 'disabled' | 'removed'

/** Priority of a rule that names none. Exceptions come before what they are exceptions of. */
export const DEFAULT_PRIORITY: Readonly<Record<RuleAction, number>> = { deny: 100, warn: 100, allow: 200 }

export const MAX_PRIORITY = 1000

/** Longest texts, in UTF-16 code units: the reason is shown on one line by clients; no request is about a longer name. */
export const RULE_TEXT_MAX = {
  reason: 500,
  reference: 200,
  name: PACKAGE_TEXT_MAX.package,
  package: 2100,
} as const

/** Most values of one kind of scope. */
export const MAX_SCOPE = 100

/** A rule as its source reads it, as the snapshot holds it, and as it is kept on disk. Immutable. */
export interface RuleRecord {
  /** `r` and 16 hex digits. */
  readonly id: string
  /** Package URL, with `*` in name and version, or a range for a version. */
  readonly package: string
  /** Type of package URL, lower case. */
  readonly type: string
  /** By which packages find it, see `lookUpOf`; '' for a rule whose name is a pattern. */
  readonly lookUp: string
  /** Slugs; none means all, and requests of no tenant. */
  readonly tenants: readonly string[]
  /** Names of routes; none means all. */
  readonly routes: readonly string[]
  /** Public ids; none means all, and requests without a key. */
  readonly keys: readonly string[]
  /** As the database has it: a `RuleAction`, or one that a newer program knows. */
  readonly action: string
  readonly isDryRun: boolean
  /** Shown to clients. */
  readonly reason: string
  /** Of an advisory, for instance; '' for none. */
  readonly reference: string
  /** Epoch milliseconds; null for never. */
  readonly expiresAtMs: number | null
  /** The highest decides. */
  readonly priority: number
  readonly state: RuleState
  /** Grows with each change of the row. */
  readonly version: number
}

/** Whether two records say the same. */
export function isSameRule(a: RuleRecord, b: RuleRecord): boolean {
  return (
    a.version === b.version &&
    a.state === b.state &&
    a.package === b.package &&
    a.action === b.action &&
    a.isDryRun === b.isDryRun &&
    a.priority === b.priority &&
    a.expiresAtMs === b.expiresAtMs &&
    a.reason === b.reason &&
    a.reference === b.reference &&
    isSameList(a.tenants, b.tenants) &&
    isSameList(a.routes, b.routes) &&
    isSameList(a.keys, b.keys)
  )
}

function isSameList(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((value, i) => value === b[i])
}
