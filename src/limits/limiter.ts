import { gcraRemaining, gcraTake, gcraWaitMs, type GcraBucket } from '../lib/gcra.ts'
import type { KeyGrant, TenantGrant } from '../model/grant.ts'
import { rateForRoute } from '../model/tenant-settings.ts'
import type { RateLimit, Route } from '../model/route.ts'
import type { LimitPolicy, LimitsStats } from '../model/stats.ts'
import { HoldQueue } from './hold-queue.ts'
import { AuthFailures, type FailureLimit } from './auth-failures.ts'
import type { LimitLoans } from './limit-news.ts'
import { LoanWaiters } from './loan-waiters.ts'

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
  /** There may be enough of it, lent to other workers, and it was asked for, or the request may be held: not final, and not counted. */
  readonly mayCome?: true
}

/** One bucket. Alone in the gateway it goes by its time of arrival, among workers by what is lent to this one. */
export interface Bucket extends GcraBucket {
  /** `t <tenant>`, `k <key>`, `r <tenant> <route>`, or `c <tenant>` for places of requests at once. */
  readonly name: string
  /** The limit last applied: tells when the bucket is full again. */
  perSecond: number
  burst: number
  /** Requests that may be admitted here; of places all that are this worker's, those in use included. */
  lent: number
  inUse: number
  /** Content of the whole bucket when the primary last told it, and that time: for Retry-After. */
  left: number
  leftAtMs: number
  /** What the peers have to tell: requests taken, refused for want of a loan, given back; and wanted, as told last. */
  used: number
  lacked: number
  returned: number
  wanted: number
  isListed: boolean
}

/** The workers of this gateway, which share its limits. Called on the hot path: notes, and returns. */
export interface LimitPeers {
  /** What each worker holds of a bucket that is full. */
  share(burst: number): number
  /** A request was taken out of what is lent. */
  took(bucket: Bucket): void
  /** A request was refused because nothing is lent. */
  lacked(bucket: Bucket): void
  /** Something was asked back, and `returned` says what there was. */
  asked(bucket: Bucket): void
}

/** State of one tenant. Looked up by its slug, a string that keeps its hash: no name is put together per request. */
interface TenantUse {
  inFlight: number
  /** Requests at once, lent among workers; null alone. */
  places: Bucket | null
  bucket: Bucket | null
  readonly byRoute: Map<string, Bucket>
  /** What the names of `byRoute` begin with. */
  readonly routeOwner: string
}

const RETRY_CONCURRENCY_SECONDS = 1

