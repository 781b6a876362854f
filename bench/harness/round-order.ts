/** Each round begins this many places further on: no candidate always has the same neighbour before it. */
const STEP = 5

/**
 * The order in which round 1, 2, … measures: every second round the one before it backwards, so that of two neighbours either is
 * the first as often, and a machine that becomes slower meets both alike.
 */
export function orderOfRound<T>(all: readonly T[], round: number): T[] {
  const turns = Math.floor((round - 1) / 2)
  const first = (turns * STEP) % Math.max(1, all.length)
  const order = [...all.slice(first), ...all.slice(0, first)]
  return round % 2 === 0 ? order.toReversed() : order
}
