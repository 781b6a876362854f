import { compareDigits, compareText, type Comparison, orderOf } from './order.ts'

const VERSION = /^v?(\d+(?:\.\d+){0,3})(?:-([0-9a-z-]+(?:\.[0-9a-z-]+)*))?(?:\+[0-9a-z.-]*)?$/

interface NugetVersion {
  readonly numbers: readonly string[]
  /** Empty for a release. */
  readonly pre: readonly string[]
}

/** NuGet's order: semantic versions with up to four numbers, missing ones being 0, without regard to case or build metadata. */
export const nugetOrder = orderOf(read, compare)

function read(version: string): NugetVersion | null {
  const [, numbers = '', pre] = VERSION.exec(version.toLowerCase()) ?? []
  if (numbers === '') return null
  return { numbers: numbers.split('.'), pre: pre === undefined ? [] : pre.split('.') }
}

function compare(a: NugetVersion, b: NugetVersion): Comparison {
  for (let i = 0; i < 4; i++) {
    const difference = compareDigits(a.numbers[i] ?? '', b.numbers[i] ?? '')
    if (difference !== 0) return difference
  }
  if (a.pre.length === 0 || b.pre.length === 0) return b.pre.length - a.pre.length
  return comparePre(a.pre, b.pre)
}

/** Semantic versioning 2.0.0, §11.4. */
function comparePre(a: readonly string[], b: readonly string[]): Comparison {
  for (const [i, left] of a.entries()) {
    const right = b[i]
    if (right === undefined) return 1
    const [isLeft, isRight] = [/^\d+$/.test(left), /^\d+$/.test(right)]
    if (isLeft !== isRight) return isLeft ? -1 : 1
    const difference = isLeft ? compareDigits(left, right) : compareText(left, right)
    if (difference !== 0) return difference
  }
  return a.length - b.length
}
