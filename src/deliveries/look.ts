import type { Asked, WorkItem } from './delivery-store.ts'
import type { RouteQueue } from './route-queue.ts'

/**
 * One look at what waits of a route. One from the first number on is a sweep: what it finds not, there is not, so that what is new may be
 * looked for alone. Of what was passed over because there was no room nothing that is behind it goes before it: a lane that was full takes
 * nothing new, and a sweep that found more than it had room for is followed by another.
 */
export class Look {
  readonly asked: Asked
  readonly #queue: RouteQueue
  readonly #isSweep: boolean
  #found = 0

  /** `afterSeq`: only what is beyond it; 0 for a sweep. */
  constructor(route: string, queue: RouteQueue, afterSeq: number) {
    this.#queue = queue
    this.#isSweep = afterSeq === 0
    if (this.#isSweep) queue.hasGaps = false
    this.asked = {
      route,
      afterSeq,
      known: queue.known(afterSeq),
      lanes: this.#isSweep ? queue.fullLanes : queue.thinnedLanes,
      limit: queue.room,
    }
  }

  found(item: WorkItem, tick: number): void {
    this.#found++
    this.#queue.add([item], tick)
  }

  /** All that was found is added. */
  end(): void {
    if (!this.#isSweep) return
    if (this.#found >= this.asked.limit) this.#queue.hasGaps = true
    else this.#queue.lacksOnly(this.asked.lanes)
  }

  /** The database did not answer. */
  fail(): void {
    if (this.#isSweep) this.#queue.hasGaps = true
  }
}
