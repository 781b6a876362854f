import { QueueDisplacedError } from './failure.ts'

/** Who holds places of a pool, or waits for them: a tenant, or where there is none a source. */
export class Holder {
  readonly name: string
  /** Places held. */
  busy = 0
  /** Claims that wait. */
  queued = 0
  first: Claim | null = null
  last: Claim | null = null
  /** Neighbours in the round of those who wait. */
  previous: Holder | null = null
  next: Holder | null = null

  constructor(name: string) {
    this.name = name
  }
}

/** Waits for a place. Links of a list: leaving is one step, however many wait. */
export abstract class Claim {
  readonly holder: Holder
  /** Monotonic milliseconds since when it waits. */
  readonly sinceTick: number
  isWaiting = false
  before: Claim | null = null
  after: Claim | null = null

  constructor(holder: Holder, sinceTick: number) {
    this.holder = holder
    this.sinceTick = sinceTick
  }

  /** Its turn has come: the place has been taken for it. */
  abstract take(): void
  /** It gets no place, or lost the one that it had in the queue. */
  abstract refuse(error: Error): void
}

/**
 * A free place is given to a holder only while it has fewer than so many times those that are free: however many one holder
 * asks for, an eighth stays for the others, of that an eighth again, and so on (dynamic thresholds, Choudhury and Hahne 1998).
 * Pools of fewer than 8 places may be one holder's.
 */
const FREE_FACTOR = 7
/** Holders looked at for one free place; those passed over go to the end of the round. */
const MAX_LOOKS = 16
/** Holders kept who have nothing at present: a `Map` that nothing comes and goes in is the cheapest. */
const MAX_KEPT = 64

/**
 * The places of one pool, who holds them, and who waits. Without a queue a place costs one look-up and two comparisons. With one,
 * places go round by holder, first to those below an equal share; each holder's own claims in the order in which they came.
 */
export class Places {
  readonly #size: number
  readonly #maxQueued: number
  readonly #holders = new Map<string, Holder>()
  #turnHead: Holder | null = null
  #turnTail: Holder | null = null
  #active = 0
  running = 0
  queued = 0

  constructor(size: number, maxQueued: number) {
    this.#size = size
    this.#maxQueued = maxQueued
  }

  /** An equal share, at this moment: of those who hold or wait. Not rounded. */
  get fairShare(): number {
    return this.#size / Math.max(1, this.#active)
  }

  /** Every holder at present, those without places included. */
  get holders(): Iterable<Holder> {
    return this.#holders.values()
  }

  /** The holder of a name, known or new. */
  holder(name: string): Holder {
    const known = this.#holders.get(name)
    if (known !== undefined) return known
    const holder = new Holder(name)
    this.#holders.set(name, holder)
    return holder
  }

  /** Takes a place at once; false when the holder has to wait. */
  tryTake(holder: Holder): boolean {
    if (holder.queued > 0 || !this.#isEligible(holder)) return false
    this.#take(holder)
    return true
  }

  /** Gives a place back. `next` is owed after it. */
  release(holder: Holder): void {
    this.running--
    holder.busy--
    this.#settle(holder)
  }

  /** Whether the claim may wait now; a holder who has more may lose its newest claim for it. */
  enqueue(claim: Claim): boolean {
    const { holder } = claim
    const displaced = this.queued < this.#maxQueued ? null : this.#newestOfGreedier(holder)
    if (this.queued >= this.#maxQueued && displaced === null) {
      this.#forget(holder)
      return false
    }
    if (displaced !== null) this.leave(displaced)
    if (holder.busy + holder.queued === 0) this.#active++
    claim.isWaiting = true
    claim.before = holder.last
    if (holder.last === null) holder.first = claim
    else holder.last.after = claim
    holder.last = claim
    holder.queued++
    this.queued++
    if (holder.queued === 1) this.#pushTurn(holder)
    displaced?.refuse(new QueueDisplacedError())
    return true
  }

  /** Takes a claim out of the queue; false when it waits no longer. */
  leave(claim: Claim): boolean {
    if (!claim.isWaiting) return false
    this.#unlink(claim)
    this.#settle(claim.holder)
    return true
  }

  /** The claim whose turn it is, its place taken; null when nobody waits who may have one. */
  next(): Claim | null {
    if (this.queued === 0 || this.running >= this.#size) return null
    const fair = this.fairShare
    let second: Holder | null = null
    for (let looks = 0; looks < MAX_LOOKS; looks++) {
      const holder = this.#turnHead
      if (holder === null || holder === second) break // nobody, or once round
      this.#dropTurn(holder)
      this.#pushTurn(holder)
      if (!this.#isEligible(holder)) continue
      if (holder.busy < fair) return this.#grant(holder)
      second ??= holder
    }
    return second === null ? null : this.#grant(second)
  }

  #grant(holder: Holder): Claim | null {
    const claim = holder.first
    if (claim === null) return null
    this.#take(holder)
    this.#unlink(claim)
    return claim
  }

  #isEligible(holder: Holder): boolean {
    const free = this.#size - this.running
    return free > 0 && holder.busy < FREE_FACTOR * free
  }

  #take(holder: Holder): void {
    if (holder.busy + holder.queued === 0) this.#active++
    holder.busy++
    this.running++
  }

  #settle(holder: Holder): void {
    if (holder.busy + holder.queued > 0) return
    this.#active--
    this.#forget(holder)
  }

  #forget(holder: Holder): void {
    if (this.#holders.size > MAX_KEPT && holder.busy + holder.queued === 0) this.#holders.delete(holder.name)
  }

  #unlink(claim: Claim): void {
    const { holder, before, after } = claim
    claim.isWaiting = false
    if (before === null) holder.first = after
    else before.after = after
    if (after === null) holder.last = before
    else after.before = before
    holder.queued--
    this.queued--
    if (holder.queued === 0) this.#dropTurn(holder)
  }

  /** Only when the queue is full: who has most, if that is more than the asker would have. */
  #newestOfGreedier(asker: Holder): Claim | null {
    let most: Holder | null = null
    for (const holder of this.#holders.values()) {
      if (holder.queued === 0) continue
      if (most === null || holder.busy + holder.queued > most.busy + most.queued) most = holder
    }
    if (most === null || most.busy + most.queued <= asker.busy + asker.queued + 1) return null
    return most.last
  }

  #pushTurn(holder: Holder): void {
    holder.previous = this.#turnTail
    holder.next = null
    if (this.#turnTail === null) this.#turnHead = holder
    else this.#turnTail.next = holder
    this.#turnTail = holder
  }

  #dropTurn(holder: Holder): void {
    const { previous, next } = holder
    if (previous === null) this.#turnHead = next
    else previous.next = next
    if (next === null) this.#turnTail = previous
    else next.previous = previous
    holder.previous = null
    holder.next = null
  }
}
