import { gcraTake, type GcraBucket } from '../lib/gcra.ts'
import type { BucketTakes, LimitNews, TenantInFlight } from './limit-news.ts'

interface HubBucket extends GcraBucket {
  perSecond: number
  burst: number
}

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
  readonly #buckets = new Map<string, HubBucket>()

  /** Buckets remembered. */
  get size(): number {
    return this.#buckets.size
  }

  /** Adds a worker; returns what it has to know from the start. From now on `newsFor` has the rest. */
  join(worker: P, nowMs: number): LimitNews {
    this.#peers.set(worker, { takes: new Map(), changedTenants: new Set(), inFlight: new Map() })
    const takes: BucketTakes[] = []
    for (const [name, { tatMs, perSecond, burst }] of this.#buckets) {
      const used = ((tatMs - nowMs) / 1000) * perSecond
      if (used > 0) takes.push([name, perSecond, burst, used])
    }
    const tenants = new Set([...this.#peers.values()].flatMap((peer) => [...peer.inFlight.keys()]))
    return { takes, inFlight: [...tenants].map((tenant) => [tenant, this.#elsewhere(worker, tenant)]) }
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
      this.#charge(name, { perSecond, burst }, requests, nowMs)
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
    for (const [name, bucket] of this.#buckets) if (bucket.tatMs <= nowMs) this.#buckets.delete(name)
  }

  #charge(name: string, limit: { perSecond: number; burst: number }, requests: number, nowMs: number): void {
    const bucket = this.#buckets.get(name) ?? { tatMs: 0, ...limit }
    bucket.perSecond = limit.perSecond
    bucket.burst = limit.burst
    gcraTake(bucket, limit.perSecond / requests, nowMs)
    this.#buckets.set(name, bucket)
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
