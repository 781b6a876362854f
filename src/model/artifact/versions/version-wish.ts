import type { VersionTest } from './constraint.ts'
import { hasEpoch, withoutEpoch } from './debian-order.ts'
import { matchesGlob } from './glob.ts'
import { withoutLocal } from './pep440-order.ts'
import { readSemver } from './semver-order.ts'
import { looksLikeRange, readRange, semverRange } from './version-range.ts'
import { hasSemver, versionOrderOf } from './version-orders.ts'

/**
 * What a version in a question means: a range where it can be nothing else, a pattern where it has a `*`, of npm and its like all of
 * `7` or `1.2.x`; else that version, however the ecosystem may write it. Throws a QueryError; `offset` is where it stands in the argument.
 */
export function readVersionWish(type: string, text: string, offset: number): VersionTest {
  if (looksLikeRange(text)) return withEpochs(type, text, (plain) => readRange(type, plain, offset))
  if (text.includes('*')) return patternOf(text)
  if (hasSemver(type) && readFullSemver(text) === null && semverRange(text) !== null)
    return readRange(type, text, offset)
  return { matches: (version) => isSameVersion(type, text, version) }
}

function patternOf(text: string): VersionTest {
  const pattern = text.toLowerCase()
  const other = pattern.startsWith('v') ? pattern.slice(1) : `v${pattern}`
  return {
    matches: (version) => {
      const lower = version.toLowerCase()
      return matchesGlob(pattern, lower) || matchesGlob(other, lower)
    },
  }
}

/** The names of deb files have no epoch: bounds with one are compared with such versions as if they had none. */
function withEpochs(type: string, text: string, read: (text: string) => VersionTest): VersionTest {
  const whole = read(text)
  if (type !== 'deb' || !/\d(?::|%3a)/i.test(text)) return whole
  const plain = read(text.replaceAll(/(^|[^\w.+~:-])\d{1,10}(?::|%3a)/gi, '$1'))
  return { matches: (version) => (hasEpoch(version) ? whole : plain).matches(version) }
}

/** Whether `found` is the version that was asked for, in any of its spellings. */
function isSameVersion(type: string, asked: string, found: string): boolean {
  if (asked === found) return true
  const [left, right] = [withoutV(asked), withoutV(found)]
  if (left === right) return true
  if (hasSemver(type)) return isSameSemver(asked, found)
  switch (type) {
    case 'maven':
      return false // 1.0 and 1.0.0 are two files
    case 'deb':
      return hasEpoch(asked) !== hasEpoch(found) && withoutEpoch(asked) === withoutEpoch(found)
    case 'pypi':
      return areEqual(type, asked, asked.includes('+') ? found : withoutLocal(found))
    default:
      return areEqual(type, asked, found)
  }
}

function areEqual(type: string, asked: string, found: string): boolean {
  return versionOrderOf(type)?.compare(asked, found) === 0
}

/** Build metadata counts only when it was asked for. */
function isSameSemver(asked: string, found: string): boolean {
  const [left, right] = [readSemver(asked), readSemver(found)]
  if (left === null || right === null || left.compare(right) !== 0) return false
  return left.build.length === 0 || left.compareBuild(right) === 0
}

function readFullSemver(text: string) {
  return /^v?\d+\.\d+\.\d/.test(text) ? readSemver(text) : null
}

function withoutV(version: string): string {
  const lower = version.toLowerCase()
  return /^v\d/.test(lower) ? lower.slice(1) : lower
}
