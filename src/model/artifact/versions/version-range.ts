import { Range } from 'semver'
import { QueryError } from '../query-error.ts'
import {
  type Alternatives,
  type Comparer,
  type Constraint,
  type Operator,
  readVersConstraints,
  requireVersion,
  testOf,
  type VersionTest,
} from './constraint.ts'
import { MAX_VERSION_LENGTH } from './order.ts'
import { readSemver } from './semver-order.ts'
import { hasSemver, versionOrderOf } from './version-orders.ts'

const VERS = /^\s*vers:([a-z][a-z0-9.+-]*)\//i

/** The type that a version range specifier names (`vers:npm/…`); null where the text is none. */
export function versTypeOf(text: string): string | null {
  return VERS.exec(text)?.[1]?.toLowerCase() ?? null
}

/** Whether the text can only be a range, whatever the ecosystem: no version begins so, or has such characters. */
export function looksLikeRange(text: string): boolean {
  return /^\s*(?:[<>=!^~[(]|vers:)/i.test(text) || /[\s,|]/.test(text)
}

/**
 * Reads a range of a type's versions. Of npm, cargo, Go and Helm in npm's grammar (`^1.2 || >=3 <4`); else comparisons of which all
 * must hold (`>=1.2, <2`), `||` between alternatives; `[1.0,2.0)` as Maven and NuGet write it; `vers:npm/>=1.2|<2` for any type.
 * Pre-releases count by their order. Throws a QueryError; `offset` is where the range stands in the argument.
 */
export function readRange(type: string, text: string, offset: number): VersionTest {
  const vers = VERS.exec(text)
  if (vers !== null) return readVers(type, text, { offset, head: vers[0], named: vers[1] ?? '' })
  const comparer = comparerOf(type, offset)
  if (/^\s*[[(]/.test(text)) return testOf(comparer, readIntervals(comparer, text, offset))
  return hasSemver(type) ? readSemverRange(text, offset) : testOf(comparer, readList(comparer, text, offset))
}

function comparerOf(type: string, offset: number): Comparer {
  const order = versionOrderOf(type)
  if (order !== null) return { order, type }
  throw new QueryError(offset, `one version, or a pattern with *: versions of ${type} packages have no order`)
}

interface VersHead {
  readonly offset: number
  readonly head: string
  readonly named: string
}

function readVers(type: string, text: string, { offset, head, named }: VersHead): VersionTest {
  const isMeant = named.toLowerCase() === type || (named.toLowerCase() === 'semver' && hasSemver(type))
  if (!isMeant) throw new QueryError(offset + head.indexOf(':') + 1, `${type}, which is the package's type`)
  const comparer = comparerOf(type, offset)
  return testOf(comparer, readVersConstraints(comparer, text.slice(head.length), offset + head.length))
}

/** Not `loose`, which leaves out what it cannot read. */
const SEMVER_OPTIONS = { includePrerelease: true } as const

/** A range in npm's grammar; cargo's commas are read as spaces. */
function readSemverRange(text: string, offset: number): VersionTest {
  const range = semverRange(text)
  if (range === null) {
    const bad = [...text.matchAll(/[^\s,|]+/g)].find(
      ([token]) => token !== '-' && semverRange(token) === null,
    )
    throw new QueryError(
      offset + (bad?.index ?? 0),
      'a range of versions such as ">=1.2 <2" or "^1.2 || 3.x"',
    )
  }
  return {
    matches: (version) => {
      const read = version.length > MAX_VERSION_LENGTH ? null : readSemver(version)
      return read === null ? null : range.test(read)
    },
  }
}

/** Null for what is no range. */
export function semverRange(text: string): Range | null {
  if (text.length > MAX_VERSION_LENGTH) return null
  try {
    return new Range(text.replaceAll(',', ' '), SEMVER_OPTIONS)
  } catch {
    return null
  }
}

const TERM = /\s*(===|==|!=|~=|~>|<=|>=|<<|>>|<|>|=)?\s*([^\s,|<>=!]+)\s*,?\s*/y

/** A list of comparisons, as pip, dpkg and RubyGems write them. */
function readList(comparer: Comparer, text: string, offset: number): Alternatives {
  let at = 0
  return text.split('||').map((group) => {
    const constraints: Constraint[] = []
    TERM.lastIndex = 0
    do {
      const start = TERM.lastIndex
      const term = TERM.exec(group)
      if (term === null) throw new QueryError(offset + at + start, 'a comparison such as >=1.2')
      const [whole, operator = '=', version = ''] = term
      constraints.push(
        ...comparisonOf(comparer, { operator, version }, offset + at + start + whole.indexOf(version)),
      )
    } while (TERM.lastIndex < group.length)
    at += group.length + 2
    return constraints
  })
}

const OPERATORS: Readonly<Record<string, Operator>> = {
  '<<': '<',
  '>>': '>',
  '==': '=',
  '===': '=',
}

/** `~=1.4.2` (PEP 440) and `~> 1.4.2` (RubyGems) are `>=1.4.2` and below the next `1.5`. */
function comparisonOf(
  comparer: Comparer,
  { operator, version }: { readonly operator: string; readonly version: string },
  offset: number,
): Constraint[] {
  if (version.includes('*')) {
    if (operator !== '!=' && !operator.startsWith('='))
      throw new QueryError(offset, `a version without * after ${operator}`)
    return [{ operator: operator === '!=' ? '!=' : '=', version }]
  }
  requireVersion(comparer, version, offset)
  if (!operator.startsWith('~')) return [{ operator: OPERATORS[operator] ?? (operator as Operator), version }]
  const numbers = /^v?(?:\d+!)?\d+(?:\.\d+)*/.exec(version)?.[0].split('.') ?? []
  const kept = numbers.slice(0, Math.max(1, numbers.length - 1))
  const last = kept.pop() ?? '0'
  const bang = last.lastIndexOf('!') + 1
  const next = last.slice(0, bang) + String(BigInt(last.slice(bang).replace('v', '')) + 1n)
  return [
    { operator: '>=', version },
    { operator: '<', version: [...kept, next].join('.') },
  ]
}

const INTERVAL = /\s*([[(])([^,[\]()]*)(?:(,)([^,[\]()]*))?([\])])\s*,?/y

/** Intervals as Maven ("Version Requirement Specification") and NuGet write them: `[1.0,2.0)`, `(,1.0],[1.2,)`, `[1.5]`. */
function readIntervals(comparer: Comparer, text: string, offset: number): Alternatives {
  const intervals: Constraint[][] = []
  INTERVAL.lastIndex = 0
  while (INTERVAL.lastIndex < text.trimEnd().length) {
    const start = INTERVAL.lastIndex
    const match = INTERVAL.exec(text)
    const [whole = '', opening, low = '', comma, high = '', closing] = match ?? []
    const isExact = opening === '[' && closing === ']'
    if (match === null || (comma === undefined && !isExact))
      throw new QueryError(offset + start, 'an interval such as [1.0,2.0)')
    const bound = (operator: Operator, raw: string, at: number): Constraint[] => {
      const version = raw.trim()
      return version === ''
        ? []
        : [{ operator, version: requireVersion(comparer, version, offset + start + at) }]
    }
    const lowAt = whole.indexOf(low, whole.indexOf(opening ?? '') + 1)
    if (comma === undefined) {
      if (low.trim() === '') throw new QueryError(offset + start + lowAt, 'a version')
      intervals.push(bound('=', low, lowAt))
      continue
    }
    intervals.push([
      ...bound(opening === '[' ? '>=' : '>', low, lowAt),
      ...bound(closing === ']' ? '<=' : '<', high, lowAt + low.length + 1),
    ])
  }
  return intervals
}
