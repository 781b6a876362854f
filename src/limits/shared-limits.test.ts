import { array, assert, double, integer, property, record } from 'fast-check'
import t from 'tap'
import type { KeyGrant, TenantGrant } from '../model/grant.ts'
import { compileScopes } from '../model/scope.ts'
import { testRoute } from '../proxy/test-gateway.ts'
import { LimitHub } from './limit-hub.ts'
import { LIMIT_NEWS_INTERVAL_MS, type LimitNews } from './limit-news.ts'
import { LimitPeer } from './limit-peer.ts'
import { Limiter } from './limiter.ts'

const ACME: TenantGrant = {
  slug: 'acme',
  state: 'active',
  rateLimit: null,
  routeRateLimits: new Map(),
  maxConcurrency: null,
  logPolicy: 'spill',
  version: 1,
}
const KEY: KeyGrant = {
  id: 'k',
  tenant: 'acme',
  scopes: compileScopes(['*:*']),
  expiresAtMs: Infinity,
  isRevoked: false,
  networks: null,
  rateLimit: null,
  version: 1,
}
const route = testRoute(1)

/** Workers and their primary on a clock that the test turns. A message between two processes takes `latencyMs`. */
class Cluster {
  nowMs = 1000
  readonly hub = new LimitHub<Limiter>()
  readonly workers: Limiter[] = []
  readonly #latencyMs: number
  readonly #due: { atMs: number; run: () => void }[] = []
  #isSpreadDue = false

  constructor(workers: number, latencyMs: number) {
    this.#latencyMs = latencyMs
    for (let i = 0; i < workers; i++) this.join()
  }

  /** From an admission to its charge in the last of the other workers. */
  get delayMs(): number {
    return 2 * (LIMIT_NEWS_INTERVAL_MS + this.#latencyMs)
  }

  join(): Limiter {
    const peers = new LimitPeer(
      (news) => this.#later(this.#latencyMs, () => this.#hear(limiter, news)),
      (run, ms) => this.#later(ms, run),
    )
    const limiter: Limiter = new Limiter({ idleBucketMs: 60_000, peers })
    this.#tell(limiter, this.hub.join(limiter, this.nowMs))
    this.workers.push(limiter)
    return limiter
  }

  advance(ms: number): void {
    const untilMs = this.nowMs + ms
    for (;;) {
      const next = this.#due.reduce((a, b) => (b.atMs < a.atMs ? b : a), { atMs: Infinity, run: () => {} })
      if (next.atMs > untilMs) break
      this.#due.splice(this.#due.indexOf(next), 1)
      this.nowMs = next.atMs
      next.run()
    }
    this.nowMs = untilMs
  }

  admits(limiter: Limiter | undefined, tenant: TenantGrant): boolean {
    return limiter?.admit(tenant, KEY, route, this.nowMs) === null
  }

  #later(ms: number, run: () => void): void {
    this.#due.push({ atMs: this.nowMs + ms, run })
  }

  #hear(from: Limiter, news: LimitNews): void {
    this.hub.hear(from, news, this.nowMs)
    if (this.#isSpreadDue) return
    this.#isSpreadDue = true
    this.#later(LIMIT_NEWS_INTERVAL_MS, () => {
      this.#isSpreadDue = false
      for (const worker of this.workers) {
        const known = this.hub.newsFor(worker)
        if (known !== null) this.#later(this.#latencyMs, () => this.#tell(worker, known))
      }
    })
  }

  #tell(limiter: Limiter, { takes, inFlight }: LimitNews): void {
    for (const [name, perSecond, burst, requests] of takes)
      limiter.charge(name, { perSecond, burst }, requests, this.nowMs)
    for (const [tenant, requests] of inFlight) limiter.setElsewhere(tenant, requests)
  }
}

void t.test(
  'no window of any alignment admits more than burst + rate × window + (workers - 1) × (burst + rate × delay)',
  async () => {
    const arrival = record({
      gapMs: double({ min: 0, max: 60, noNaN: true }),
      worker: integer({ min: 0, max: 3 }),
      requests: integer({ min: 1, max: 12 }),
    })
    assert(
      property(
        record({
          perSecond: double({ min: 0.5, max: 500, noNaN: true }),
          burst: integer({ min: 1, max: 20 }),
        }),
        integer({ min: 2, max: 4 }),
        integer({ min: 0, max: 30 }),
        array(arrival, { minLength: 1, maxLength: 80 }),
        (rateLimit, count, latencyMs, arrivals) => {
          const cluster = new Cluster(count, latencyMs)
          const admitted: number[] = []
          for (const { gapMs, worker, requests } of arrivals) {
            cluster.advance(gapMs)
            for (let i = 0; i < requests; i++) {
              if (cluster.admits(cluster.workers[worker % count], { ...ACME, rateLimit }))
                admitted.push(cluster.nowMs)
            }
          }
          const { perSecond, burst } = rateLimit
          const excess = (count - 1) * (burst + (perSecond * cluster.delayMs) / 1000)
          return admitted.every((from, i) =>
            admitted
              .slice(i)
              .every((to, j) => j + 1 <= burst + (perSecond * (to - from)) / 1000 + excess + 1e-2),
          )
        },
      ),
      { numRuns: 300 },
    )
  },
)

