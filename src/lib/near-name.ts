/** Longer names are compared with nothing: the table below grows with the product of both lengths. */
const MAX_LENGTH = 100

/**
 * Letters to insert, remove, exchange or swap with a neighbour to get from one text to the other: the "optimal string alignment"
 * distance (a restricted Damerau distance, in which no letter is edited twice).
 */
export function editDistance(a: string, b: string): number {
  let beforeLast: number[] = []
  let last = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const cost = a[i - 1] === b[j - 1] ? 0 : 1
      let least = Math.min((last[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1, (last[j - 1] ?? 0) + cost)
      const isSwap = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]
      if (isSwap) least = Math.min(least, (beforeLast[j - 2] ?? 0) + 1)
      row.push(least)
    }
    beforeLast = last
    last = row
  }
  return last[b.length] ?? 0
}

/** The candidate that was most likely meant: at most a third of the letters differ, three at most. Null when none is that near. */
export function nearestName(name: string, candidates: Iterable<string>): string | null {
  const typed = name.toLowerCase()
  let best: string | null = null
  let least = Math.min(Math.max(1, Math.floor(typed.length / 3)), 3, typed.length - 1) + 1
  if (typed.length > MAX_LENGTH) return null
  for (const candidate of candidates) {
    // The distance is at least the difference of the lengths: most candidates cost no table.
    if (candidate.length > MAX_LENGTH || Math.abs(candidate.length - typed.length) >= least) continue
    const distance = editDistance(typed, candidate.toLowerCase())
    if (distance >= least) continue
    best = candidate
    least = distance
  }
  return best
}

/** The end of a message about a name that does not exist: `; did you mean "npm"?`, or nothing. */
export function didYouMean(name: string, candidates: Iterable<string>): string {
  const meant = nearestName(name, candidates)
  return meant === null ? '' : `; did you mean "${meant}"?`
}

/**
 * Whether a name looks like another one mistyped, and not like its sibling: one letter more, less, other or swapped in a word of
 * four letters or more. `team-2` and `team-b` are siblings of `team-1` and `team-a`; `acmee` is none of `acme`.
 */
export function isSlipOf(name: string, other: string): boolean {
  const [words, others] = [name.split('-'), other.split('-')]
  if (words.length !== others.length) return editDistance(name, other) === 1 && name.length > 3
  const pairs = words.map((word, i): [string, string] => [word, others[i] ?? ''])
  const [pair, ...more] = pairs.filter(([a, b]) => a !== b)
  if (pair === undefined || more.length > 0) return false
  const [a, b] = pair
  const isNumbered = a.replaceAll(/\d/g, '') === b.replaceAll(/\d/g, '')
  return !isNumbered && Math.max(a.length, b.length) >= 4 && editDistance(a, b) === 1
}
