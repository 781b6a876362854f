import { decodeEscapes, QueryError } from '../query-error.ts'
import { matchesGlob } from './glob.ts'
import type { VersionOrder } from './order.ts'

/** Which versions are meant. */
export interface VersionTest {
  /** Whether it is one of them; null where that cannot be told: it is none that can be compared. Never throws. */
  matches(version: string): boolean | null
}

export type Operator = '<' | '<=' | '>' | '>=' | '=' | '!='

/** One comparison with a version; where `version` has a `*`, with all versions of that form. */
export interface Constraint {
  readonly operator: Operator
  readonly version: string
}

/** All of some constraints, of which there may be several such groups. */
export type Alternatives = readonly (readonly Constraint[])[]

/** What compares versions and says of what they are. */
export interface Comparer {
  readonly order: VersionOrder
  /** Of package URLs, for messages. */
  readonly type: string
}

/** A version as it stands at `offset`. Throws a QueryError where it is none that can be compared. */
export function requireVersion({ order, type }: Comparer, version: string, offset: number): string {
  if (order.compare(version, version) === null)
    throw new QueryError(offset, `a version as ${type} packages have`)
  return version
}

/** The test of a version against any group of constraints. */
export function testOf({ order }: Comparer, alternatives: Alternatives): VersionTest {
  return {
    matches: (version) => {
      if (order.compare(version, version) === null) return null
      return alternatives.some((all) => all.every((each) => satisfies(order, version, each)))
    },
  }
}

function satisfies(order: VersionOrder, version: string, constraint: Constraint): boolean {
  const { operator, version: bound } = constraint
  if (bound.includes('*')) return matchesGlob(bound, version) === (operator === '=')
  const comparison = order.compare(version, bound) ?? Number.NaN
  switch (operator) {
    case '<':
      return comparison < 0
    case '<=':
      return comparison <= 0
    case '>':
      return comparison > 0
    case '>=':
      return comparison >= 0
    case '=':
      return comparison === 0
    case '!=':
      return comparison !== 0
  }
}

const VERS_CONSTRAINT = /^(>=|<=|!=|>|<|=)?(.*)$/s

/**
 * The constraints of a version range specifier (https://github.com/package-url/vers-spec), what is behind `vers:<type>/`, as
 * alternatives. Leniently: in any order, and with spaces. Throws a QueryError.
 */
export function readVersConstraints(comparer: Comparer, text: string, offset: number): Alternatives {
  if (text.trim() === '*') return [[]]
  const constraints: Constraint[] = []
  let at = offset
  for (const part of text.split('|')) {
    const bare = part.trim()
    const start = at + (part.length - part.trimStart().length)
    const [, operator = '=', version = ''] = VERS_CONSTRAINT.exec(bare) ?? []
    if (version.trim() === '') throw new QueryError(start + bare.length, 'a version')
    const versionAt = start + bare.length - version.trim().length
    const decoded = decodeEscapes(version.trim(), versionAt)
    constraints.push({
      operator: operator as Operator,
      version: requireVersion(comparer, decoded, versionAt),
    })
    at += part.length + 1
  }
  return intervalsOf(comparer, constraints)
}

/** "Checking if a version is contained within a range": neighbours that open and close make an interval. */
function intervalsOf({ order }: Comparer, constraints: readonly Constraint[]): Alternatives {
  const excluded = constraints.filter(({ operator }) => operator === '!=')
  const equal = constraints.filter(({ operator }) => operator === '=')
  const bounds = constraints
    .filter(({ operator }) => operator !== '=' && operator !== '!=')
    .toSorted((a, b) => order.compare(a.version, b.version) ?? 0)
  const intervals: Constraint[][] = equal.map((each) => [each])
  let open: Constraint | null = null
  for (const [i, bound] of bounds.entries()) {
    if (bound.operator.startsWith('>')) {
      // Of several that open the first is the widest.
      open ??= bound
      continue
    }
    const next = bounds[i + 1]
    // Of several that close the last is the widest.
    if (next !== undefined && next.operator.startsWith('<')) continue
    intervals.push(open === null ? [bound] : [open, bound])
    open = null
  }
  if (open !== null) intervals.push([open])
  if (intervals.length === 0 && excluded.length > 0) intervals.push([])
  return intervals.map((interval) => interval.concat(excluded))
}
