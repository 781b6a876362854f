import { array, assert, boolean, double, integer, nat, property, record } from 'fast-check'
import t from 'tap'
import type { TenantGrant } from '../model/grant.ts'
import { testRoute } from '../test/gateway.ts'
import { FakeClock } from '../test/clock.ts'
import { keyOf, tenantOf } from '../test/grants.ts'
import { LimitHub } from './limit-hub.ts'
import { ADVANCE_MS, firstShare, LIMIT_NEWS_INTERVAL_MS, type LimitNews } from './limit-news.ts'
import { LimitPeer } from './limit-peer.ts'
import { Limiter } from './limiter.ts'

const ACME = tenantOf()
const KEY = keyOf()
const route = testRoute(1)

/** Workers and their primary on a clock that the test turns. A message between two processes takes `latencyMs`, in order. */
class Cluster {
  readonly #clock = new FakeClock(1000)
  readonly hub: LimitHub<Limiter>
  readonly workers: Limiter[] = []
  readonly #count: number
  readonly #latencyMs: () => number
  /** When the last message on each way arrives: a pipe keeps its order. */
  readonly #arrivals = new Map<Limiter, { in: number; out: number }>()
  #spreading: { cancel: () => void; isUrgent: boolean } | null = null

  constructor(count: number, latencyMs: number | (() => number)) {
    this.#count = count
    this.hub = new LimitHub(count)
    this.#latencyMs = typeof latencyMs === 'number' ? () => latencyMs : latencyMs
    for (let i = 0; i < count; i++) this.join()
  }

  join(): Limiter {
    const peers = new LimitPeer(
      this.#count,
      (news) => this.#send(limiter, 'out', () => this.#hear(limiter, news)),
      this.#clock,
    )
    const limiter: Limiter = new Limiter({ idleBucketMs: 60_000, peers })
    this.#arrivals.set(limiter, { in: 0, out: 0 })
    limiter.lend(this.hub.join(limiter), this.nowMs)
    this.workers.push(limiter)
    return limiter
  }

  /** It is gone with all that it has not told, and another takes its place. */
  replace(limiter: Limiter): void {
    this.hub.leave(limiter)
    this.#arrivals.delete(limiter)
    this.workers.splice(this.workers.indexOf(limiter), 1)
    this.join()
  }

  get nowMs(): number {
    return this.#clock.nowMs()
  }

  advance(ms: number): void {
    this.#clock.pass(ms)
  }

  admits(limiter: Limiter | undefined, tenant: TenantGrant): boolean {
    return limiter?.admit(tenant, KEY, route, this.nowMs) === null
  }

  /** How many of `requests` at once it admits. */
  admitted(limiter: Limiter | undefined, tenant: TenantGrant, requests: number): number {
    let admitted = 0
    for (let i = 0; i < requests; i++) if (this.admits(limiter, tenant)) admitted++
    return admitted
  }

  #send(worker: Limiter, way: 'in' | 'out', run: () => void): void {
    const arrivals = this.#arrivals.get(worker)
    if (arrivals === undefined) return
    arrivals[way] = Math.max(arrivals[way], this.nowMs + this.#latencyMs())
    this.#clock.later(arrivals[way] - this.nowMs, () => {
      if (this.#arrivals.has(worker)) run()
    })
  }

  #hear(from: Limiter, news: LimitNews): void {
    this.hub.hear(from, news, this.nowMs)
    this.#schedule()
  }

  /** As `LimitExchange` does it. */
  #schedule(): void {
    const { isUrgent, isBusy } = this.hub
    if (!isUrgent && !isBusy) return
    if (this.#spreading !== null) {
      if (!isUrgent || this.#spreading.isUrgent) return
      this.#spreading.cancel()
    }
    const cancel = this.#clock.later(isUrgent ? 0 : LIMIT_NEWS_INTERVAL_MS, () => {
      this.#spreading = null
      this.hub.tick(this.nowMs)
      for (const worker of this.workers) {
        const loans = this.hub.loansFor(worker)
        if (loans !== null) this.#send(worker, 'in', () => worker.lend(loans, this.nowMs))
      }
      this.#schedule()
    })
    this.#spreading = { cancel, isUrgent }
  }
}

const ADVANCE_S = ADVANCE_MS / 1000

