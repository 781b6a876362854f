import t from 'tap'
import { FakeClock } from '../test/clock.ts'
import { type Held, HoldQueue, type Verdict } from './hold-queue.ts'

/** What waits for tokens of its lane, by name. */
class Waiter implements Held {
  readonly name: string
  readonly tenant: string
  readonly untilMs: number
  readonly #bench: Bench
  lane: string
  constructor(bench: Bench, name: string, tenant: string, lane: string, untilMs: number) {
    this.#bench = bench
    this.name = name
    this.tenant = tenant
    this.lane = lane
    this.untilMs = untilMs
  }

  tryAgain(isLast: boolean): Verdict {
    const tokens = this.#bench.tokens.get(this.lane) ?? 0
    if (tokens === 0 && !isLast) return { lane: this.lane }
    this.#bench.ends.push(`${this.name} ${tokens > 0 ? 'admitted' : 'refused'}`)
    if (tokens === 0) return 'refused'
    this.#bench.tokens.set(this.lane, tokens - 1)
    return 'admitted'
  }
}

class Bench {
  readonly clock = new FakeClock(0)
  readonly tokens = new Map<string, number>()
  readonly ends: string[] = []
  readonly queue: HoldQueue
  constructor(max: number) {
    this.queue = new HoldQueue(max, this.clock)
  }

  hold(name: string, tenant = 'acme', lane = `t ${tenant}`, untilMs = 10_000): Waiter | null {
    const waiter = new Waiter(this, name, tenant, lane, untilMs)
    return this.queue.join(waiter, lane) ? waiter : null
  }

  give(lane: string, n: number): void {
    this.tokens.set(lane, (this.tokens.get(lane) ?? 0) + n)
    this.clock.pass(10)
  }
}

t.test('who waits for a bucket is let pass in the order of arrival', (t) => {
  const bench = new Bench(100)
  for (const name of ['1', '2', '3']) bench.hold(name)
  bench.clock.pass(100)
  t.same(bench.ends, [])
  bench.give('t acme', 2)
  t.same(bench.ends, ['1 admitted', '2 admitted'])
  bench.give('t acme', 1)
  t.same(bench.ends.slice(2), ['3 admitted'])
  t.match(bench.queue.stats, { held: 0, ended: { admitted: 3, refused: 0, gone: 0 } })
  t.equal(bench.clock.timers, 0, 'with nobody waiting there is no timer')
  t.end()
})

t.test('a bucket that is empty keeps nobody of another from going', (t) => {
  const bench = new Bench(100)
  bench.hold('a1', 'acme', 'k one')
  bench.hold('a2', 'acme', 't acme')
  bench.hold('g1', 'globex')
  bench.tokens.set('t globex', 1)
  bench.give('t acme', 1)
  t.same(bench.ends.toSorted(), ['a2 admitted', 'g1 admitted'])
  t.end()
})

t.test('lanes take turns', (t) => {
  const bench = new Bench(100)
  for (const n of [1, 2, 3]) {
    bench.hold(`a${n}`)
    bench.hold(`g${n}`, 'globex')
  }
  bench.tokens.set('t globex', 3)
  bench.give('t acme', 3)
  t.same(
    bench.ends.map((end) => end.slice(0, 2)),
    ['a1', 'g1', 'a2', 'g2', 'a3', 'g3'],
  )
  t.end()
})

t.test('one look admits a bounded number, and the next goes on', (t) => {
  const bench = new Bench(1000)
  for (let n = 0; n < 400; n++) bench.hold(String(n))
  bench.give('t acme', 400)
  t.ok(bench.ends.length > 0 && bench.ends.length < 400)
  bench.clock.pass(10)
  t.equal(bench.ends.length, 400)
  t.end()
})

t.test('its time over, a request is decided for good, wherever it stands in its lane', (t) => {
  const bench = new Bench(100)
  bench.hold('patient')
  bench.hold('not', 'acme', 't acme', 50)
  bench.clock.pass(60)
  t.same(bench.ends, ['not refused'])
  t.equal(bench.queue.size, 1)
  t.end()
})

t.test('what another policy refuses by now waits in the lane of that', (t) => {
  const bench = new Bench(100)
  const waiter = bench.hold('one', 'acme', 'k one')
  t.ok(bench.queue.hasLane('k one'))
  if (waiter !== null) waiter.lane = 't acme'
  bench.clock.pass(10)
  t.notOk(bench.queue.hasLane('k one'))
  t.ok(bench.queue.hasLane('t acme'))
  bench.give('t acme', 1)
  t.same(bench.ends, ['one admitted'])
  t.equal(bench.queue.size, 0)
  t.end()
})

t.test('there is room for so many, half of it for one tenant, and who leaves makes room', (t) => {
  const bench = new Bench(4)
  const first = bench.hold('a1')
  t.ok(bench.hold('a2'))
  t.equal(bench.hold('a3'), null, 'half is taken')
  t.ok(bench.hold('g1', 'globex'))
  t.ok(bench.hold('h1', 'hooli'))
  t.equal(bench.hold('i1', 'initech'), null, 'all is taken')
  bench.clock.pass(1500)
  if (first !== null) bench.queue.leave(first)
  if (first !== null) bench.queue.leave(first)
  t.same(bench.queue.stats, { held: 3, ended: { admitted: 0, refused: 0, gone: 1 }, seconds: 1.5 })
  t.ok(bench.hold('a4'))
  bench.give('t acme', 1)
  t.same(bench.ends, ['a2 admitted'])
  t.end()
})

t.test('a queue that is off holds nothing', (t) => {
  const bench = new Bench(0)
  t.equal(bench.hold('a1'), null)
  t.notOk(bench.queue.isOn)
  t.end()
})
