/** What is known of a worker when connections are shared out. */
export interface Candidate {
  /** Connections that it has, as it told last. */
  readonly connections: number
  /** Whether it accepts, and up to how many connections; 0 when it does not. */
  readonly acceptsUpTo: number
}

/** Connections that a worker may have more than the one with the fewest. */
const SLACK = 8
/** … and more of them where there are many: this share of the fewest. */
const SLACK_SHARE = 0.1
/** Workers that accept at the same time: each new connection wakes all that do and have nothing else to do. */
const MAX_ACCEPTING = 8

/**
 * Up to how many connections each candidate shall accept; 0 for not at all. All share one listening socket, and whoever wakes first
 * takes what there is; so that nobody takes more than others for long, a worker stops by itself at its number, says so,
 * and goes on when the others have caught up. The one with the fewest always accepts, unless the gateway has
 * `maxConnections`: then connections wait in the kernel.
 */
export function connectionShares<C extends Candidate>(
  candidates: readonly C[],
  maxConnections: number,
): Map<C, number> {
  const fewest = Math.min(...candidates.map(({ connections }) => connections))
  const slack = Math.max(SLACK, Math.floor(fewest * SLACK_SHARE))
  const upTo = Math.min(fewest + slack, Math.floor(maxConnections / Math.max(1, candidates.length)))
  const byFewest = candidates.toSorted((a, b) => a.connections - b.connections)
  const shares = new Map<C, number>()
  let accepting = 0
  for (const candidate of byFewest) {
    const { connections, acceptsUpTo } = candidate
    // One that stopped begins again with room for half the slack, lest it stop at the next connection.
    const room = acceptsUpTo > 0 ? 0 : Math.floor(slack / 2)
    const mayAccept = connections + room < upTo || connections === fewest
    const shall = mayAccept && connections < upTo && accepting < MAX_ACCEPTING
    if (shall) accepting++
    shares.set(candidate, shall ? upTo : 0)
  }
  return shares
}