/**
 * Rates and concurrency, in memory. With peers this process admits what is lent to it of each bucket: see `LimitPeer` for the
 * bound. Limits come with each request from the snapshot and the route, so
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
  /** Requests for which enough of their limit may lie with other workers. */
  readonly waiters = new LoanWaiters()
  /** Requests that wait until their limit lets them pass. */
  readonly holds: HoldQueue

  /** Without `failures` wrong credentials are not counted, without `maxHeld` nothing is held. */
  constructor(options: {
    idleBucketMs: number
    peers?: LimitPeers | null
    failures?: FailureLimit | null
    maxHeld?: number
  }) {
    this.#idleBucketMs = options.idleBucketMs
    this.#failures = options.failures ? new AuthFailures(options.failures) : null
    this.#peers = options.peers ?? null
    this.holds = new HoldQueue(options.maxHeld ?? 0)
  }

  /** Whether other workers may have what is left of a limit. */
  get isShared(): boolean {
    return this.#peers !== null
  }

  /** Read-only view for metrics. */
  get stats(): LimitsStats {
    let buckets = this.#byKey.size + (this.#failures?.size ?? 0)
    let inFlightTenants = 0
    for (const { inFlight, bucket, byRoute } of this.#tenants.values()) {
      buckets += byRoute.size + (bucket === null ? 0 : 1)
      if (inFlight > 0) inFlightTenants++
    }
    return { buckets, inFlightTenants, refusals: this.#refusals, holds: this.holds.stats }
  }

  /**
   * Admits a request, or says why not. On null the caller owes one `release(tenant.slug)`.
   * All rules are asked before any is charged. `key` is null for who signs. `nowMs` must be monotonic. Unless `isLast`, a refusal may be one that is not final, and is not counted: see
   * `noteRefusal`.
   */
  admit(
    tenant: TenantGrant,
    key: KeyGrant | null,
    route: Route,
    nowMs: number,
    isLast = true,
  ): LimitRefusal | null {
    const use = this.#useOf(tenant.slug)
    if (tenant.maxConcurrency !== null && !this.#hasPlace(use, tenant.slug, tenant.maxConcurrency, nowMs)) {
      return this.#refuse(
        {
          policy: 'tenant_concurrency',
          quota: tenant.maxConcurrency,
          windowSeconds: 0,
          remaining: 0,
          retryAfterSeconds: RETRY_CONCURRENCY_SECONDS,
        },
        use.places,
        nowMs,
        isLast,
      )
    }
    const routeLimit = rateForRoute(tenant.routeRateLimits, route.name) ?? route.rateLimit
    const ofTenant =
      tenant.rateLimit &&
      (use.bucket = this.#bucketFor(use.bucket, 't', tenant.slug, tenant.rateLimit, nowMs))
    const ofKey =
      key === null ? null : key.rateLimit && this.#bucketIn(this.#byKey, key.id, 'k', key.rateLimit, nowMs)
    const ofRoute = routeLimit && this.#bucketIn(use.byRoute, route.name, use.routeOwner, routeLimit, nowMs)
    const refusal =
      this.#ask('tenant_rate', ofTenant, nowMs, isLast) ??
      this.#ask('key_rate', ofKey, nowMs, isLast) ??
      this.#ask('route_rate', ofRoute, nowMs, isLast)
    if (refusal !== null) return refusal
    if (ofTenant) this.#take(ofTenant, nowMs)
    if (ofKey) this.#take(ofKey, nowMs)
    if (ofRoute) this.#take(ofRoute, nowMs)
    use.inFlight++
    if (use.places !== null) use.places.inUse = use.inFlight
    return null
  }

  /** Counts a refusal that stands, of `admit` without `isLast`. */
  noteRefusal({ policy }: LimitRefusal): void {
    this.#refusals[policy]++
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
    if (use === undefined || use.inFlight === 0) return
    use.inFlight--
    if (use.places !== null) use.places.inUse = use.inFlight
  }

  /** Takes in what the primary lends to this worker, asks back, and forgets. */
  lend({ inUse, loans, forgotten }: LimitLoans, nowMs: number): void {
    for (const [name, perSecond, burst] of inUse) this.#named(name, { perSecond, burst }, nowMs).lent = 0
    for (const [name, perSecond, burst, give, back, left] of loans) {
      const bucket = this.#named(name, { perSecond, burst }, nowMs)
      bucket.lent += give
      bucket.left = left
      bucket.leftAtMs = nowMs
      if (back === 0) continue
      const returned = Math.max(0, Math.min(back, Math.floor(bucket.lent - bucket.inUse)))
      bucket.lent -= returned
      bucket.returned += returned
      this.#peers?.asked(bucket)
    }
    for (const name of forgotten) this.#forget(name)
    this.waiters.look()
  }

  /** Evicts buckets that are full again and were not used for `idleBucketMs`. Called from the gateway's clock, not per request. */
  evictIdle(nowMs: number): void {
    this.#failures?.evictFull(nowMs)
    this.#evictFrom(this.#byKey, nowMs)
    for (const [slug, use] of this.#tenants) {
      this.#evictFrom(use.byRoute, nowMs)
      if (use.bucket !== null && this.#isIdle(use.bucket, nowMs)) use.bucket = null
      const isEmpty = use.bucket === null && use.byRoute.size === 0 && use.places === null
      if (isEmpty && use.inFlight === 0) this.#tenants.delete(slug)
    }
  }

  #evictFrom(buckets: Map<string, Bucket>, nowMs: number): void {
    for (const [name, bucket] of buckets) if (this.#isIdle(bucket, nowMs)) buckets.delete(name)
  }

  /** Among workers the primary says when a bucket is full again. */
  #isIdle(bucket: Bucket, nowMs: number): boolean {
    return this.#peers === null && bucket.tatMs + this.#idleBucketMs < nowMs
  }

  /** Of a bucket that is not known each worker holds its first share: so one that holds just that may go. */
  #forget(name: string): void {
    const [kind, id = '', route = ''] = name.split(' ')
    const use = this.#tenants.get(id)
    if (kind === 'k' && this.#isAsNew(this.#byKey.get(id))) this.#byKey.delete(id)
    if (use === undefined || kind === 'k') return
    if (kind === 'r' && this.#isAsNew(use.byRoute.get(route))) use.byRoute.delete(route)
    if (kind === 't' && this.#isAsNew(use.bucket)) use.bucket = null
    if (kind === 'c' && this.#isAsNew(use.places)) use.places = null
  }

  #isAsNew(bucket: Bucket | null | undefined): boolean {
    if (!bucket || bucket.isListed || bucket.inUse > 0) return false
    return bucket.lent === this.#peers?.share(bucket.burst)
  }

  /** The bucket of a name that the primary told (see Bucket); one that is known keeps the limit that it has here. */
  #named(name: string, limit: RateLimit, nowMs: number): Bucket {
    const [kind, id = '', route = ''] = name.split(' ')
    if (kind === 'k') return this.#byKey.get(id) ?? this.#bucketIn(this.#byKey, id, 'k', limit, nowMs)
    const use = this.#useOf(id)
    if (kind === 'r')
      return use.byRoute.get(route) ?? this.#bucketIn(use.byRoute, route, use.routeOwner, limit, nowMs)
    if (kind === 'c') return (use.places ??= this.#placesOf(use, id, limit.burst, nowMs))
    return (use.bucket ??= this.#bucketFor(null, 't', id, limit, nowMs))
  }

  #useOf(tenant: string): TenantUse {
    let use = this.#tenants.get(tenant)
    if (use === undefined) {
      use = { inFlight: 0, places: null, bucket: null, byRoute: new Map(), routeOwner: `r ${tenant}` }
      this.#tenants.set(tenant, use)
    }
    return use
  }

  #hasPlace(use: TenantUse, tenant: string, most: number, nowMs: number): boolean {
    if (this.#peers === null) return use.inFlight < most
    const places = this.#placesOf(use, tenant, most, nowMs)
    if (use.inFlight < places.lent) return true
    this.#peers.lacked(places)
    return false
  }

  #placesOf(use: TenantUse, tenant: string, most: number, nowMs: number): Bucket {
    const places = this.#bucketFor(use.places, 'c', tenant, { perSecond: 0, burst: most }, nowMs)
    places.inUse = use.inFlight
    use.places = places
    return places
  }

  #take(bucket: Bucket, nowMs: number): void {
    if (this.#peers === null) {
      gcraTake(bucket, bucket.perSecond, nowMs)
      return
    }
    bucket.lent--
    this.#peers.took(bucket)
  }

  #ask(policy: LimitPolicy, bucket: Bucket | null, nowMs: number, isLast: boolean): LimitRefusal | null {
    if (bucket === null) return null
    const { perSecond, burst } = bucket
    const waitMs = this.#waitMs(bucket, nowMs)
    if (waitMs === 0) return null
    return this.#refuse(
      {
        policy,
        quota: burst,
        windowSeconds: Math.max(1, Math.ceil(burst / perSecond)),
        remaining: this.#peers === null ? gcraRemaining(bucket, perSecond, burst, nowMs) : 0,
        retryAfterSeconds: Math.max(1, Math.ceil(waitMs / 1000)),
      },
      bucket,
      nowMs,
      isLast,
    )
  }

  /** Final when nothing is left in the whole bucket, as far as is known. */
  #refuse(refusal: LimitRefusal, bucket: Bucket | null, nowMs: number, isLast: boolean): LimitRefusal {
    if (!isLast && this.#peers !== null && bucket !== null && leftOf(bucket, nowMs) >= 1)
      return { ...refusal, mayCome: true }
    if (isLast) this.#refusals[refusal.policy]++
    return refusal
  }

  #waitMs(bucket: Bucket, nowMs: number): number {
    if (this.#peers === null) return gcraWaitMs(bucket, bucket.perSecond, bucket.burst, nowMs)
    if (bucket.lent >= 1) return 0
    this.#peers.lacked(bucket)
    // At least 1: what is left may be lent to another worker, and is asked for by now.
    return Math.max(1, ((1 - leftOf(bucket, nowMs)) * 1000) / bucket.perSecond)
  }

  /** The bucket with this limit applied; a new, full one, named after its owner, for none. */
  #bucketFor(
    bucket: Bucket | null | undefined,
    owner: string,
    id: string,
    limit: RateLimit,
    nowMs: number,
  ): Bucket {
    const { perSecond, burst } = limit
    if (bucket === null || bucket === undefined)
      return newBucket(`${owner} ${id}`, limit, this.#peers?.share(burst) ?? 0)
    if (bucket.perSecond !== perSecond || bucket.burst !== burst) {
      // What was used stays used, in requests: the time it takes to come back is that of the new rate.
      const used = (Math.max(bucket.tatMs - nowMs, 0) / 1000) * bucket.perSecond
      bucket.tatMs = nowMs + (Math.min(used, burst) * 1000) / perSecond
      if (burst < bucket.burst && this.#peers !== null) this.#giveBack(bucket, this.#peers.share(burst))
      bucket.perSecond = perSecond
      bucket.burst = burst
    }
    return bucket
  }

  /** The limit has been lowered: what is lent beyond the new share goes back. */
  #giveBack(bucket: Bucket, share: number): void {
    const surplus = Math.max(0, Math.floor(bucket.lent) - Math.max(share, bucket.inUse))
    bucket.lent -= surplus
    bucket.returned += surplus
    this.#peers?.asked(bucket)
  }

  #bucketIn(
    buckets: Map<string, Bucket>,
    id: string,
    owner: string,
    limit: RateLimit,
    nowMs: number,
  ): Bucket {
    const known = buckets.get(id)
    const bucket = this.#bucketFor(known, owner, id, limit, nowMs)
    if (known === undefined) buckets.set(id, bucket)
    return bucket
  }
}

/** After this, the last news of places is out of date. */
const PLACES_KNOWN_MS = 100

/** Content of the whole bucket, the parts lent to all workers included, as far as is known. */
function leftOf({ left, leftAtMs, perSecond, burst }: Bucket, nowMs: number): number {
  if (perSecond === 0) return nowMs - leftAtMs < PLACES_KNOWN_MS ? left : burst
  return Math.min(burst, left + (perSecond * Math.max(0, nowMs - leftAtMs)) / 1000)
}

function newBucket(name: string, { perSecond, burst }: RateLimit, lent: number): Bucket {
  return {
    name,
    tatMs: 0,
    perSecond,
    burst,
    lent,
    inUse: 0,
    left: burst,
    leftAtMs: 0,
    used: 0,
    lacked: 0,
    returned: 0,
    wanted: 0,
    isListed: false,
  }
}
