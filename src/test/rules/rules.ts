import { PURL_TYPES } from '../../artifacts/purl-types.ts'
import { type RuleShards, RuleShardsUpdate } from '../../directory/rule-shards.ts'
import type { RuleRecord } from '../../model/rules/rule.ts'
import { readRulePackage } from '../../model/rules/rule-wish.ts'

/** For tests: all types of package URLs. */
export const TYPES: readonly string[] = [...new Set(PURL_TYPES.values())]

let ids = 0

/** For tests: a rule that denies a package to all. */
export function testRule(text: string, changes: Partial<RuleRecord> = {}): RuleRecord {
  const { package: canonical, type, lookUp } = readRulePackage(text, TYPES)
  return {
    id: `r${(++ids).toString(16).padStart(16, '0')}`,
    package: canonical,
    type,
    lookUp,
    tenants: [],
    routes: [],
    keys: [],
    action: 'deny',
    isDryRun: false,
    reason: 'malware',
    reference: '',
    expiresAtMs: null,
    priority: 100,
    state: 'active',
    version: 1,
    ...changes,
  }
}

/** For tests: these rules as a snapshot has them. */
export function rulesOf(...rules: readonly RuleRecord[]): RuleShards {
  const update = new RuleShardsUpdate(null, true)
  for (const one of rules) update.add(one)
  return update.finish()
}
