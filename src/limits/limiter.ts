import { gcraRemaining, gcraTake, gcraWaitMs, type GcraBucket } from '../lib/gcra.ts'
import type { KeyGrant, TenantGrant } from '../model/grant.ts'
import type { RateLimit, Route } from '../model/route.ts'
import type { LimitPolicy, LimitsStats } from '../model/stats.ts'
import type { BucketTakes } from './limit-news.ts'

/** Why a request was refused, as the client is told (draft-ietf-httpapi-ratelimit-headers-10). */
export interface LimitRefusal {
  /** The rule that refused, also the entry's reason. */
  readonly policy: LimitPolicy
  /** Quota of the policy: requests at once. */
  readonly quota: number
  /** Seconds in which an empty bucket fills again, at least 1; 0 for concurrency, which has no window. */
  readonly windowSeconds: number
  readonly remaining: number
  /** Whole seconds until a request may succeed, at least 1. */
  readonly retryAfterSeconds: number
}

/** One bucket. */
export interface Bucket extends GcraBucket {
  /** `t <tenant>`, `k <key>` or `r <tenant> <route>`. */
  readonly name: string
  /** The limit last applied: tells when the bucket is full again. */
  perSecond: number
  burst: number
  /** Requests taken here that the other workers have not been told of; the peers' own. */
  untold: number
}

/** Hears what is used here, to tell the other workers of this gateway. Called on the hot path: notes, and returns. */
export interface LimitPeers {
  /** A request was taken out of the bucket. */
  took(bucket: Bucket): void
  /** A tenant with a limit of requests at once has so many in flight here, one more than before. */
  admitted(tenant: string, inFlight: number): void
  /** A tenant, with or without such a limit, has so many in flight here, one less than before. */
  released(tenant: string, inFlight: number): void
}

const RETRY_CONCURRENCY_SECONDS = 1

/**
 * Rates and concurrency, in memory. With peers the buckets also hold what the gateway's other workers took, a moment later:
 * see `LimitPeer` for the bound. Limits come with each request from the snapshot and the route, so
 * a change acts on the next request; the buckets keep only what was used. A refused request takes nothing from any bucket.
 *
 * Memory is bounded by what is registered, not by what clients send: only authenticated requests get here, so there are
 * at most tenants + keys + tenants × routes buckets, and those not used for `idleBucketMs` are evicted.
 */
