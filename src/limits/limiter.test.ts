import { array, assert, double, integer, property, record } from 'fast-check'
import t from 'tap'
import type { KeyGrant, TenantGrant } from '../model/grant.ts'
import type { RateLimit } from '../model/route.ts'
import { testRoute } from '../test/gateway.ts'
import { keyOf, tenantOf } from '../test/grants.ts'
import { Limiter } from './limiter.ts'

function key(rateLimit: RateLimit | null = null): KeyGrant {
  return keyOf({ rateLimit })
}

const route = testRoute(1)

/** Admits and releases at once; true when it was admitted. */
function tries(limiter: Limiter, who: TenantGrant, by: KeyGrant, nowMs: number, on = route): boolean {
  const isAdmitted = limiter.admit(who, by, on, nowMs) === null
  if (isAdmitted) limiter.release(who.slug)
  return isAdmitted
}

t.test(
  'no window of any alignment admits more than burst + rate × window, and what is refused was told when to return',
  async () => {
    const limits = record({
      perSecond: double({ min: 0.1, max: 1000, noNaN: true }),
      burst: integer({ min: 1, max: 50 }),
    })
    assert(
      property(
        limits,
        array(double({ min: 0, max: 400, noNaN: true }), { minLength: 1, maxLength: 120 }),
        (rateLimit, gaps) => {
          const limiter = new Limiter({ idleBucketMs: 60_000 })
          const admitted: number[] = []
          let now = 1000
          for (const gap of gaps) {
            now += gap < 200 ? 0 : gap
            const refusal = limiter.admit(tenantOf({ rateLimit }), key(), route, now)
            if (refusal === null) admitted.push(now)
            else if (
              refusal.retryAfterSeconds < 1 ||
              refusal.remaining !== 0 ||
              refusal.quota !== rateLimit.burst
            )
              return false
          }
          return admitted.every((from, i) =>
            admitted
              .slice(i)
              .every((to, j) => j + 1 <= rateLimit.burst + (rateLimit.perSecond * (to - from)) / 1000 + 2e-3),
          )
        },
      ),
      { numRuns: 500 },
    )
  },
)

t.test(
  'a full bucket never refuses its burst, and a client that keeps to the rate is never refused',
  async () => {
    assert(
      property(
        integer({ min: 1, max: 1000 }),
        integer({ min: 1, max: 50 }),
        double({ min: 0, max: 1e9, noNaN: true }),
        (perSecond, burst, start) => {
          const limiter = new Limiter({ idleBucketMs: 60_000 })
          const who = tenantOf({ rateLimit: { perSecond, burst } })
          for (let i = 0; i < burst; i++) if (!tries(limiter, who, key(), start)) return false
          if (tries(limiter, who, key(), start)) return false
          const full = start + (burst * 1000) / perSecond + 1
          for (let i = 0; i < burst; i++) if (!tries(limiter, who, key(), full)) return false
          const late = full + (burst * 1000) / perSecond + 1
          for (let i = 0; i < 20; i++)
            if (!tries(limiter, who, key(), late + (i * 1000) / perSecond)) return false
          return true
        },
      ),
    )
  },
)

t.test('what one rule refuses is charged to no other', async (t) => {
  const limiter = new Limiter({ idleBucketMs: 60_000 })
  const who = tenantOf({ rateLimit: { perSecond: 0.001, burst: 2 } })
  const narrow = key({ perSecond: 0.001, burst: 1 })
  t.ok(tries(limiter, who, narrow, 0))
  for (let i = 0; i < 10; i++) t.equal(limiter.admit(who, narrow, route, 0)?.policy, 'key_rate')
  t.ok(tries(limiter, who, { ...key(), id: 'other' }, 0), 'the tenant still has one')
  t.equal(limiter.admit(who, { ...key(), id: 'other' }, route, 0)?.policy, 'tenant_rate')
  t.same(limiter.stats.refusals, {
    tenant_rate: 1,
    key_rate: 10,
    route_rate: 0,
    tenant_concurrency: 0,
    auth_throttled: 0,
  })
})

t.test('the rate of a route counts each tenant apart, and a tenant may have its own', async (t) => {
  const limiter = new Limiter({ idleBucketMs: 60_000 })
  const limited = testRoute(1, { rateLimit: { perSecond: 0.001, burst: 1 } })
  t.ok(tries(limiter, tenantOf(), key(), 0, limited))
  t.equal(limiter.admit(tenantOf(), key(), limited, 0)?.policy, 'route_rate')
  t.ok(tries(limiter, tenantOf({ slug: 'other' }), key(), 0, limited))
  const favoured = tenantOf({ slug: 'third', routeRateLimits: { r: { perSecond: 1, burst: 5 } } })
  for (let i = 0; i < 5; i++) t.ok(tries(limiter, favoured, key(), 0, limited))
  t.notOk(tries(limiter, favoured, key(), 0, limited))
})

t.test('a changed limit acts on the next request, up and down', async (t) => {
  const limiter = new Limiter({ idleBucketMs: 60_000 })
  const slow = tenantOf({ rateLimit: { perSecond: 0.001, burst: 1 } })
  t.ok(tries(limiter, slow, key(), 0))
  t.notOk(tries(limiter, slow, key(), 0))
  t.ok(
    tries(limiter, tenantOf({ rateLimit: { perSecond: 1000, burst: 5000 } }), key(), 2000),
    'a raised limit does not wait for the old one',
  )
  t.ok(tries(limiter, tenantOf({ rateLimit: null }), key(), 2000))
  const fast = tenantOf({ slug: 'b', rateLimit: { perSecond: 1000, burst: 100 } })
  for (let i = 0; i < 100; i++) t.ok(tries(limiter, fast, key(), 0))
  t.notOk(tries(limiter, tenantOf({ slug: 'b', rateLimit: { perSecond: 1, burst: 1 } }), key(), 0))
})

t.test('concurrency is counted, refused and given back', async (t) => {
  const limiter = new Limiter({ idleBucketMs: 60_000 })
  const who = tenantOf({ maxConcurrency: 2 })
  t.equal(limiter.admit(who, key(), route, 0), null)
  t.equal(limiter.admit(who, key(), route, 0), null)
  t.match(limiter.admit(who, key(), route, 0), {
    policy: 'tenant_concurrency',
    quota: 2,
    windowSeconds: 0,
    retryAfterSeconds: 1,
  })
  t.equal(limiter.stats.inFlightTenants, 1)
  limiter.release('acme')
  t.equal(limiter.admit(who, key(), route, 0), null)
  limiter.release('acme')
  limiter.release('acme')
  limiter.release('acme')
  t.equal(limiter.stats.inFlightTenants, 0, 'never below nothing')
})

t.test('idle buckets are evicted, those in use are not, and an eviction forgives nothing', async (t) => {
  const limiter = new Limiter({ idleBucketMs: 1000 })
  const rateLimit = { perSecond: 0.1, burst: 1 }
  for (let i = 0; i < 1000; i++) tries(limiter, tenantOf({ slug: `t${i}`, rateLimit }), key(), 0)
  t.equal(limiter.stats.buckets, 1000)
  limiter.evictIdle(10_500)
  t.equal(limiter.stats.buckets, 1000, 'full again, but not for long enough')
  t.notOk(tries(limiter, tenantOf({ slug: 't1', rateLimit }), key(), 9900))
  limiter.evictIdle(11_001)
  t.equal(limiter.stats.buckets, 0)
})
