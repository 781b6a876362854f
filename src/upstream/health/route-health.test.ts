import fc from 'fast-check'
import t from 'tap'
import { routeOf } from '../../config/routes.ts'
import type { Route } from '../../model/route.ts'
import type { AddressHealth } from './address-health.ts'
import { CircuitBreaker } from './circuit-breaker.ts'
import { HealthBook } from './health-book.ts'
import type { AddressChange, RouteHealth } from './route-health.ts'

const NONE: ReadonlySet<string> = new Set()
const CHECK = { path: '/', intervalMs: 1000, timeoutMs: 100, unhealthyAfter: 2, healthyAfter: 3 }

function routeTo(count: number, keys: object = {}): Route {
  const upstream = Array.from({ length: count }, (_, i) => `http://10.0.0.${i + 1}:80/`)
  return routeOf({ name: 'r', kind: 'generic', path: '/r/', upstream, ...keys })
}

function healthOf(route: Route): { health: RouteHealth; changes: AddressChange[]; book: HealthBook } {
  const changes: AddressChange[] = []
  const book = new HealthBook((change) => changes.push(change))
  book.apply([route])
  const health = book.of(route)
  if (health === null) throw new Error('not applied')
  return { health, changes, book }
}

function fail(address: AddressHealth | undefined, times: number, now: number): void {
  for (let i = 0; i < times; i++) address?.failed('connect', now)
}

t.test('the address with the least to do is chosen; of equal ones each has its turn', async (t) => {
  const { health } = healthOf(routeTo(3))
  const [a, b, c] = health.addresses
  if (a === undefined || b === undefined || c === undefined) throw new Error('three')
  a.load = { busy: 3, queued: 0 }
  b.load = { busy: 1, queued: 1 }
  c.load = { busy: 1, queued: 0 }
  t.equal(health.choose(0, NONE), c)
  c.load = { busy: 1, queued: 5 }
  t.equal(health.choose(0, NONE), b)
  for (const one of [a, b, c]) one.load = null
  const times = new Map<string, number>()
  for (let i = 0; i < 300; i++) {
    const { origin } = health.choose(0, NONE) ?? a
    times.set(origin, (times.get(origin) ?? 0) + 1)
  }
  t.same([...times.values()], [100, 100, 100])
})

t.test('requests that take long leave an address to the others, whatever order they end in', async () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 2, max: 6 }),
      fc.array(fc.nat(9), { minLength: 1, maxLength: 300 }),
      (count, moves) => {
        const { health } = healthOf(routeTo(count))
        const load = new Map(health.addresses.map((one) => [one, { busy: 0, queued: 0 }]))
        for (const [address, of] of load) address.load = of
        for (const move of moves) {
          const busy = [...load.values()].map((of) => of.busy)
          const chosen = move < 6 ? health.choose(0, NONE) : null
          if (move < 6) {
            const of = chosen === null ? undefined : load.get(chosen)
            if (of === undefined || of.busy !== Math.min(...busy)) return false
            of.busy++
          } else {
            const of = [...load.values()][move % count]
            if (of !== undefined && of.busy > 0) of.busy--
          }
        }
        return true
      },
    ),
  )
})

t.test(
  'failures in a row eject an address for longer and longer; an answer in between counts anew',
  async (t) => {
    const { health, changes } = healthOf(
      routeTo(2, { ejection: { failures: 3, minMs: 1000, maxMs: 3000 }, breaker: { enabled: false } }),
    )
    const [a, b] = health.addresses
    fail(a, 2, 0)
    a?.answered(404, 0)
    fail(a, 2, 0)
    t.same(changes, [])
    a?.answered(503, 0)
    t.same(changes, [{ route: 'r', upstream: '10.0.0.1:80', state: 'ejected' }])
    for (let i = 0; i < 4; i++) t.equal(health.choose(999, NONE), b)
    t.same(new Set([health.choose(1000, NONE), health.choose(1000, NONE)]), new Set([a, b]))
    t.equal(changes.at(-1)?.state, 'serving')
    fail(a, 3, 1500)
    t.equal(a?.isEjected(3499), true, 'two seconds')
    t.equal(a?.isEjected(3500), false)
    fail(a, 3, 3600)
    t.equal(a?.isEjected(6599), true, 'three at most')
    t.equal(a?.isEjected(6600), false)
    fail(a, 3, 20_000)
    t.equal(a?.isEjected(21_000), false, 'it had served for a while: from the beginning')
  },
)

t.test('never more than half are ejected, and one alone never', async () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 9 }),
      fc.array(fc.record({ at: fc.nat(8), waitMs: fc.nat(700) }), { maxLength: 200 }),
      (count, failures) => {
        const { health } = healthOf(
          routeTo(count, { ejection: { failures: 1, minMs: 500, maxMs: 2000 }, breaker: { enabled: false } }),
        )
        let now = 0
        for (const { at, waitMs } of failures) {
          now += waitMs
          health.addresses[at % count]?.failed('reset', now)
          const ejected = health.addresses.filter((one) => one.isEjected(now)).length
          if (ejected > count / 2 || health.choose(now, NONE) === null) return false
        }
        return true
      },
    ),
  )
})

t.test('an address that was ejected gets requests when no other is left', async (t) => {
  const { health } = healthOf(routeTo(2, { ejection: { failures: 1 } }))
  const [a, b] = health.addresses
  a?.failed('connect', 0)
  t.equal(health.choose(1, NONE), b)
  t.equal(health.choose(1, new Set([b?.origin ?? ''])), a)
})

