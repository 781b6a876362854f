import { systemClock } from '../lib/time/clock.ts'
import { LimitHub } from './limit-hub.ts'
import { LIMIT_NEWS_INTERVAL_MS, type LimitLoans, type LimitNews } from './limit-news.ts'
import { LimitPeer } from './limit-peer.ts'
import type { LimitPeers } from './limiter.ts'

/** A limiter that shares its limits with others: that of this process, of a worker, or whatever stands for others elsewhere. */
export interface LimitMember {
  /** Whether it was heard of lately. What is sent to one that hangs would wait in memory without a bound. */
  readonly isHeard: boolean
  /** Takes in what is lent to it. */
  lend(loans: LimitLoans): void
}

/**
 * Where the limits of a gateway are shared out: its hub, and when what the hub lends is sent to the members. Every gateway has one.
 * With one member it costs nothing: that limiter holds each bucket whole and goes by the time of arrival, so it has nothing to tell,
 * and without news the hub opens no account and no timer is set.
 */
export class LimitExchange {
  readonly #size: number
  readonly #hub: LimitHub<LimitMember>
  readonly #members = new Set<LimitMember>()
  #cancelSending: (() => void) | null = null
  #isSendingAtOnce = false
  #isStopped = false

  /** For so many members; one that replaces another is not counted. */
  constructor(size: number) {
    this.#size = size
    this.#hub = new LimitHub(size)
  }

  /** What the limiter of a member in this process tells; null when it is the only member. The member joins before it admits anything. */
  peersOf(member: () => LimitMember): LimitPeers | null {
    return this.#size === 1 ? null : new LimitPeer(this.#size, (news) => this.hear(member(), news))
  }

  /** Adds a member; returns what it has to know from the start. */
  join(member: LimitMember): LimitLoans {
    this.#members.add(member)
    return this.#hub.join(member)
  }

  /** Forgets a member. What it held of rates counts as used; its places are free. */
  leave(member: LimitMember): void {
    this.#members.delete(member)
    this.#hub.leave(member)
    this.#schedule()
  }

  /** Takes in what a member tells, and sends what there is to lend soon. */
  hear(member: LimitMember, news: LimitNews): void {
    this.#hub.hear(member, news, performance.now())
    this.#schedule()
  }

  /** Nothing is sent any more. Idempotent. */
  stop(): void {
    this.#isStopped = true
    this.#cancelSending?.()
  }

  /** At once when a member waits for it; otherwise what is lent goes with what the buckets gain. */
  #schedule(): void {
    const { isUrgent, isBusy } = this.#hub
    if (this.#isStopped || (!isUrgent && !isBusy)) return
    if (this.#cancelSending !== null) {
      if (!isUrgent || this.#isSendingAtOnce) return
      this.#cancelSending()
    }
    this.#isSendingAtOnce = isUrgent
    this.#cancelSending = systemClock.later(isUrgent ? 0 : LIMIT_NEWS_INTERVAL_MS, () => this.#send())
  }

  #send(): void {
    this.#cancelSending = null
    this.#isSendingAtOnce = false
    this.#hub.tick(performance.now())
    for (const member of this.#members) {
      // For one that hangs the hub adds up what it has to know.
      if (!member.isHeard) continue
      const loans = this.#hub.loansFor(member)
      if (loans !== null) member.lend(loans)
    }
    this.#schedule()
  }
}
