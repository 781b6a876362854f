import { gcraRemaining, gcraTake, gcraWaitMs, type GcraBucket } from '../lib/gcra.ts'
import type { KeyGrant, TenantGrant } from '../model/grant.ts'
import type { RateLimit, Route } from '../model/route.ts'
import type { LimitPolicy, LimitsStats } from '../model/stats.ts'
import { AuthFailures, type FailureLimit } from './auth-failures.ts'
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

/** What is known of a tenant. Looked up by its slug, whose hash the string keeps: no name is put together per request. */
interface TenantUse {
  inFlight: number
  /** In flight in other workers; 0 without peers. */
  elsewhere: number
  bucket: Bucket | null
  readonly byRoute: Map<string, Bucket>
  /** What the names of `byRoute` begin with. */
  readonly routeOwner: string
}

const RETRY_CONCURRENCY_SECONDS = 1

/**
 * Rates and concurrency, in memory. With peers the buckets also hold what the gateway's other workers took, a moment later:
 * see `LimitPeer` for the bound. Limits come with each request from the snapshot and the route, so
 * a change acts on the next request; the buckets keep only what was used. A refused request takes nothing from any bucket.
 *
 * Memory is bounded by what is registered, not by what clients send: only authenticated requests get here, so there are
 * at most tenants + keys + tenants × routes buckets, and those not used for `idleBucketMs` are evicted. Wrong credentials
 * are counted apart, by source, in a map with a bound of its own.
 */
