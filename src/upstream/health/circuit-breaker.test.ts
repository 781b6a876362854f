import fc from 'fast-check'
import t from 'tap'
import type { BreakerRules } from '../../model/upstream/health-rules.ts'
import { CircuitBreaker, type BreakerState } from './circuit-breaker.ts'

const RULES: BreakerRules = {
  failureShare: 0.5,
  minAttempts: 4,
  windowMs: 1000,
  openMs: 100,
  maxOpenMs: 350,
}

function opened(rules = RULES): { breaker: CircuitBreaker; states: BreakerState[] } {
  const states: BreakerState[] = []
  const breaker = new CircuitBreaker(rules, (state) => states.push(state))
  for (let i = 0; i < rules.minAttempts; i++) breaker.failed(0)
  return { breaker, states }
}

t.test('it opens when the share of failures is reached, and not with too few attempts', async (t) => {
  const breaker = new CircuitBreaker(RULES)
  breaker.failed(0)
  breaker.failed(0)
  breaker.failed(0)
  t.equal(breaker.state, 'closed', 'three attempts are too few')
  breaker.succeeded(1)
  breaker.succeeded(1)
  breaker.succeeded(1)
  breaker.succeeded(1)
  t.equal(breaker.state, 'closed')
  breaker.failed(2)
  t.equal(breaker.state, 'open', '4 of 8')
  t.equal(breaker.canTry(50), false)
  t.equal(breaker.waitMs(50), 52)
})

t.test('failures that are older than the window do not count', async (t) => {
  const breaker = new CircuitBreaker(RULES)
  for (const at of [0, 500, 1500, 2500, 3500, 4500]) breaker.failed(at)
  t.equal(breaker.state, 'closed')
})

t.test('half open lets one trial pass, whose success closes it', async (t) => {
  const { breaker, states } = opened()
  t.equal(breaker.canTry(99), false)
  t.equal(breaker.isPassable(100), true)
  t.equal(breaker.state, 'open', 'asking whether changes nothing')
  t.equal(breaker.canTry(100), true)
  t.equal(breaker.canTry(100), false, 'one at a time')
  breaker.succeeded(110)
  t.equal(breaker.canTry(110), true)
  t.same(states, ['open', 'half_open', 'closed'])
  breaker.failed(111)
  t.equal(breaker.state, 'closed', 'what was before is forgotten')
})

t.test('each trial that fails doubles the time, up to the longest; a success begins anew', async (t) => {
  const { breaker } = opened()
  let at = 0
  for (const openMs of [100, 200, 350, 350]) {
    t.equal(breaker.canTry(at + openMs - 1), false)
    at += openMs
    t.equal(breaker.canTry(at), true, `${openMs}`)
    if (openMs === 350 && at > 700) breaker.succeeded(at)
    else breaker.failed(at)
  }
  t.equal(breaker.state, 'closed')
  for (let i = 0; i < RULES.minAttempts; i++) breaker.failed(at)
  t.equal(breaker.waitMs(at), RULES.openMs)
})

t.test(
  'a trial that says nothing makes room for another: at once when given up, else after a time',
  async (t) => {
    const { breaker } = opened()
    t.equal(breaker.canTry(100), true)
    breaker.abandoned(101)
    t.equal(breaker.canTry(101), true)
    t.equal(breaker.canTry(200), false)
    t.equal(breaker.canTry(201), true, 'nothing was heard of the last')
  },
)

t.test('what comes late while it is open changes nothing', async (t) => {
  const { breaker } = opened()
  breaker.succeeded(50)
  breaker.failed(60)
  breaker.abandoned(60)
  t.equal(breaker.state, 'open')
  t.equal(breaker.waitMs(60), 40)
})

const step = fc.record({
  waitMs: fc.nat(150),
  what: fc.constantFrom('try', 'succeeded', 'failed', 'abandoned'),
})

t.test('however attempts go: open refuses all, half open lets one pass in a time, closed all', async () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
      let now = 0
      let lastTrialMs = -Infinity
      let hasVerdict = true
      const breaker = new CircuitBreaker(RULES)
      for (const { waitMs, what } of steps) {
        now += waitMs
        const before = breaker.state
        if (what !== 'try') {
          breaker[what as 'failed'](now)
          if (what !== 'abandoned' && before === 'open' && breaker.state !== 'open') return false
          if (before === 'half_open') hasVerdict = true
          continue
        }
        const isPassable = breaker.isPassable(now)
        if (breaker.canTry(now) !== isPassable) return false
        if (before === 'closed' && !isPassable) return false
        if (before === 'closed' || !isPassable) continue
        if (before === 'half_open' && !hasVerdict && now - lastTrialMs < RULES.openMs) return false
        lastTrialMs = now
        hasVerdict = false
      }
      return true
    }),
  )
})

t.test('it never opens while fewer than the share have failed', async () => {
  fc.assert(
    fc.property(fc.array(fc.boolean(), { maxLength: 200 }), (ends) => {
      const breaker = new CircuitBreaker({ ...RULES, windowMs: 1e9 })
      let failures = 0
      for (const [i, isFailure] of ends.entries()) {
        if (isFailure) failures++
        breaker[isFailure ? 'failed' : 'succeeded'](i)
        const mayOpen = i + 1 >= RULES.minAttempts && isFailure && failures >= (i + 1) / 2
        if ((breaker.state === 'open') !== mayOpen) return false
        if (mayOpen) return true
      }
      return true
    }),
  )
})