const step = record({
  gapMs: double({ min: 0, max: 120, noNaN: true }),
  worker: nat({ max: 7 }),
  requests: integer({ min: 0, max: 40 }),
  isReplaced: boolean(),
})

t.test(
  'F8: no window of any alignment admits more than max(burst, workers) + rate × (window + 0.1 s), whatever workers do and however late messages are',
  async () => {
    assert(
      property(
        record({
          perSecond: double({ min: 0.5, max: 500, noNaN: true }),
          burst: integer({ min: 1, max: 60 }),
        }),
        integer({ min: 2, max: 8 }),
        array(double({ min: 0, max: 200, noNaN: true }), { minLength: 1, maxLength: 20 }),
        array(step, { minLength: 1, maxLength: 60 }),
        (rateLimit, count, latencies, steps) => {
          let message = 0
          const cluster = new Cluster(count, () => latencies[message++ % latencies.length] ?? 0)
          const admitted: number[] = []
          for (const { gapMs, worker, requests } of steps) {
            cluster.advance(gapMs)
            const passed = cluster.admitted(cluster.workers[worker % count], { ...ACME, rateLimit }, requests)
            for (let i = 0; i < passed; i++) admitted.push(cluster.nowMs)
          }
          const { perSecond, burst } = rateLimit
          const most = Math.max(burst, count)
          return admitted.every((from, i) =>
            admitted
              .slice(i)
              .every((to, j) => j + 1 <= most + perSecond * ((to - from) / 1000 + ADVANCE_S) + 1e-2),
          )
        },
      ),
      { numRuns: 300 },
    )
  },
)

t.test(
  'F8: a worker that dies and is replaced adds at most its first share to what a window admits',
  async () => {
    assert(
      property(
        record({
          perSecond: double({ min: 0.5, max: 500, noNaN: true }),
          burst: integer({ min: 1, max: 60 }),
        }),
        integer({ min: 2, max: 8 }),
        integer({ min: 0, max: 60 }),
        array(step, { minLength: 1, maxLength: 60 }),
        (rateLimit, count, latencyMs, steps) => {
          const cluster = new Cluster(count, latencyMs)
          const { perSecond, burst } = rateLimit
          const share = firstShare(burst, count)
          const most = Math.max(burst, count)
          const admitted: { atMs: number; replaced: number }[] = []
          let replaced = 0
          for (const { gapMs, worker, requests, isReplaced } of steps) {
            cluster.advance(gapMs)
            const at = cluster.workers[worker % count]
            const passed = cluster.admitted(at, { ...ACME, rateLimit }, requests)
            for (let i = 0; i < passed; i++) admitted.push({ atMs: cluster.nowMs, replaced })
            if (isReplaced && at !== undefined) {
              cluster.replace(at)
              replaced++
            }
          }
          return admitted.every((from, i) =>
            admitted.slice(i).every((to, j) => {
              const added = (to.replaced - from.replaced) * share
              const seconds = (to.atMs - from.atMs) / 1000 + ADVANCE_S
              return j + 1 <= most + added + perSecond * seconds + 1e-2
            }),
          )
        },
      ),
      { numRuns: 200 },
    )
  },
)

t.test('F8: at one instant all workers together admit one burst, or one request each', async (t) => {
  for (const [workers, burst] of [
    [2, 20],
    [4, 20],
    [64, 100],
    [64, 20],
    [3, 1],
  ] as const) {
    const cluster = new Cluster(workers, 1)
    const tenant = { ...ACME, rateLimit: { perSecond: 20, burst } }
    let passed = 0
    for (const worker of cluster.workers) passed += cluster.admitted(worker, tenant, burst * 3)
    t.ok(passed <= Math.max(burst, workers), `${workers} workers, burst ${burst}`, { passed })
    t.ok(passed >= burst - (burst % workers), 'and the burst is given', { passed })
  }
})

