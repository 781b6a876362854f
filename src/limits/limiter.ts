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

/** What is known of a tenant. Looked up by its slug, whose hash the string keeps: no name is put together per request. */
interface TenantUse {
  inFlight: number
  bucket: Bucket | null
  readonly byRoute: Map<string, Bucket>
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
  readonly #tenants = new Map<string, TenantUse>()
  readonly #byKey = new Map<string, Bucket>()
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
    let buckets = this.#byKey.size
    let inFlightTenants = 0
    for (const { inFlight, bucket, byRoute } of this.#tenants.values()) {
      buckets += byRoute.size + (bucket === null ? 0 : 1)
      if (inFlight > 0) inFlightTenants++
    }
    return { buckets, inFlightTenants, refusals: this.#refusals }
  }

  /**
   * Admits a request, or says why not. On null the caller owes one `release(tenant.slug)`.
   * All rules are asked before any is charged. `nowMs` must be monotonic.
   */
  admit(tenant: TenantGrant, key: KeyGrant, route: Route, nowMs: number): LimitRefusal | null {
    const use = this.#useOf(tenant.slug)
    if (tenant.maxConcurrency !== null && use.inFlight >= tenant.maxConcurrency) {
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
    const ofTenant = tenant.rateLimit && (use.bucket = bucketFor(use.bucket, tenant.rateLimit, nowMs))
    const ofKey = key.rateLimit && bucketIn(this.#byKey, key.id, key.rateLimit, nowMs)
    const ofRoute = routeLimit && bucketIn(use.byRoute, route.name, routeLimit, nowMs)
    const refusal =
      this.#ask('tenant_rate', ofTenant, nowMs) ??
      this.#ask('key_rate', ofKey, nowMs) ??
      this.#ask('route_rate', ofRoute, nowMs)
    if (refusal !== null) return refusal
    if (ofTenant) gcraTake(ofTenant, ofTenant.perSecond, nowMs)
    if (ofKey) gcraTake(ofKey, ofKey.perSecond, nowMs)
    if (ofRoute) gcraTake(ofRoute, ofRoute.perSecond, nowMs)
    use.inFlight++
    return null
  }

  /** Ends an admitted request. */
  release(tenant: string): void {
    const use = this.#tenants.get(tenant)
    if (use !== undefined && use.inFlight > 0) use.inFlight--
  }

  /** Evicts buckets that are full again and were not used for `idleBucketMs`. Called from the gateway's clock, not per request. */
  evictIdle(nowMs: number): void {
    this.#evictFrom(this.#byKey, nowMs)
    for (const [slug, use] of this.#tenants) {
      this.#evictFrom(use.byRoute, nowMs)
      if (use.bucket !== null && this.#isIdle(use.bucket, nowMs)) use.bucket = null
      if (use.bucket === null && use.byRoute.size === 0 && use.inFlight === 0) this.#tenants.delete(slug)
    }
  }

  #evictFrom(buckets: Map<string, Bucket>, nowMs: number): void {
    for (const [name, bucket] of buckets) if (this.#isIdle(bucket, nowMs)) buckets.delete(name)
  }

  #isIdle(bucket: Bucket, nowMs: number): boolean {
    return bucket.tatMs + this.#idleBucketMs < nowMs
  }

  #useOf(tenant: string): TenantUse {
    let use = this.#tenants.get(tenant)
    if (use === undefined) {
      use = { inFlight: 0, bucket: null, byRoute: new Map() }
      this.#tenants.set(tenant, use)
    }
    return use
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

/** The bucket with this limit applied; a new, full one for null. */
function bucketFor(bucket: Bucket | null, limit: RateLimit, nowMs: number): Bucket {
  if (bucket === null) return { tatMs: 0, perSecond: limit.perSecond, burst: limit.burst }
  if (bucket.perSecond !== limit.perSecond || bucket.burst !== limit.burst) {
    // What was used stays used, in requests: the time it takes to come back is that of the new rate.
    const used = (Math.max(bucket.tatMs - nowMs, 0) / 1000) * bucket.perSecond
    bucket.tatMs = nowMs + (Math.min(used, limit.burst) * 1000) / limit.perSecond
    bucket.perSecond = limit.perSecond
    bucket.burst = limit.burst
  }
  return bucket
}

function bucketIn(buckets: Map<string, Bucket>, name: string, limit: RateLimit, nowMs: number): Bucket {
  const known = buckets.get(name)
  const bucket = bucketFor(known ?? null, limit, nowMs)
  if (known === undefined) buckets.set(name, bucket)
  return bucket
}
