import { PackageMatcher } from '../artifact/package-matcher.ts'
import { foldName, isSameName, type LoggedPackage, qualifierOf } from '../artifact/spelling.ts'
import { globOf } from '../artifact/versions/glob.ts'
import { hasOptionalNamespace } from './look-up.ts'
import type { RuleRecord } from './rule.ts'

/** Tells whether a package is one that a rule is about. */
export interface RuleTest {
  /** Never throws. A version that is not known, or that a range cannot be compared with, is not matched by a rule that has one. */
  matches(found: LoggedPackage): boolean
}

/**
 * Reads a rule's package: a package URL as `waybill who` takes it, with `*` for any characters in its name. Throws a QueryError. What is
 * compiled here is asked of each request for a package of that name.
 */
export function ruleTest(type: string, text: string): RuleTest {
  const matcher = new PackageMatcher(text, null, [type])
  const name = matcher.readings[0]?.name ?? ''
  if (!name.includes('*')) return { matches: (found) => matcher.judge(found) === 'meant' }
  const glob = globOf(foldName(type, name))
  return {
    matches: (found) => namesOf(found).some((one) => glob(one)) && matcher.judgeVersionOf(found) === 'meant',
  }
}

/** The names of a package that a pattern may mean: with and without what a rule may leave out; of an image those of its repository. */
function allNamesOf(found: LoggedPackage): readonly string[] {
  const { type, name } = found
  const own = foldName(type, name)
  if (!hasOptionalNamespace(type)) return [own]
  if (type !== 'oci') return [own, own.slice(own.lastIndexOf('/') + 1)]
  const place = (qualifierOf(found.qualifiers, 'repository_url') ?? '').toLowerCase()
  return [own, place, place.slice(place.indexOf('/') + 1)]
}

/** The package that was asked last, and its names: a thousand patterns in a row are asked about one. */
const last: { found: LoggedPackage | null; names: readonly string[] } = { found: null, names: [] }

function namesOf(found: LoggedPackage): readonly string[] {
  if (last.found !== found) {
    last.names = allNamesOf(found)
    last.found = found
  }
  return last.names
}

/** Of the rules that were asked so far: of 100,000 hardly any ever is. */
const tests = new WeakMap<RuleRecord, RuleTest>()

/** Whether a rule's package is meant. Never throws. */
export function ruleMatches(rule: RuleRecord, found: LoggedPackage): boolean {
  let test = tests.get(rule)
  if (test === undefined) {
    test = compile(rule)
    tests.set(rule, test)
  }
  return test.matches(found)
}

/** What cannot be read was written by hand, or by a newer program: it is about all versions of what it names, unless it lets pass. */
function compile({ type, package: text, action, lookUp }: RuleRecord): RuleTest {
  try {
    return ruleTest(type, text)
  } catch {
    return { matches: (found) => action !== 'allow' && lookUp !== '' && isSameName(lookUp, found, false) }
  }
}
