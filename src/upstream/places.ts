import { QueueDisplacedError } from './failure.ts'

/** One holder's part of a pool: a tenant's, or where there is no tenant a source's. */
export class Share {
  readonly holder: string
  /** Places held. */
  busy = 0
  /** Claims that wait. */
  queued = 0
  first: Claim | null = null
  last: Claim | null = null
  /** Neighbours in the round of those who wait. */
  previous: Share | null = null
  next: Share | null = null

  constructor(holder: string) {
    this.holder = holder
  }
}

/** Waits for a place. Links of a list: leaving is one step, however many wait. */
export abstract class Claim {
  readonly share: Share
  /** Monotonic milliseconds since when it waits. */
  readonly sinceTick: number
  isWaiting = false
  before: Claim | null = null
  after: Claim | null = null

  constructor(share: Share, sinceTick: number) {
    this.share = share
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
/** Shares kept of holders who have nothing at present: a `Map` that nothing comes and goes in is the cheapest. */
const MAX_KEPT = 64

/**
 * The places of one pool, who holds them, and who waits. Without a queue a place costs one look-up and two comparisons. With one,
 * places go round by holder, first to those below an equal share; each holder's own claims in the order in which they came.
 */
export class Places {
  readonly #size: number
  readonly #maxQueued: number
  readonly #shares = new Map<string, Share>()
  #turnHead: Share | null = null
  #turnTail: Share | null = null
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

  /** Every share at present, those without places included. */
  get shares(): Iterable<Share> {
    return this.#shares.values()
  }

  share(holder: string): Share {
    const known = this.#shares.get(holder)
    if (known !== undefined) return known
    const share = new Share(holder)
    this.#shares.set(holder, share)
    return share
  }

  /** Takes a place at once; false when the holder has to wait. */
  tryTake(share: Share): boolean {
    if (share.queued > 0 || !this.#isEligible(share)) return false
    this.#take(share)
    return true
  }

  /** Gives a place back. `next` is owed after it. */
  release(share: Share): void {
    this.running--
    share.busy--
    this.#settle(share)
  }

  /** Whether the claim may wait now; a holder who has more may lose its newest claim for it. */
  enqueue(claim: Claim): boolean {
    const { share } = claim
    const displaced = this.queued < this.#maxQueued ? null : this.#newestOfGreedier(share)
    if (this.queued >= this.#maxQueued && displaced === null) {
      this.#forget(share)
      return false
    }
    if (displaced !== null) this.leave(displaced)
    if (share.busy + share.queued === 0) this.#active++
    claim.isWaiting = true
    claim.before = share.last
    if (share.last === null) share.first = claim
    else share.last.after = claim
    share.last = claim
    share.queued++
    this.queued++
    if (share.queued === 1) this.#pushTurn(share)
    displaced?.refuse(new QueueDisplacedError())
    return true
  }

  /** Takes a claim out of the queue; false when it waits no longer. */
  leave(claim: Claim): boolean {
    if (!claim.isWaiting) return false
    this.#unlink(claim)
    this.#settle(claim.share)
    return true
  }

  /** The claim whose turn it is, its place taken; null when nobody waits who may have one. */
  next(): Claim | null {
    if (this.queued === 0 || this.running >= this.#size) return null
    const fair = this.fairShare
    let second: Share | null = null
    for (let looks = 0; looks < MAX_LOOKS; looks++) {
      const share = this.#turnHead
      if (share === null || share === second) break // nobody, or once round
      this.#dropTurn(share)
      this.#pushTurn(share)
      if (!this.#isEligible(share)) continue
      if (share.busy < fair) return this.#grant(share)
      second ??= share
    }
    return second === null ? null : this.#grant(second)
  }

  #grant(share: Share): Claim | null {
    const claim = share.first
    if (claim === null) return null
    this.#take(share)
    this.#unlink(claim)
    return claim
  }

  #isEligible(share: Share): boolean {
    const free = this.#size - this.running
    return free > 0 && share.busy < FREE_FACTOR * free
  }

  #take(share: Share): void {
    if (share.busy + share.queued === 0) this.#active++
    share.busy++
    this.running++
  }

  #settle(share: Share): void {
    if (share.busy + share.queued > 0) return
    this.#active--
    this.#forget(share)
  }

  #forget(share: Share): void {
    if (this.#shares.size > MAX_KEPT && share.busy + share.queued === 0) this.#shares.delete(share.holder)
  }

  #unlink(claim: Claim): void {
    const { share, before, after } = claim
    claim.isWaiting = false
    if (before === null) share.first = after
    else before.after = after
    if (after === null) share.last = before
    else after.before = before
    share.queued--
    this.queued--
    if (share.queued === 0) this.#dropTurn(share)
  }

  /** Only when the queue is full: who has most, if that is more than the asker would have. */
  #newestOfGreedier(asker: Share): Claim | null {
    let most: Share | null = null
    for (const share of this.#shares.values()) {
      if (share.queued === 0) continue
      if (most === null || share.busy + share.queued > most.busy + most.queued) most = share
    }
    if (most === null || most.busy + most.queued <= asker.busy + asker.queued + 1) return null
    return most.last
  }

  #pushTurn(share: Share): void {
    share.previous = this.#turnTail
    share.next = null
    if (this.#turnTail === null) this.#turnHead = share
    else this.#turnTail.next = share
    this.#turnTail = share
  }

  #dropTurn(share: Share): void {
    const { previous, next } = share
    if (previous === null) this.#turnHead = next
    else previous.next = next
    if (next === null) this.#turnTail = previous
    else next.previous = previous
    share.previous = null
    share.next = null
  }
}