t.test('F8: one connection gets the whole burst within some messages, and then the whole rate', async (t) => {
  for (const [workers, perSecond, burst] of [
    [2, 20, 20],
    [4, 100, 10],
    [8, 1000, 200],
    [64, 50, 100],
    [64, 5, 3],
    [2, 1, 1],
  ] as const) {
    const cluster = new Cluster(workers, 1)
    const tenant = { ...ACME, rateLimit: { perSecond, burst } }
    const [worker] = cluster.workers
    let passed = 0
    const seconds = 10
    const tookMs: number[] = []
    for (let ms = 0; ms < seconds * 1000; ms++) {
      while (cluster.admits(worker, tenant)) {
        passed++
        tookMs.push(ms)
      }
      cluster.advance(1)
    }
    const told = { workers, perSecond, burst, passed, burstAfterMs: tookMs[burst - 1] }
    t.ok((tookMs[burst - 1] ?? Infinity) <= 100, 'the whole burst', told)
    t.ok(passed >= burst + perSecond * (seconds - 0.1) - 1, 'the whole rate', told)
    t.ok(passed <= burst + perSecond * (seconds + ADVANCE_S) + 1, 'and no more: nobody else had any', told)
  }
})

t.test('F8: who stays just below the rate is never refused, on whichever worker', async (t) => {
  for (const [workers, perSecond, burst] of [
    [2, 1, 1],
    [2, 20, 20],
    [4, 10, 2],
    [4, 100, 10],
  ] as const) {
    const cluster = new Cluster(workers, 1)
    const tenant = { ...ACME, rateLimit: { perSecond, burst } }
    let refused = 0
    for (let i = 0; i < 200; i++) {
      if (!cluster.admits(cluster.workers[0], tenant)) refused++
      cluster.advance(1000 / perSecond)
    }
    t.equal(refused, 0, `${workers} workers, ${perSecond}/s, burst ${burst}`)
  }
})

t.test('F8: what one worker has and does not use, another gets', async (t) => {
  const cluster = new Cluster(2, 1)
  const tenant = { ...ACME, rateLimit: { perSecond: 0.01, burst: 20 } }
  const [a, b] = cluster.workers
  t.equal(cluster.admitted(a, tenant, 12), 10)
  cluster.advance(10)
  t.equal(cluster.admitted(a, tenant, 2), 2, 'lent to a')
  cluster.advance(10)
  let passed = 0
  for (let i = 0; i < 10; i++) {
    passed += cluster.admitted(b, tenant, 20)
    cluster.advance(10)
  }
  t.equal(passed, 8, 'the rest is for b, wherever it lay')
  t.equal(
    cluster.admitted(a, tenant, 5) + cluster.admitted(cluster.join(), tenant, 5),
    0,
    'a new one has none',
  )
})

t.test('F8: over a long time the rate is kept, whatever is asked for, and shared', async (t) => {
  for (const [workers, perSecond, burst] of [
    [2, 50, 10],
    [4, 10, 1],
    [8, 200, 20],
  ] as const) {
    const cluster = new Cluster(workers, 2)
    const tenant = { ...ACME, rateLimit: { perSecond, burst } }
    const seconds = 30
    const passed = cluster.workers.map(() => 0)
    for (let ms = 0; ms < seconds * 1000; ms += 2) {
      cluster.advance(2)
      for (const [i, worker] of cluster.workers.entries())
        if (cluster.admits(worker, tenant)) passed[i] = (passed[i] ?? 0) + 1
    }
    const sum = passed.reduce((a, b) => a + b, 0)
    const told = { workers, perSecond, burst, passed }
    t.ok(sum <= Math.max(burst, workers) + perSecond * (seconds + ADVANCE_S), 'the rate and no more', told)
    t.ok(sum >= perSecond * seconds * 0.98, 'and the rate is given', told)
    t.ok(Math.min(...passed) >= (sum / workers) * 0.5, 'to each its part', told)
  }
})

t.test('a bucket that nobody uses is forgotten, everywhere', async (t) => {
  const cluster = new Cluster(3, 1)
  const tenant = { ...ACME, rateLimit: { perSecond: 100, burst: 30 }, maxConcurrency: 9 }
  for (const worker of cluster.workers) {
    t.ok(cluster.admitted(worker, tenant, 9) > 0)
    for (let i = 0; i < 9; i++) worker.release('acme')
  }
  cluster.advance(10_000)
  t.equal(cluster.hub.isBusy, false)
  for (const worker of cluster.workers) {
    t.equal(worker.stats.buckets, 0)
    worker.evictIdle(cluster.nowMs)
  }
  t.equal(cluster.admitted(cluster.workers[0], tenant, 3), 3, 'and is full again')
})

