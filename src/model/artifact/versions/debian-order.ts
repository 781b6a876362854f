import { compareDigits, type Comparison, orderOf } from './order.ts'

/** Epoch, upstream version and revision (deb-version(7)). */
interface DebianVersion {
  readonly epoch: string
  readonly upstream: string
  readonly revision: string
}

const VERSION = /^(?:(\d{1,10}):)?([A-Za-z0-9.+~:-]+)$/

/** Debian's order (deb-version(7), "Sorting algorithm"). */
export const debianOrder = orderOf(read, compare)

/** The version without epoch: the names of files have none. */
export function withoutEpoch(version: string): string {
  return version.replace(/^\d{1,10}:/, '')
}

/** Whether the version names an epoch. */
export function hasEpoch(version: string): boolean {
  return /^\d{1,10}:/.test(version)
}

function read(version: string): DebianVersion | null {
  const [, epoch = '', rest = ''] = VERSION.exec(version) ?? []
  if (rest === '') return null
  const dash = rest.lastIndexOf('-')
  if (dash === -1) return { epoch, upstream: rest, revision: '' }
  return { epoch, upstream: rest.slice(0, dash), revision: rest.slice(dash + 1) }
}

function compare(a: DebianVersion, b: DebianVersion): Comparison {
  return (
    compareDigits(a.epoch, b.epoch) ||
    comparePart(a.upstream, b.upstream) ||
    comparePart(a.revision, b.revision)
  )
}

/** Parts without digits and parts of digits in turn; `~` comes before the end, letters before all else. */
function comparePart(a: string, b: string): Comparison {
  let [i, j] = [0, 0]
  while (i < a.length || j < b.length) {
    while ((i < a.length && !isDigit(a[i])) || (j < b.length && !isDigit(b[j]))) {
      const difference = weightOf(a[i]) - weightOf(b[j])
      if (difference !== 0) return difference
      i++
      j++
    }
    const [left, right] = [digitsFrom(a, i), digitsFrom(b, j)]
    const difference = compareDigits(left, right)
    if (difference !== 0) return difference
    i += left.length
    j += right.length
  }
  return 0
}

function weightOf(char: string | undefined): number {
  if (char === undefined || isDigit(char)) return 0
  if (char === '~') return -1
  return /[A-Za-z]/.test(char) ? char.charCodeAt(0) : char.charCodeAt(0) + 256
}

function isDigit(char: string | undefined): boolean {
  return char !== undefined && char >= '0' && char <= '9'
}

function digitsFrom(text: string, start: number): string {
  let end = start
  while (isDigit(text[end])) end++
  return text.slice(start, end)
}