export class Limiter {
  readonly #tenants = new Map<string, TenantUse>()
  readonly #byKey = new Map<string, Bucket>()
  readonly #peers: LimitPeers | null
  readonly #refusals: Record<LimitPolicy, number> = {
    tenant_rate: 0,
    key_rate: 0,
    route_rate: 0,
    tenant_concurrency: 0,
    auth_throttled: 0,
  }
  readonly #idleBucketMs: number
  readonly #failures: AuthFailures | null

  /** Without `failures` wrong credentials are not counted. */
  constructor(options: { idleBucketMs: number; peers?: LimitPeers | null; failures?: FailureLimit | null }) {
    this.#idleBucketMs = options.idleBucketMs
    this.#failures = options.failures ? new AuthFailures(options.failures) : null
    this.#peers = options.peers ?? null
  }

  /** Read-only view for metrics. */
  get stats(): LimitsStats {
    let buckets = this.#byKey.size + (this.#failures?.size ?? 0)
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
    if (tenant.maxConcurrency !== null && use.inFlight + use.elsewhere >= tenant.maxConcurrency) {
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
    const ofTenant =
      tenant.rateLimit && (use.bucket = bucketFor(use.bucket, 't', tenant.slug, tenant.rateLimit, nowMs))
    const ofKey = key.rateLimit && bucketIn(this.#byKey, key.id, 'k', key.rateLimit, nowMs)
    const ofRoute = routeLimit && bucketIn(use.byRoute, route.name, use.routeOwner, routeLimit, nowMs)
    const refusal =
      this.#ask('tenant_rate', ofTenant, nowMs) ??
      this.#ask('key_rate', ofKey, nowMs) ??
      this.#ask('route_rate', ofRoute, nowMs)
    if (refusal !== null) return refusal
    if (ofTenant) this.#take(ofTenant, nowMs)
    if (ofKey) this.#take(ofKey, nowMs)
    if (ofRoute) this.#take(ofRoute, nowMs)
    use.inFlight++
    if (tenant.maxConcurrency !== null) this.#peers?.admitted(tenant.slug, use.inFlight)
    return null
  }

  /** Counts wrong credentials from a source, or says that it has presented too many. `nowMs` must be monotonic. */
  noteFailure(source: string, nowMs: number): LimitRefusal | null {
    const refusal = this.#failures?.note(source, nowMs) ?? null
    if (refusal !== null) this.#refusals.auth_throttled++
    return refusal
  }

  /** Ends an admitted request. */
  release(tenant: string): void {
    const use = this.#tenants.get(tenant)
    if (use !== undefined && use.inFlight > 0) use.inFlight--
    this.#peers?.released(tenant, use?.inFlight ?? 0)
  }

  /** Takes requests that another worker admitted out of the bucket, beyond its burst if need be: that debt is paid back first. */
  charge(name: string, limit: RateLimit, requests: number, nowMs: number): void {
    const bucket = this.#named(name, limit, nowMs)
    bucket.tatMs = Math.max(bucket.tatMs, nowMs) + (requests * 1000) / bucket.perSecond
  }

  /** What is taken out of the buckets and has not come back, as `charge` takes it. */
  taken(nowMs: number): BucketTakes[] {
    const takes: BucketTakes[] = []
    for (const { name, tatMs, perSecond, burst } of this.#buckets()) {
      if (tatMs > nowMs) takes.push([name, perSecond, burst, ((tatMs - nowMs) / 1000) * perSecond])
    }
    return takes
  }

  /** What a tenant has in flight in all other workers. */
  setElsewhere(tenant: string, requests: number): void {
    this.#useOf(tenant).elsewhere = requests
  }

  /** Evicts buckets that are full again and were not used for `idleBucketMs`. Called from the gateway's clock, not per request. */
  evictIdle(nowMs: number): void {
    this.#failures?.evictFull(nowMs)
    this.#evictFrom(this.#byKey, nowMs)
    for (const [slug, use] of this.#tenants) {
      this.#evictFrom(use.byRoute, nowMs)
      if (use.bucket !== null && this.#isIdle(use.bucket, nowMs)) use.bucket = null
      const isIdle = use.inFlight === 0 && use.elsewhere === 0
      if (use.bucket === null && use.byRoute.size === 0 && isIdle) this.#tenants.delete(slug)
    }
  }

  #evictFrom(buckets: Map<string, Bucket>, nowMs: number): void {
    for (const [name, bucket] of buckets) if (this.#isIdle(bucket, nowMs)) buckets.delete(name)
  }

  #isIdle(bucket: Bucket, nowMs: number): boolean {
    return bucket.tatMs + this.#idleBucketMs < nowMs
  }

  *#buckets(): IterableIterator<Bucket> {
    yield* this.#byKey.values()
    for (const { bucket, byRoute } of this.#tenants.values()) {
      if (bucket !== null) yield bucket
      yield* byRoute.values()
    }
  }

  /** The bucket of a name that a peer told (see Bucket). */
  #named(name: string, limit: RateLimit, nowMs: number): Bucket {
    const [kind, id = '', route = ''] = name.split(' ')
    if (kind === 'k') return bucketIn(this.#byKey, id, 'k', limit, nowMs)
    const use = this.#useOf(id)
    if (kind === 'r') return bucketIn(use.byRoute, route, use.routeOwner, limit, nowMs)
    return (use.bucket = bucketFor(use.bucket, 't', id, limit, nowMs))
  }

  #useOf(tenant: string): TenantUse {
    let use = this.#tenants.get(tenant)
    if (use === undefined) {
      use = { inFlight: 0, elsewhere: 0, bucket: null, byRoute: new Map(), routeOwner: `r ${tenant}` }
      this.#tenants.set(tenant, use)
    }
    return use
  }

  #take(bucket: Bucket, nowMs: number): void {
    gcraTake(bucket, bucket.perSecond, nowMs)
    this.#peers?.took(bucket)
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

/** The bucket with this limit applied; a new, full one, named after its owner, for none. */
function bucketFor(
  bucket: Bucket | null | undefined,
  owner: string,
  id: string,
  limit: RateLimit,
  nowMs: number,
): Bucket {
  const { perSecond, burst } = limit
  if (bucket === null || bucket === undefined)
    return { name: `${owner} ${id}`, tatMs: 0, perSecond, burst, untold: 0 }
  if (bucket.perSecond !== perSecond || bucket.burst !== burst) {
    // What was used stays used, in requests: the time it takes to come back is that of the new rate.
    const used = (Math.max(bucket.tatMs - nowMs, 0) / 1000) * bucket.perSecond
    bucket.tatMs = nowMs + (Math.min(used, burst) * 1000) / perSecond
    bucket.perSecond = perSecond
    bucket.burst = burst
  }
  return bucket
}

function bucketIn(
  buckets: Map<string, Bucket>,
  id: string,
  owner: string,
  limit: RateLimit,
  nowMs: number,
): Bucket {
  const known = buckets.get(id)
  const bucket = bucketFor(known, owner, id, limit, nowMs)
  if (known === undefined) buckets.set(id, bucket)
  return bucket
}
