import { compareDigits, compareText, type Comparison, orderOf, withoutLeadingZeros } from './order.ts'

/** PEP 440, appendix B, with the other spellings that it normalises. */
const VERSION =
  /^v?(?:(\d+)!)?(\d+(?:\.\d+)*)(?:[-_.]?(alpha|a|beta|b|preview|pre|c|rc)[-_.]?(\d*))?(?:-(\d+)|[-_.]?(post|rev|r)[-_.]?(\d*))?(?:[-_.]?(dev)[-_.]?(\d*))?(?:\+([a-z0-9]+(?:[-_.][a-z0-9]+)*))?$/

/** A version whose parts are in the order in which they count. */
interface PythonVersion {
  readonly epoch: string
  /** Without zeros at its end. */
  readonly release: readonly string[]
  /** -1 for a developmental release of no pre-release, 0 alpha, 1 beta, 2 candidate, 3 none. */
  readonly preKind: number
  readonly pre: string
  /** Null comes before all. */
  readonly post: string | null
  /** Null comes after all. */
  readonly dev: string | null
  readonly local: readonly string[]
}

/** Python's order (PEP 440, "Summary of permitted suffixes and relative ordering"). */
export const pep440Order = orderOf(read, compare)

/** The version without its local part (`+cpu`). */
export function withoutLocal(version: string): string {
  return version.split('+', 1)[0] ?? ''
}

function read(version: string): PythonVersion | null {
  const match = VERSION.exec(version.trim().toLowerCase())
  if (match === null) return null
  const [, epoch = '', release = '', pre, preNumber = '', implicitPost, post, postNumber = ''] = match
  const [dev, devNumber = '', local] = match.slice(8)
  const hasPost = implicitPost !== undefined || post !== undefined
  return {
    epoch,
    release: trimmed(release.split('.')),
    preKind: preKindOf(pre, !hasPost && dev !== undefined),
    pre: preNumber,
    post: hasPost ? (implicitPost ?? postNumber) : null,
    dev: dev === undefined ? null : devNumber,
    local: local === undefined ? [] : local.split(/[-_.]/),
  }
}

function preKindOf(pre: string | undefined, isOnlyDev: boolean): number {
  if (pre === undefined) return isOnlyDev ? -1 : 3
  if (pre.startsWith('a')) return 0
  return pre.startsWith('b') ? 1 : 2
}

function trimmed(release: readonly string[]): string[] {
  const last = release.findLastIndex((part) => withoutLeadingZeros(part) !== '')
  return release.slice(0, last + 1)
}

function compare(a: PythonVersion, b: PythonVersion): Comparison {
  return (
    compareDigits(a.epoch, b.epoch) ||
    compareRelease(a.release, b.release) ||
    a.preKind - b.preKind ||
    compareDigits(a.pre, b.pre) ||
    compareOptional(a.post, b.post, -1) ||
    compareOptional(a.dev, b.dev, 1) ||
    compareLocal(a.local, b.local)
  )
}

function compareRelease(a: readonly string[], b: readonly string[]): Comparison {
  for (let i = 0; i < Math.max(a.length, b.length); i++) {
    const difference = compareDigits(a[i] ?? '', b[i] ?? '')
    if (difference !== 0) return difference
  }
  return 0
}

/** `absent`: what a missing part is to one that is there. */
function compareOptional(a: string | null, b: string | null, absent: Comparison): Comparison {
  if (a === null || b === null) return a === b ? 0 : a === null ? absent : -absent
  return compareDigits(a, b)
}

/** Numbers come after texts, and more parts after fewer. */
function compareLocal(a: readonly string[], b: readonly string[]): Comparison {
  for (const [i, left] of a.entries()) {
    const right = b[i]
    if (right === undefined) return 1
    const [isLeft, isRight] = [/^\d+$/.test(left), /^\d+$/.test(right)]
    if (isLeft !== isRight) return isLeft ? 1 : -1
    const difference = isLeft ? compareDigits(left, right) : compareText(left, right)
    if (difference !== 0) return difference
  }
  return a.length - b.length
}
