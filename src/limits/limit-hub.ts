import type { BucketTakes, LimitNews, TenantInFlight } from './limit-news.ts'
import { Limiter } from './limiter.ts'

/** What one worker has not been told yet, and what it told. */
interface Peer {
  readonly takes: Map<string, { perSecond: number; burst: number; requests: number }>
  readonly changedTenants: Set<string>
  /** Its own requests in flight, by tenant. */
  readonly inFlight: Map<string, number>
}

/**
 * The primary's side of shared limits: hears each worker, tells each what all others together did, and keeps what is used,
 * so that a new worker does not begin with full buckets. Decides nothing. `P` identifies a worker.
 */
export class LimitHub<P> {
  readonly #peers = new Map<P, Peer>()
  /** Admits nothing: what all workers took, for those to come. */
  readonly #buckets = new Limiter({ idleBucketMs: 0 })

  /** Adds a worker; returns what it has to know from the start. From now on `newsFor` has the rest. */
  join(worker: P, nowMs: number): LimitNews {
    this.#peers.set(worker, { takes: new Map(), changedTenants: new Set(), inFlight: new Map() })
    const tenants = new Set<string>()
    for (const { inFlight } of this.#peers.values()) for (const tenant of inFlight.keys()) tenants.add(tenant)
    return {
      takes: this.#buckets.taken(nowMs),
      inFlight: Array.from(tenants, (tenant) => [tenant, this.#elsewhere(worker, tenant)]),
    }
  }

  /** Forgets a worker and what it had in flight; what it took stays taken. */
  leave(worker: P): void {
    const gone = this.#peers.get(worker)
    this.#peers.delete(worker)
    for (const tenant of gone?.inFlight.keys() ?? []) this.#mark(worker, tenant)
  }

  /** Takes in what a worker told. */
  hear(worker: P, news: LimitNews, nowMs: number): void {
    const told = this.#peers.get(worker)
    if (told === undefined) return
    for (const [name, perSecond, burst, requests] of news.takes) {
      this.#buckets.charge(name, { perSecond, burst }, requests, nowMs)
      for (const [other, peer] of this.#peers) {
        if (other === worker) continue
        const untold = peer.takes.get(name)?.requests ?? 0
        peer.takes.set(name, { perSecond, burst, requests: untold + requests })
      }
    }
    for (const [tenant, requests] of news.inFlight) {
      if (requests > 0) told.inFlight.set(tenant, requests)
      else told.inFlight.delete(tenant)
      this.#mark(worker, tenant)
    }
  }

  /** What a worker has not been told yet; null when it knows all. */
  newsFor(worker: P): LimitNews | null {
    const peer = this.#peers.get(worker)
    if (peer === undefined || peer.takes.size + peer.changedTenants.size === 0) return null
    const takes = [...peer.takes].map(([name, { perSecond, burst, requests }]): BucketTakes => [
      name,
      perSecond,
      burst,
      requests,
    ])
    const inFlight = [...peer.changedTenants].map((tenant): TenantInFlight => {
      return [tenant, this.#elsewhere(worker, tenant)]
    })
    peer.takes.clear()
    peer.changedTenants.clear()
    return { takes, inFlight }
  }

  /** Forgets buckets that are full again. To be called now and then. */
  evictIdle(nowMs: number): void {
    this.#buckets.evictIdle(nowMs)
  }

  #mark(source: P, tenant: string): void {
    for (const [other, peer] of this.#peers) if (other !== source) peer.changedTenants.add(tenant)
  }

  #elsewhere(worker: P, tenant: string): number {
    let sum = 0
    for (const [other, peer] of this.#peers) if (other !== worker) sum += peer.inFlight.get(tenant) ?? 0
    return sum
  }
}
