import fc from 'fast-check'
import t from 'tap'
import { routeOf } from '../config/routes.ts'
import type { DeliverRules } from '../model/delivery/deliver-rules.ts'
import type { WorkItem } from './delivery-store.ts'
import { RouteQueue, type Batch } from './route-queue.ts'

const RULES: DeliverRules = {
  concurrency: 3,
  orderBy: [],
  dedupe: null,
  coalesce: null,
  timeoutMs: 1000,
  retries: { max: 3, minMs: 10, maxMs: 100 },
  permanent: [],
  mask: [],
  breaker: { failures: 1000, openMs: 100 },
}

function item(seq: number, lane: string, more: Partial<WorkItem> = {}): WorkItem {
  return {
    seq,
    id: `id ${seq}`,
    receivedAtMs: 0,
    tenant: 'acme',
    lane,
    coalesceBy: '',
    bodyBytes: 1,
    attempts: 0,
    dueInMs: 0,
    ageMs: 0,
    ...more,
  }
}

t.test('each order is kept, however attempts end, and no more are under way than may be', async () => {
  const lanes = fc.array(fc.constantFrom('a', 'b', 'c', ''), { minLength: 1, maxLength: 40 })
  const endings = fc.array(fc.record({ which: fc.nat(10), fails: fc.boolean() }), { maxLength: 200 })
  fc.assert(
    fc.property(lanes, endings, fc.boolean(), (of, steps, isReversed) => {
      const queue = new RouteQueue(RULES)
      const items = of.map((lane, i) => item(i + 1, lane))
      queue.add(isReversed ? items.toReversed() : items, 0)
      const underWay: Batch[] = []
      const done: WorkItem[] = []
      let tick = 0
      const take = (): void => {
        for (let batch = queue.next(tick); batch !== null; batch = queue.next(tick)) underWay.push(batch)
      }
      const end = (at: number, fails: boolean): void => {
        const [batch] = underWay.splice(at, 1)
        if (batch === undefined) return
        if (!fails) done.push(...batch.all)
        queue.end(batch, fails ? { delayMs: 5, isMade: true } : 'gone', tick)
      }
      for (const { which, fails } of steps) {
        take()
        if (underWay.length > RULES.concurrency) return false
        if (underWay.length > 0) end(which % underWay.length, fails)
        tick += 3
      }
      for (; queue.size > 0; tick += 10) {
        take()
        while (underWay.length > 0) end(0, false)
      }
      const inOrder = ['a', 'b', 'c'].every((lane) => {
        const seqs = done.filter((one) => one.lane === lane).map(({ seq }) => seq)
        return seqs.every((seq, i) => i === 0 || seq > (seqs[i - 1] ?? 0))
      })
      return inOrder && done.length === items.length && new Set(done).size === items.length
    }),
  )
})

t.test('one that waits for another attempt holds up its own order alone', async (t) => {
  const queue = new RouteQueue(RULES)
  queue.add([item(1, 'a'), item(2, 'a'), item(3, 'b')], 0)
  const [first, other] = [queue.next(0), queue.next(0)]
  t.equal(first?.item.seq, 1)
  t.equal(other?.item.seq, 3)
  if (first === null || other === null) return
  queue.end(first, { delayMs: 50, isMade: true }, 0)
  queue.end(other, 'gone', 0)
  t.equal(queue.next(49), null)
  t.equal(queue.dueInMs(10), 40)
  t.match(queue.next(50), { item: { seq: 1 }, attempt: 2 })
})

t.test('an attempt that was not made uses none up', async (t) => {
  const queue = new RouteQueue(RULES)
  queue.add([item(1, 'a', { attempts: 2 })], 0)
  const batch = queue.next(0)
  if (batch === null) throw new Error('nothing is due')
  t.equal(batch.attempt, 3)
  queue.end(batch, { delayMs: 5, isMade: false }, 0)
  t.match(queue.next(5), { attempt: 3 })
})

t.test('failures in a row open the breaker; then one attempt tries, and closes it', async (t) => {
  const queue = new RouteQueue({ ...RULES, breaker: { failures: 2, openMs: 100 } })
  queue.add(
    [1, 2, 3, 4].map((seq) => item(seq, '')),
    0,
  )
  for (let i = 0; i < 2; i++) {
    const batch = queue.next(0)
    if (batch === null) throw new Error('nothing is due')
    queue.breaker.failed(0)
    queue.end(batch, { delayMs: 1, isMade: true }, 0)
  }
  t.equal(queue.breaker.state, 'open')
  t.equal(queue.next(50), null)
  const trial = queue.next(100)
  t.not(trial, null)
  t.equal(queue.next(100), null, 'one alone')
  t.equal(queue.dueInMs(100), Infinity, 'and its end is waited for, not the next moment')
  queue.breaker.succeeded(100)
  t.equal(queue.breaker.state, 'closed')
  t.not(queue.next(100), null)
})

t.test('a lane that is full leaves the rest in the database, and asks for it when it is thin', async (t) => {
  const queue = new RouteQueue({ ...RULES, concurrency: 1 })
  queue.add(
    Array.from({ length: 300 }, (_, i) => item(i + 1, 'a')),
    0,
  )
  t.equal(queue.size, 200)
  t.same(queue.fullLanes, ['a'])
  for (let i = 0; i < 101; i++) {
    const batch = queue.next(0)
    if (batch !== null) queue.end(batch, 'gone', 0)
  }
  t.ok(queue.hasGaps)
  t.same(queue.fullLanes, [])
})

t.test('the keys of a route with mode: accept are read, and what is wrong is said', async (t) => {
  const keys = { name: 'h', kind: 'integration', path: '/h/', upstream: 'http://u.example/', mode: 'accept' }
  t.match(routeOf(keys).delivery, { deliver: { concurrency: 10, orderBy: [] }, accept: { patienceMs: 8000 } })
  t.match(routeOf({ ...keys, deliver: { orderBy: ['$.a[0].b', 'header:X-Y'] } }).delivery?.deliver.orderBy, [
    { kind: 'json', steps: ['a', '0', 'b'] },
    { kind: 'header', name: 'x-y' },
  ])
  for (const [wrong, problem] of [
    [{ kind: 'npm' }, /mode: accept needs kind: integration/],
    [{ auth: 'public' }, /needs auth: key or signature/],
    [{ mode: 'forward', deliver: {} }, /deliver: needs mode: accept/],
    [{ deliver: { orderBy: ['repository.id'] } }, /must be header:Name, or a path in JSON/],
    [{ deliver: { retries: { minMs: 5000, maxMs: 1000 } } }, /maxMs: must be at least minMs/],
    [{ maxBodyBytes: '64MiB' }, /maxBodyBytes: must be at most 32MiB/],
  ] as const)
    t.throws(() => routeOf({ ...keys, ...wrong }), problem)
})
