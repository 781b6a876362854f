import { randomBytes } from 'node:crypto'
import { PURL_TYPES } from '../../../artifacts/purl-types.ts'
import { QueryError } from '../../../model/artifact/query-error.ts'
import {
  DEFAULT_PRIORITY,
  MAX_PRIORITY,
  MAX_SCOPE,
  RULE_ACTIONS,
  type RuleAction,
} from '../../../model/rules/rule.ts'
import {
  readRulePackage,
  reasonProblem,
  referenceProblem,
  type RulePackage,
} from '../../../model/rules/rule-wish.ts'
import type { NewRule } from '../../../store/rules/rules.ts'
import type { Problems } from '../../problems.ts'
import { safeJson } from '../../output/text.ts'

/** Types of package URLs that rules may be about. */
export const RULE_TYPES: readonly string[] = [...new Set(PURL_TYPES.values())]

/** The flags that make a rule. */
export interface RuleFlags {
  readonly action?: string
  readonly tenant?: readonly string[]
  readonly route?: readonly string[]
  readonly key?: readonly string[]
  readonly reason?: string
  readonly reference?: string
  readonly expires?: string
  readonly priority?: string
  readonly dryRun?: boolean
  readonly all?: boolean
}

/** Reads a rule; collects what is wrong with it, each problem with the flag's name in front. */
export function readRule(text: string, flags: RuleFlags, nowMs: number, problems: Problems): NewRule {
  const action: RuleAction =
    (flags.action === undefined ? undefined : problems.choice('--action', flags.action, RULE_ACTIONS)) ??
    'deny'
  const { package: canonical, type, lookUp, isEverything } = readPackage(text, problems)
  if (isEverything && flags.all !== true)
    problems.add(`package: ${shown(text)} is about every package of its type: give --all if that is meant`)
  const reason = flags.reason ?? ''
  add(problems, '--reason', reasonProblem(reason))
  const reference = flags.reference ?? ''
  add(problems, '--reference', referenceProblem(reference))
  return {
    id: `r${randomBytes(8).toString('hex')}`,
    package: canonical,
    type,
    lookUp,
    tenants: names('--tenant', flags.tenant, problems, (name) => problems.slug('--tenant', name)),
    routes: names('--route', flags.route, problems, (name) => problems.slug('--route', name)),
    keys: names('--key', flags.key, problems, (id) => problems.keyId('--key', id).id),
    action,
    isDryRun: flags.dryRun === true,
    reason,
    reference,
    expiresAt: flags.expires === undefined ? null : problems.expiry('--expires', flags.expires, nowMs),
    priority:
      flags.priority === undefined
        ? DEFAULT_PRIORITY[action]
        : problems.integer('--priority', flags.priority, 0, MAX_PRIORITY),
  }
}

const NO_PACKAGE: RulePackage = { package: '', type: '', lookUp: '', isEverything: false }

/** Reads the package of a rule; adds what is wrong with it, and where. */
export function readPackage(text: string, problems: Problems): RulePackage {
  try {
    return readRulePackage(text, RULE_TYPES)
  } catch (error) {
    if (!(error instanceof QueryError)) throw error
    problems.add(`package: cannot read ${shown(text)}: ${error.message}`)
    return NO_PACKAGE
  }
}

function names(
  label: string,
  given: readonly string[] | undefined,
  problems: Problems,
  read: (name: string) => string,
): readonly string[] {
  const unique = [...new Set(given ?? [])]
  if (unique.length > MAX_SCOPE) problems.add(`${label}: at most ${MAX_SCOPE} for one rule`)
  return unique.map(read)
}

function add(problems: Problems, label: string, problem: string | null): void {
  if (problem !== null) problems.add(`${label}: ${problem}`)
}

function shown(text: string): string {
  return safeJson(text.length > 200 ? `${text.slice(0, 200)}…` : text)
}
