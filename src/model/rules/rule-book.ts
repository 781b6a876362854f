import type { LoggedPackage } from '../artifact/spelling.ts'
import { ruleMatches } from './rule-matcher.ts'
import { RULE_ACTIONS, type RuleAction, type RuleMark, type RuleRecord } from './rule.ts'
import { lookUpOf } from './look-up.ts'

/** The rules that are in force, as they are looked up. */
export interface RuleBook {
  /** Rules that are active, expired ones included. */
  readonly count: number
  /** Of one type of package URL; 0 for most. */
  countOf(type: string): number
  /** Those that name a package, by its look-up. */
  named(type: string, lookUp: string): readonly RuleRecord[]
  /** Those of a type whose name is a pattern. */
  patterns(type: string): readonly RuleRecord[]
}

/** What is asked of the rules. */
export interface RuleQuestion {
  readonly found: LoggedPackage
  /** Slug; '' for none. */
  readonly tenant: string
  readonly route: string
  /** Public id; '' for none. */
  readonly key: string
  /** Epoch milliseconds. */
  readonly nowMs: number
}

/** Which rule concerns a request, and what becomes of it. */
export interface RuleVerdict {
  readonly rule: RuleRecord
  readonly mark: RuleMark
}

/** Rules of one priority: what refuses comes before what lets pass. */
const RANKS: ReadonlyMap<string, number> = new Map(RULE_ACTIONS.map((action, i) => [action, i]))

/** Whether `a` is asked before `b`: by priority, then deny, warn, allow, then by id, so that all gateways decide alike. */
export function isBefore(a: RuleRecord, b: RuleRecord): boolean {
  if (a.priority !== b.priority) return a.priority > b.priority
  const rank = (RANKS.get(a.action) ?? 0) - (RANKS.get(b.action) ?? 0)
  return rank === 0 ? a.id < b.id : rank < 0
}

/**
 * The verdict on a package: that of the first rule that matches (`isBefore`) and is no dry run; null when none does. A dry run decides
 * nothing: one that comes first is told where the request passes. Linear in the rules that name the package and the patterns of its type.
 */
export function judge(book: RuleBook, question: RuleQuestion): RuleVerdict | null {
  const { type, name } = question.found
  const named = firstOf(book.named(type, lookUpOf(type, name)), question, NONE)
  const { decider, trial } = firstOf(book.patterns(type), question, named)
  if (decider !== null && (decider.action === 'deny' || trial === null || isBefore(decider, trial)))
    return { rule: decider, mark: decider.action as RuleAction }
  return trial === null ? null : { rule: trial, mark: `would_${trial.action as RuleAction}` }
}

/** The first rule that decides, and the first that is a dry run. */
interface Firsts {
  readonly decider: RuleRecord | null
  readonly trial: RuleRecord | null
}

const NONE: Firsts = { decider: null, trial: null }

function firstOf(rules: readonly RuleRecord[], question: RuleQuestion, firsts: Firsts): Firsts {
  let { decider, trial } = firsts
  for (const rule of rules) {
    const best = rule.isDryRun ? trial : decider
    if ((best !== null && isBefore(best, rule)) || whyNot(rule, question) !== null) continue
    if (rule.isDryRun) trial = rule
    else decider = rule
  }
  return { decider, trial }
}

/** Why a rule is not about a request, in words; null where it is. */
export function whyNot(rule: RuleRecord, { found, tenant, route, key, nowMs }: RuleQuestion): string | null {
  if (rule.state !== 'active') return rule.state
  if (!RANKS.has(rule.action)) return 'of an action that this version does not know'
  if (rule.expiresAtMs !== null && rule.expiresAtMs <= nowMs) return 'expired'
  if (rule.tenants.length > 0 && !rule.tenants.includes(tenant)) return 'for other tenants'
  if (rule.routes.length > 0 && !rule.routes.includes(route)) return 'for other routes'
  if (rule.keys.length > 0 && !rule.keys.includes(key)) return 'for other keys'
  return ruleMatches(rule, found) ? null : 'about other packages or versions'
}

/** These rules as a book, without the order of a snapshot's. */
export function bookOf(rules: readonly RuleRecord[]): RuleBook {
  const [named, patterns] = [
    rules.filter(({ lookUp }) => lookUp !== ''),
    rules.filter(({ lookUp }) => lookUp === ''),
  ]
  return { count: rules.length, countOf: () => rules.length, named: () => named, patterns: () => patterns }
}