export class Limiter {
  readonly #buckets = new Map<string, Bucket>()
  readonly #inFlight = new Map<string, number>()
  /** Requests in flight in other workers, of tenants with a limit of them; empty without peers. */
  readonly #elsewhere = new Map<string, number>()
  readonly #peers: LimitPeers | null
  readonly #refusals: Record<LimitPolicy, number> = {
    tenant_rate: 0,
    key_rate: 0,
    route_rate: 0,
    tenant_concurrency: 0,
  }
  readonly #idleBucketMs: number

  constructor(options: { idleBucketMs: number; peers?: LimitPeers | null }) {
    this.#idleBucketMs = options.idleBucketMs
    this.#peers = options.peers ?? null
  }

  /** Read-only view for metrics. */
  get stats(): LimitsStats {
    return { buckets: this.#buckets.size, inFlightTenants: this.#inFlight.size, refusals: this.#refusals }
  }

  /**
   * Admits a request, or says why not. On null the caller owes one `release(tenant.slug)`.
   * All rules are asked before any is charged. `nowMs` must be monotonic.
   */
  admit(tenant: TenantGrant, key: KeyGrant, route: Route, nowMs: number): LimitRefusal | null {
    const inFlight = this.#inFlight.get(tenant.slug) ?? 0
    if (
      tenant.maxConcurrency !== null &&
      inFlight + this.#elsewhereOf(tenant.slug) >= tenant.maxConcurrency
    ) {
      this.#refusals.tenant_concurrency++
      return {
        policy: 'tenant_concurrency',
        quota: tenant.maxConcurrency,
        windowSeconds: 0,
        remaining: 0,
        retryAfterSeconds: RETRY_CONCURRENCY_SECONDS,
      }
    }
    const routeLimit = tenant.routeRateLimits.get(route.name) ?? route.rateLimit
    const ofTenant = tenant.rateLimit && this.#bucket(`t ${tenant.slug}`, tenant.rateLimit, nowMs)
    const ofKey = key.rateLimit && this.#bucket(`k ${key.id}`, key.rateLimit, nowMs)
    const ofRoute = routeLimit && this.#bucket(`r ${tenant.slug} ${route.name}`, routeLimit, nowMs)
    const refusal =
      this.#ask('tenant_rate', ofTenant, nowMs) ??
      this.#ask('key_rate', ofKey, nowMs) ??
      this.#ask('route_rate', ofRoute, nowMs)
    if (refusal !== null) return refusal
    if (ofTenant) this.#take(ofTenant, nowMs)
    if (ofKey) this.#take(ofKey, nowMs)
    if (ofRoute) this.#take(ofRoute, nowMs)
    this.#inFlight.set(tenant.slug, inFlight + 1)
    if (tenant.maxConcurrency !== null) this.#peers?.admitted(tenant.slug, inFlight + 1)
    return null
  }

  /** Ends an admitted request. */
  release(tenant: string): void {
    const left = (this.#inFlight.get(tenant) ?? 0) - 1
    if (left > 0) this.#inFlight.set(tenant, left)
    else this.#inFlight.delete(tenant)
    this.#peers?.released(tenant, Math.max(0, left))
  }

  /** Takes requests that another worker admitted out of the bucket, beyond its burst if need be: that debt is paid back first. */
  charge(name: string, limit: RateLimit, requests: number, nowMs: number): void {
    const bucket = this.#bucket(name, limit, nowMs)
    bucket.tatMs = Math.max(bucket.tatMs, nowMs) + (requests * 1000) / bucket.perSecond
  }

  /** What is taken out of the buckets and has not come back, as `charge` takes it. */
  taken(nowMs: number): BucketTakes[] {
    const takes: BucketTakes[] = []
    for (const { name, tatMs, perSecond, burst } of this.#buckets.values()) {
      if (tatMs > nowMs) takes.push([name, perSecond, burst, ((tatMs - nowMs) / 1000) * perSecond])
    }
    return takes
  }

  /** What a tenant has in flight in all other workers. */
  setElsewhere(tenant: string, requests: number): void {
    if (requests > 0) this.#elsewhere.set(tenant, requests)
    else this.#elsewhere.delete(tenant)
  }

  /** Evicts buckets that are full again and were not used for `idleBucketMs`. Called from the gateway's clock, not per request. */
  evictIdle(nowMs: number): void {
    for (const [name, bucket] of this.#buckets) {
      if (bucket.tatMs + this.#idleBucketMs < nowMs) this.#buckets.delete(name)
    }
  }

  #bucket(name: string, limit: RateLimit, nowMs: number): Bucket {
    let bucket = this.#buckets.get(name)
    if (bucket === undefined) {
      bucket = { name, tatMs: 0, perSecond: limit.perSecond, burst: limit.burst, untold: 0 }
      this.#buckets.set(name, bucket)
    } else if (bucket.perSecond !== limit.perSecond || bucket.burst !== limit.burst) {
      // What was used stays used, in requests: the time it takes to come back is that of the new rate.
      const used = (Math.max(bucket.tatMs - nowMs, 0) / 1000) * bucket.perSecond
      bucket.tatMs = nowMs + (Math.min(used, limit.burst) * 1000) / limit.perSecond
      bucket.perSecond = limit.perSecond
      bucket.burst = limit.burst
    }
    return bucket
  }

  #take(bucket: Bucket, nowMs: number): void {
    gcraTake(bucket, bucket.perSecond, nowMs)
    this.#peers?.took(bucket)
  }

  #elsewhereOf(tenant: string): number {
    return this.#peers === null ? 0 : (this.#elsewhere.get(tenant) ?? 0)
  }

  #ask(policy: LimitPolicy, bucket: Bucket | null, nowMs: number): LimitRefusal | null {
    if (bucket === null) return null
    const { perSecond, burst } = bucket
    const waitMs = gcraWaitMs(bucket, perSecond, burst, nowMs)
    if (waitMs === 0) return null
    this.#refusals[policy]++
    return {
      policy,
      quota: burst,
      windowSeconds: Math.max(1, Math.ceil(burst / perSecond)),
      remaining: gcraRemaining(bucket, perSecond, burst, nowMs),
      retryAfterSeconds: Math.max(1, Math.ceil(waitMs / 1000)),
    }
  }
}
