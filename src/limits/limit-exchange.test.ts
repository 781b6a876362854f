import t, { type Test } from 'tap'
import { testRoute } from '../test/gateway.ts'
import { keyOf, tenantOf } from '../test/grants.ts'
import { LimitExchange, type LimitMember } from './limit-exchange.ts'
import type { LimitLoans } from './limit-news.ts'
import { Limiter } from './limiter.ts'

const BURST = 10
const TENANT = tenantOf({ rateLimit: { perSecond: 0.001, burst: BURST } })
const KEY = keyOf()
const route = testRoute(1)

/** A limiter of this process as a member; `onGiven` hears of how many requests it is lent. */
function localLimiter(exchange: LimitExchange, onGiven: (give: number) => void = () => {}): Limiter {
  const member: LimitMember = {
    isHeard: true,
    lend: (loans) => {
      limiter.lend(loans, performance.now())
      for (const [, , , give] of loans.loans) if (give > 0) onGiven(give)
    },
  }
  const limiter = new Limiter({ idleBucketMs: 60_000, peers: exchange.peersOf(() => member) })
  limiter.lend(exchange.join(member), performance.now())
  return limiter
}

function admitted(limiter: Limiter, requests: number): number {
  let count = 0
  for (let i = 0; i < requests; i++)
    if (limiter.admit(TENANT, KEY, route, performance.now()) === null) count++
  return count
}

/** The exchange's timers keep no process alive. */
function stayAlive(t: Test): void {
  const timer = setInterval(() => {}, 1000)
  t.teardown(() => clearInterval(timer))
}

function timersSet(): number {
  return process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length
}

t.test('the only member has the whole of each bucket; no timer is set, nothing is told', async (t) => {
  const exchange = new LimitExchange(1)
  const before = timersSet()
  t.equal(
    exchange.peersOf(() => t.fail('there is nobody to tell') as never),
    null,
  )
  const limiter = localLimiter(exchange)
  const real = globalThis.setTimeout
  let timers = 0
  globalThis.setTimeout = ((...parameters: Parameters<typeof real>) => {
    timers++
    return real(...parameters)
  }) as typeof setTimeout
  t.teardown(() => {
    globalThis.setTimeout = real
  })
  t.equal(admitted(limiter, 2 * BURST), BURST)
  t.strictSame([timers, timersSet()], [0, before])
})

t.test('a limiter of this process shares its limits with a member elsewhere', async (t) => {
  const exchange = new LimitExchange(2)
  t.teardown(() => exchange.stop())
  stayAlive(t)
  const given = new Promise<number>((resolve) => {
    const limiter = localLimiter(exchange, (give) => {
      t.equal(admitted(limiter, BURST), give, 'what was lent is admitted, and no more')
      resolve(give)
    })
    const elsewhere: LimitMember = {
      isHeard: true,
      lend: ({ loans }) => {
        for (const [name, perSecond, burst, , back] of loans) {
          if (back > 0) exchange.hear(elsewhere, { buckets: [[name, perSecond, burst, 0, 0, back]] })
        }
      },
    }
    exchange.join(elsewhere)
    // It has used two of its five, and has no use for the others.
    exchange.hear(elsewhere, { buckets: [['t acme', 0.001, BURST, 2, 0, 0]] })
    t.equal(admitted(limiter, BURST), BURST / 2, 'the first share of two')
  })
  t.equal(await given, 3, 'the one that runs short is lent what the other does not use')
})

t.test('a member that is not heard of is sent nothing, one that has left neither', async (t) => {
  const exchange = new LimitExchange(3)
  t.teardown(() => exchange.stop())
  stayAlive(t)
  const member = (isHeard: boolean, lend: (loans: LimitLoans) => void): LimitMember => ({ isHeard, lend })
  const hanging = member(false, () => t.fail('it hangs'))
  const gone = member(true, () => t.fail('it has left'))
  const isLent = new Promise<LimitLoans>((resolve) => {
    const hungry = member(true, resolve)
    for (const each of [hanging, gone, hungry]) exchange.join(each)
    exchange.leave(gone)
    exchange.hear(hungry, { buckets: [['t acme', 10, 9, 3, 9, 0]] })
  })
  t.match(await isLent, { loans: [['t acme', 10, 9]] })
})