t.test('a change of the rate keeps what was used', async (t) => {
  const cluster = new Cluster(2, 1)
  const before = { ...ACME, rateLimit: { perSecond: 0.01, burst: 4 } }
  const [a, b] = cluster.workers
  t.equal(cluster.admitted(a, before, 4), 2)
  cluster.advance(20)
  t.equal(cluster.admitted(a, before, 4), 2)
  cluster.advance(20)
  t.equal(cluster.admitted(b, before, 4), 0)
  const after = { ...ACME, rateLimit: { perSecond: 0.02, burst: 8 } }
  let passed = 0
  for (let i = 0; i < 20; i++) {
    cluster.advance(60)
    passed += cluster.admitted(b, after, 1)
  }
  t.equal(passed, 4, 'half of the new burst')
  const lowered = { ...ACME, rateLimit: { perSecond: 0.01, burst: 1 } }
  for (let i = 0; i < 5; i++) {
    cluster.advance(60)
    passed += cluster.admitted(a, lowered, 9) + cluster.admitted(b, lowered, 9)
  }
  t.equal(passed, 4)
})

t.test(
  'F8: requests at once are lent too: at most max(limit, workers), and one worker gets all',
  async (t) => {
    assert(
      property(
        integer({ min: 1, max: 12 }),
        integer({ min: 2, max: 5 }),
        array(double({ min: 0, max: 100, noNaN: true }), { minLength: 1, maxLength: 12 }),
        array(step, { minLength: 1, maxLength: 60 }),
        (maxConcurrency, count, latencies, steps) => {
          let message = 0
          const cluster = new Cluster(count, () => latencies[message++ % latencies.length] ?? 0)
          const tenant = { ...ACME, maxConcurrency }
          const inFlight = cluster.workers.map(() => 0)
          for (const { gapMs, worker, requests, isReplaced: isRelease } of steps) {
            cluster.advance(gapMs)
            const i = worker % count
            const limiter = cluster.workers[i]
            if (isRelease) {
              for (let n = inFlight[i] ?? 0; n > 0; n--) limiter?.release('acme')
              inFlight[i] = 0
            } else inFlight[i] = (inFlight[i] ?? 0) + cluster.admitted(limiter, tenant, requests)
            if (inFlight.reduce((a, b) => a + b, 0) > Math.max(maxConcurrency, count)) return false
          }
          return true
        },
      ),
      { numRuns: 300 },
    )
    const cluster = new Cluster(4, 1)
    const tenant = { ...ACME, maxConcurrency: 8 }
    const [a, b] = cluster.workers
    t.equal(cluster.admitted(a, tenant, 20), 2)
    cluster.advance(20)
    t.equal(cluster.admitted(a, tenant, 20), 6, 'all eight, within some messages')
    t.equal(cluster.admitted(b, tenant, 1), 0)
    for (let i = 0; i < 8; i++) a?.release('acme')
    cluster.advance(300)
    t.ok(cluster.admitted(b, tenant, 1), 'what is free again is for any of them')
    if (a !== undefined) cluster.replace(a)
    cluster.advance(300)
    let passed = 1
    for (let i = 0; i < 10; i++) {
      passed += cluster.admitted(b, tenant, 20)
      cluster.advance(60)
    }
    t.equal(passed, 8, 'places of one that died are free')
  },
)

t.test('tenants without a limit make no news', async (t) => {
  const told: LimitNews[] = []
  const clock = new FakeClock()
  const peers = new LimitPeer(2, (news) => told.push(news), clock)
  const limiter = new Limiter({ idleBucketMs: 60_000, peers })
  for (let i = 0; i < 5; i++) t.equal(limiter.admit(ACME, KEY, route, 1000), null)
  for (let i = 0; i < 5; i++) limiter.release('acme')
  t.strictSame([told, clock.timers], [[], 0])
})

t.test('F8: a refusal says when to come again, as far as is known', async (t) => {
  const cluster = new Cluster(2, 1)
  const tenant = { ...ACME, rateLimit: { perSecond: 0.1, burst: 2 } }
  const [a, b] = cluster.workers
  t.equal(cluster.admitted(a, tenant, 1) + cluster.admitted(b, tenant, 1), 2)
  cluster.advance(100)
  t.notOk(cluster.admits(a, tenant))
  cluster.advance(100)
  t.match(a?.admit(tenant, KEY, route, cluster.nowMs), { retryAfterSeconds: 10, remaining: 0, quota: 2 })
})