t.test('an open breaker gets none but its trial; with all open nobody is asked', async (t) => {
  const { health } = healthOf(
    routeTo(2, { breaker: { minAttempts: 2, openMs: 1000 }, ejection: { enabled: false } }),
  )
  const [a, b] = health.addresses
  fail(a, 2, 0)
  t.equal(health.choose(500, NONE), b)
  fail(b, 2, 500)
  t.equal(health.choose(999, NONE), null)
  t.equal(health.waitMs(999), 1)
  t.equal(health.choose(1000, NONE), a)
  t.equal(a?.canTry(1000), true)
  t.equal(health.choose(1000, NONE), null, 'its trial is under way')
  a?.answered(200, 1010)
  t.equal(health.choose(1010, NONE), a)
})

t.test('checks make an address unhealthy and healthy again after so many in a row', async (t) => {
  const { health, changes } = healthOf(routeTo(2))
  const [a, b] = health.addresses
  for (const isWell of [false, true, false]) a?.checked(isWell, CHECK)
  t.equal(a?.state, 'serving')
  a?.checked(false, CHECK)
  t.equal(a?.state, 'unhealthy')
  t.equal(health.choose(0, NONE), b)
  t.equal(health.choose(0, NONE), b)
  b?.checked(false, CHECK)
  b?.checked(false, CHECK)
  t.ok(health.choose(0, NONE), 'none is well: all are asked')
  for (let i = 0; i < 3; i++) a?.checked(true, CHECK)
  t.same(
    changes.map(({ upstream, state }) => `${upstream} ${state}`),
    ['10.0.0.1:80 unhealthy', '10.0.0.2:80 unhealthy', '10.0.0.1:80 serving'],
  )
})

t.test('a reload keeps what is known of unchanged addresses, and only that', async (t) => {
  const keys = { breaker: { minAttempts: 1 }, healthCheck: { path: '/' } }
  const { health, book, changes } = healthOf(routeTo(2, keys))
  fail(health.addresses[0], 1, 0)
  health.addresses[1]?.checked(false, CHECK)
  health.addresses[1]?.checked(false, CHECK)
  const statesAfter = (route: Route): string[] => {
    book.apply([route])
    return book.of(route)?.addresses.map(({ state }) => state) ?? []
  }
  t.same(statesAfter(routeTo(3, keys)), ['open', 'unhealthy', 'serving'])
  t.same(statesAfter(routeTo(2, { breaker: { minAttempts: 1 } })), ['open', 'serving'], 'nobody checks')
  t.same(statesAfter(routeTo(2, { breaker: { minAttempts: 9 } })), ['serving', 'serving'], 'other rules')
  t.equal(changes.length, 3)
  t.match(book.stats[0], {
    route: 'r',
    upstream: '10.0.0.1:80',
    states: { serving: 1 },
    changes: { open: 1 },
  })
})

t.test('addresses with a tenant in their names are one line of the figures', async (t) => {
  const route = routeOf({
    name: 'r',
    kind: 'generic',
    path: '/r/',
    upstream: 'http://{tenant}.example.com:81/',
    breaker: { minAttempts: 1 },
  })
  const { health, book } = healthOf(route)
  health.of('http://a.example.com:81')
  fail(health.of('http://b.example.com:81'), 1, 0)
  t.match(book.stats, [{ upstream: '{tenant}.example.com:81', states: { open: 1, serving: 1 } }])
})

t.test('a state is told when it changes, not for what comes and goes behind a worse one', async (t) => {
  const rules = { failsOn: ['connect'], minAttempts: 1, failureShare: 1, openMs: 1000, maxOpenMs: 1000 }
  const { health, changes } = healthOf(routeTo(2, { breaker: rules, healthCheck: CHECK }))
  const [a] = health.addresses
  fail(a, 1, 0)
  for (const isWell of [false, false, true, true, true]) a?.checked(isWell, CHECK)
  t.same(
    changes.map(({ state }) => state),
    ['open'],
  )
  a?.canTry(1000)
  a?.answered(200, 1001)
  t.same(
    changes.map(({ state }) => state),
    ['open', 'half_open', 'serving'],
  )
})

t.test('another host for tenants is known nothing of', async (t) => {
  const breaker = { failsOn: ['connect'], minAttempts: 1, failureShare: 1, openMs: 1000, maxOpenMs: 1000 }
  const of = (host: string): Route =>
    routeOf({ name: 'r', kind: 'generic', path: '/r/', upstream: `http://{tenant}.${host}/`, breaker })
  const { health, book } = healthOf(of('old.example'))
  fail(health.of('http://acme.old.example'), 1, 0)
  const after = of('new.example')
  book.apply([after])
  t.same(book.of(after)?.addresses, [])
})

t.test('failures in a row open a breaker of that kind, and its trial is waited for', async (t) => {
  const rules = { failureShare: 1, minAttempts: 2, windowMs: Infinity, openMs: 100, maxOpenMs: 100 }
  const breaker = new CircuitBreaker({ ...rules, isInARow: true, trialMs: Infinity })
  for (let i = 0; i < 5; i++) {
    breaker.failed(0)
    breaker.succeeded(0)
  }
  t.equal(breaker.state, 'closed')
  breaker.failed(0)
  breaker.failed(0)
  t.equal(breaker.state, 'open')
  t.ok(breaker.canTry(100))
  t.notOk(breaker.canTry(1e6), 'one alone, however long it takes')
  t.equal(breaker.waitMs(1e6), Infinity)
  breaker.abandoned(1e6)
  t.ok(breaker.canTry(1e6))
})