void t.test('over a long time the rate is kept: what was too much is paid back', async (t) => {
  for (const [workers, perSecond, burst] of [
    [2, 50, 10],
    [4, 10, 1],
    [8, 200, 20],
  ] as const) {
    const cluster = new Cluster(workers, 2)
    const tenant = { ...ACME, rateLimit: { perSecond, burst } }
    let admitted = 0
    const seconds = 60
    // Every worker is asked for far more than the whole rate, all the time.
    for (let ms = 0; ms < seconds * 1000; ms += 2) {
      cluster.advance(2)
      for (const worker of cluster.workers) if (cluster.admits(worker, tenant)) admitted++
    }
    const most = burst + perSecond * seconds + (workers - 1) * (burst + (perSecond * cluster.delayMs) / 1000)
    const told = { workers, perSecond, burst, admitted, most }
    t.ok(admitted <= most, 'at most the rate and the stated excess, once', told)
    t.ok(admitted >= perSecond * seconds * 0.95, 'and the rate is given', told)
  }
})

void t.test('a worker that joins does not begin with a full bucket', async (t) => {
  const cluster = new Cluster(2, 1)
  const tenant = { ...ACME, rateLimit: { perSecond: 1, burst: 10 } }
  for (let i = 0; i < 10; i++) t.ok(cluster.admits(cluster.workers[0], tenant))
  cluster.advance(cluster.delayMs)
  t.notOk(cluster.admits(cluster.workers[1], tenant), 'the other worker has heard of it')
  t.notOk(cluster.admits(cluster.join(), tenant), 'and so has a new one')
  cluster.advance(1000)
  t.ok(cluster.admits(cluster.workers[2], tenant), 'what comes back is for any of them')
})

void t.test('a change of the rate keeps what was used, for a worker that joins too', async (t) => {
  const cluster = new Cluster(2, 1)
  const before = { ...ACME, rateLimit: { perSecond: 0.01, burst: 4 } }
  for (let i = 0; i < 4; i++) t.ok(cluster.admits(cluster.workers[0], before))
  cluster.advance(cluster.delayMs)
  const after = { ...ACME, rateLimit: { perSecond: 100, burst: 8 } }
  const joined = cluster.join()
  let passed = 0
  while (cluster.admits(joined, after)) passed++
  t.equal(passed, 4, 'half of the new burst')
})

void t.test('requests at once are counted over all workers, within the delay of the news', async (t) => {
  const cluster = new Cluster(3, 1)
  const [a, b, c] = cluster.workers
  const tenant = { ...ACME, maxConcurrency: 2 }
  t.ok(cluster.admits(a, tenant))
  t.ok(cluster.admits(b, tenant))
  cluster.advance(cluster.delayMs)
  t.notOk(cluster.admits(c, tenant), 'two are in flight elsewhere')
  t.notOk(cluster.admits(a, tenant))
  a?.release('acme')
  t.ok(cluster.admits(a, tenant), 'its own are known at once')
  a?.release('acme')
  cluster.advance(cluster.delayMs)
  t.ok(cluster.admits(c, tenant))
  cluster.advance(cluster.delayMs)
  t.notOk(cluster.admits(a, tenant))
  if (b !== undefined) cluster.hub.leave(b)
  const joined = cluster.join()
  t.ok(cluster.admits(joined, tenant), 'one that died has nothing in flight any more')
  t.notOk(cluster.admits(joined, tenant), 'what others have is known from the start')
})

void t.test('tenants without a limit of requests at once make no news', async (t) => {
  const told: LimitNews[] = []
  const due: (() => void)[] = []
  const peers = new LimitPeer(
    (news) => told.push(news),
    (run) => due.push(run),
  )
  const limiter = new Limiter({ idleBucketMs: 60_000, peers })
  for (let i = 0; i < 5; i++) t.equal(limiter.admit(ACME, KEY, route, 1000), null)
  for (let i = 0; i < 5; i++) limiter.release('acme')
  t.strictSame([told, due], [[], []])
})
