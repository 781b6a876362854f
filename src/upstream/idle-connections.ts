import type { Holder } from './places.ts'
import type { UpstreamConnection } from './connection.ts'

/** How far down from the newest a connection of the same holder is looked for. */
const MAX_LOOKS = 8

/**
 * Idle connections of one pool in the order in which they became so.
 *
 *     oldest ◄──► … ◄──► newest        every step is one of links, however many there are
 */
export class IdleConnections {
  oldest: UpstreamConnection | null = null
  #newest: UpstreamConnection | null = null
  size = 0

  add(connection: UpstreamConnection): void {
    connection.isIdle = true
    connection.older = this.#newest
    connection.newer = null
    if (this.#newest === null) this.oldest = connection
    else this.#newest.newer = connection
    this.#newest = connection
    this.size++
  }

  /** Takes one out; does nothing when it is not in. */
  remove(connection: UpstreamConnection): void {
    if (!connection.isIdle) return
    const { older, newer } = connection
    if (older === null) this.oldest = newer
    else older.newer = newer
    if (newer === null) this.#newest = older
    else newer.older = older
    connection.isIdle = false
    connection.older = null
    connection.newer = null
    this.size--
  }

  /** One that the holder had last: among the newest, so that those too many run out. Not taken out. */
  ofHolder(holder: Holder): UpstreamConnection | null {
    let connection = this.#newest
    for (let looks = 0; connection !== null && looks < MAX_LOOKS; looks++) {
      if (connection.holder.name === holder.name) return connection
      connection = connection.older
    }
    return null
  }

  *[Symbol.iterator](): Iterator<UpstreamConnection> {
    let connection = this.oldest
    while (connection !== null) {
      const { newer } = connection
      yield connection
      connection = newer
    }
  }
}
