import { readPackageQuestion } from '../artifact/package-question.ts'
import { encode } from '../artifact/purl.ts'
import { QueryError } from '../artifact/query-error.ts'
import { foldName, isRecorded } from '../artifact/spelling.ts'
import { looksLikeRange } from '../artifact/versions/version-range.ts'
import { versionOrderOf } from '../artifact/versions/version-orders.ts'
import { lookUpOf } from './look-up.ts'
import { ruleTest } from './rule-matcher.ts'
import { RULE_TEXT_MAX } from './rule.ts'

/** A package as a rule has it: canonical, and by what it is looked up. */
export interface RulePackage {
  /** See RuleRecord. */
  readonly package: string
  readonly type: string
  readonly lookUp: string
  /** The name is nothing but `*`: the rule is about every package of the type. */
  readonly isEverything: boolean
}

/**
 * Reads the package of a rule: a package URL, with `*` for any characters in namespace, name and version, or with a range for a version in the
 * grammar of its ecosystem, or as `vers:`. `types`: those that there are. Throws a QueryError that says what is wrong, and where.
 */
export function readRulePackage(text: string, types: readonly string[]): RulePackage {
  if (!/^\s*pkg:/i.test(text)) throw new QueryError(0, 'a package URL, such as pkg:npm/left-pad@1.3.0')
  const [reading] = readPackageQuestion(text, types)
  if (reading === undefined || reading.type === null)
    throw new QueryError(0, 'a package URL, such as pkg:npm/left-pad@1.3.0')
  const { type, version, qualifiers } = reading
  const unknown = [...qualifiers.keys()].find((key) => !isRecorded(type, key))
  if (unknown !== undefined)
    throw new QueryError(
      Math.max(0, text.toLowerCase().indexOf(unknown)),
      `no qualifier ${unknown}: requests for ${type} packages do not tell it`,
    )
  const name = foldName(type, reading.name)
  if (name.length > RULE_TEXT_MAX.name)
    throw new QueryError(0, `a name of at most ${RULE_TEXT_MAX.name} characters`)
  // Compiled once to be sure that it can be.
  ruleTest(type, text)
  if (version !== null) requireComparable(type, version.text, version.offset)
  const canonical = [
    `pkg:${type}/${name.split('/').map(withStars).join('/')}`,
    version === null ? '' : `@${versionText(version.text)}`,
    ...[...qualifiers].map(([key, value], i) => `${i === 0 ? '?' : '&'}${key}=${encode(value)}`),
  ].join('')
  if (canonical.length > RULE_TEXT_MAX.package)
    throw new QueryError(0, `at most ${RULE_TEXT_MAX.package} characters, as a package URL writes them`)
  const isPattern = name.includes('*')
  return {
    package: canonical,
    type,
    lookUp: isPattern ? '' : lookUpOf(type, name),
    isEverything: isPattern && name.replaceAll(/[*/@]/g, '') === '',
  }
}

/** A version of a type with an order has to be one: else the rule would be of no version at all. */
function requireComparable(type: string, text: string, offset: number): void {
  const order = versionOrderOf(type)
  if (order === null || looksLikeRange(text) || text.includes('*')) return
  // `1`, `1.2` and `1.x` are ranges of npm and its like.
  if (order.compare(text, text) === null && !/^v?\d+(?:\.(?:\d+|x))*$/i.test(text))
    throw new QueryError(offset, `a version as ${type} packages have, or a range of such`)
}

/** Ranges are read better as they are written: only what would end them is encoded. */
function versionText(text: string): string {
  if (/^\s*vers:/i.test(text)) return text
  return text.replaceAll(/[%?#@]/g, (char) => encode(char))
}

function withStars(segment: string): string {
  return encode(segment).replaceAll('%2A', '*')
}

/** What is wrong with a rule's reason; null for nothing. It is shown on one line. */
export function reasonProblem(reason: string): string | null {
  return textProblem(reason, 1, RULE_TEXT_MAX.reason)
}

/** What is wrong with a rule's reference; null for nothing. */
export function referenceProblem(reference: string): string | null {
  return textProblem(reference, 0, RULE_TEXT_MAX.reference)
}

function textProblem(text: string, min: number, max: number): string | null {
  if (text.trim().length < min) return 'it is empty: clients are shown it'
  if (text.length > max) return `it has ${text.length} characters, and may have ${max}`
  return /\p{Cc}|\p{Cs}/u.test(text)
    ? 'it has a control character, or is no Unicode: it has to be one line'
    : null
}
