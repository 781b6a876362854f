import { gcraRemaining, gcraTake, gcraWaitMs, type GcraBucket } from '../lib/gcra.ts'
import type { KeyGrant, TenantGrant } from '../model/grant.ts'
import type { RateLimit, Route } from '../model/route.ts'
import type { LimitPolicy, LimitsStats } from '../model/stats.ts'

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

interface Bucket extends GcraBucket {
  /** The limit last applied: tells when the bucket is full again. */
  perSecond: number
  burst: number
}

const RETRY_CONCURRENCY_SECONDS = 1

/**
 * Rates and concurrency of one gateway process, in memory. Limits come with each request from the snapshot and the route, so
 * a change acts on the next request; the buckets keep only what was used. A refused request takes nothing from any bucket.
 *
 * Memory is bounded by what is registered, not by what clients send: only authenticated requests get here, so there are
 * at most tenants + keys + tenants × routes buckets, and those not used for `idleBucketMs` are evicted.
 */
export class Limiter {
  readonly #buckets = new Map<string, Bucket>()
  readonly #inFlight = new Map<string, number>()
  readonly #refusals: Record<LimitPolicy, number> = {
    tenant_rate: 0,
    key_rate: 0,
    route_rate: 0,
    tenant_concurrency: 0,
  }
  readonly #idleBucketMs: number

  constructor(options: { idleBucketMs: number }) {
    this.#idleBucketMs = options.idleBucketMs
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
    if (tenant.maxConcurrency !== null && inFlight >= tenant.maxConcurrency) {
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
    if (ofTenant) gcraTake(ofTenant, ofTenant.perSecond, nowMs)
    if (ofKey) gcraTake(ofKey, ofKey.perSecond, nowMs)
    if (ofRoute) gcraTake(ofRoute, ofRoute.perSecond, nowMs)
    this.#inFlight.set(tenant.slug, inFlight + 1)
    return null
  }

  /** Ends an admitted request. */
  release(tenant: string): void {
    const left = (this.#inFlight.get(tenant) ?? 0) - 1
    if (left > 0) this.#inFlight.set(tenant, left)
    else this.#inFlight.delete(tenant)
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
      bucket = { tatMs: 0, perSecond: limit.perSecond, burst: limit.burst }
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
