import { readPackageQuestion } from '../artifact/package-question.ts'
import { encode } from '../artifact/purl.ts'
import { QueryError } from '../artifact/query-error.ts'
import type { LoggedPackage } from '../artifact/spelling.ts'
import { looksLikeRange } from '../artifact/versions/version-range.ts'
import { bookOf, judge, type RuleQuestion, type RuleVerdict, whyNot } from './rule-book.ts'
import type { RuleMark, RuleRecord } from './rule.ts'

/** What the rules would do with a download, and why. */
export interface RuleTrial {
  /** The verdict in a sentence. */
  readonly answer: string
  /** Null where no rule is about it. */
  readonly decides: { readonly id: string; readonly action: RuleMark } | null
  /** Each rule that may be about it, with what it says. */
  readonly rules: readonly { readonly rule: RuleRecord; readonly says: string }[]
}

/** Has rules, in the order in which they are asked, decide on a download. */
export function tryRules(rules: readonly RuleRecord[], question: RuleQuestion): RuleTrial {
  const verdict = judge(bookOf(rules), question)
  return {
    answer: verdict === null ? 'passes: no rule is about it' : answerOf(verdict),
    decides: verdict === null ? null : { id: verdict.rule.id, action: verdict.mark },
    rules: rules.map((rule) => ({ rule, says: saysOf(rule, question, verdict?.rule.id) })),
  }
}

function saysOf(rule: RuleRecord, question: RuleQuestion, decider: string | undefined): string {
  const against = whyNot(rule, question)
  if (against !== null) return `nothing: it is ${against}`
  if (rule.id === decider) return 'decides'
  return rule.isDryRun ? 'nothing: it runs dry' : 'nothing: another rule comes before it'
}

function answerOf({ rule, mark }: RuleVerdict): string {
  const reference = rule.reference === '' ? '' : ` (${rule.reference})`
  if (mark === 'deny') return `denied by rule ${rule.id}: ${rule.reason}${reference}`
  return `passes, and its entry says ${mark} by rule ${rule.id}: ${rule.reason}${reference}`
}

/** A package in one version, as a request for it would tell it. Throws a QueryError. */
export function readTried(text: string, types: readonly string[]): LoggedPackage {
  const [reading] = readPackageQuestion(text, types)
  if (reading === undefined || reading.type === null)
    throw new QueryError(0, 'a package URL, such as pkg:npm/left-pad@1.3.0')
  const { type, name, qualifiers } = reading
  const version = reading.version?.text ?? ''
  if (looksLikeRange(version) || `${name}${version}`.includes('*'))
    throw new QueryError(reading.version?.offset ?? 0, 'one package in one version')
  const pairs = new Map(qualifiers)
  if (type !== 'oci') return { type, name, version, qualifiers: written(pairs) }
  if (name.includes('/') && !pairs.has('repository_url')) pairs.set('repository_url', name)
  const isDigest = version.includes(':')
  if (!isDigest && version !== '') pairs.set('tag', version)
  const image = name.slice(name.lastIndexOf('/') + 1)
  return { type, name: image, version: isDigest ? version : '', qualifiers: written(pairs) }
}

function written(qualifiers: ReadonlyMap<string, string>): string {
  return [...qualifiers].map(([key, value]) => `${key}=${encode(value)}`).join('&')
}
