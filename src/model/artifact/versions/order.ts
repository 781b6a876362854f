/** What `a` is to `b`: below 0, 0 or above 0 as `a` comes before, is the same version as, or comes after `b`. */
export type Comparison = number

/** How the versions of an ecosystem follow each other. */
export interface VersionOrder {
  /** Compares two versions as written. Null where one of them is none of this ecosystem. Never throws; linear in their length. */
  compare(a: string, b: string): Comparison | null
}

/** Longer texts are no versions: they come from paths, and orders that nest or backtrack must not be led on. */
export const MAX_VERSION_LENGTH = 256

/** Compares decimal digits of any length as numbers. */
export function compareDigits(a: string, b: string): Comparison {
  const left = withoutLeadingZeros(a)
  const right = withoutLeadingZeros(b)
  return left.length - right.length || compareText(left, right)
}

/** The digits without zeros before them; '' for zero. */
export function withoutLeadingZeros(digits: string): string {
  let start = 0
  while (digits[start] === '0') start++
  return digits.slice(start)
}

/** Compares by UTF-16 code units. */
export function compareText(a: string, b: string): Comparison {
  if (a === b) return 0
  return a < b ? -1 : 1
}

/** Makes an order of a reader, which returns null for what is no version, and a comparison of what was read. */
export function orderOf<T>(
  read: (version: string) => T | null,
  compare: (a: T, b: T) => Comparison,
): VersionOrder {
  const parse = (version: string): T | null => (version.length > MAX_VERSION_LENGTH ? null : read(version))
  return {
    compare: (a, b) => {
      const left = parse(a)
      const right = parse(b)
      return left === null || right === null ? null : compare(left, right)
    },
  }
}
