import { compareDigits, compareText, type Comparison, orderOf, withoutLeadingZeros } from './order.ts'

const VERSION = /^[0-9]+(?:\.[0-9a-z]+)*(?:-[0-9a-z-]+(?:\.[0-9a-z-]+)*)?$/i

/** RubyGems' order (Gem::Version#<=>): `-` stands for `.pre.`, letters come before numbers. */
export const rubygemsOrder = orderOf(read, compare)

/** Numbers and runs of letters, without zeros that say nothing. */
function read(version: string): string[] | null {
  if (!VERSION.test(version)) return null
  const segments = version.replaceAll('-', '.pre.').match(/\d+|[a-z]+/gi) ?? []
  const cut = segments.findIndex((segment) => !isNumber(segment))
  const end = cut === -1 ? segments.length : cut
  return [...withoutZeros(segments.slice(0, end)), ...withoutZeros(segments.slice(end))]
}

function withoutZeros(segments: readonly string[]): string[] {
  const last = segments.findLastIndex((segment) => !isNumber(segment) || withoutLeadingZeros(segment) !== '')
  return segments.slice(0, last + 1)
}

function compare(a: readonly string[], b: readonly string[]): Comparison {
  for (let i = 0; i < Math.max(a.length, b.length); i++) {
    const [left, right] = [a[i] ?? '0', b[i] ?? '0']
    const [isLeft, isRight] = [isNumber(left), isNumber(right)]
    if (isLeft !== isRight) return isLeft ? 1 : -1
    const difference = isLeft ? compareDigits(left, right) : compareText(left, right)
    if (difference !== 0) return difference
  }
  return 0
}

function isNumber(segment: string): boolean {
  return segment.charCodeAt(0) <= 57
}
