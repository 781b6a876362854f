import t from 'tap'
import { routeOf } from '../config/routes.ts'
import { FakeClock, settle } from '../test/clock.ts'
import type { AttemptEnd } from './attempt.ts'
import type { DeliveryStore, Lease, Letter, Result, WorkItem } from './delivery-store.ts'
import { PostOffice } from './post-office.ts'
import type { Batch } from './route-queue.ts'

const DELIVER = {
  concurrency: 2,
  retries: { max: 1, minMs: 10, maxMs: 10 },
  breaker: { failures: 1, openMs: 60_000 },
}
const KEYS = { kind: 'integration', path: '/hook/', upstream: 'http://receiver.example/', mode: 'accept' }
const ROUTE = routeOf({ ...KEYS, name: 'hook', deliver: DELIVER })
const COALESCING = routeOf({
  ...KEYS,
  name: 'hook',
  deliver: { ...DELIVER, coalesce: { by: ['$.id'], windowMs: 100 } },
})

const DELIVERED: AttemptEnd = { status: 204, reason: null, retryAfterMs: null }

function item(seq: number, lane = '', coalesceBy = ''): WorkItem {
  return {
    seq,
    id: `id ${seq}`,
    receivedAtMs: 0,
    tenant: 'acme',
    lane,
    coalesceBy,
    bodyBytes: 1,
    attempts: 0,
    dueInMs: 0,
    ageMs: 1000,
  }
}

function letterOf({ id }: Pick<WorkItem, 'id'>): Letter {
  const head = { method: 'POST', path: '/', shown: '/', query: '', host: null, fields: [] }
  return { id, traceId: '', head, packed: { packing: '', bytes: Buffer.alloc(0) } }
}

/** An office with a database and a receiver of the test's. */
function scene(items: readonly WorkItem[], route = ROUTE) {
  const clock = new FakeClock()
  const lines: string[] = []
  const world = {
    epoch: 1 as number | null,
    isSurplus: false,
    gone: new Set<string>(),
    /** Those that are gone by the time that their letters are asked for. */
    goneLate: new Set<string>(),
    areLettersAway: false,
    areResultsRefused: false,
    settled: [] as Result[],
    released: [] as string[],
    under: [] as { batch: Batch; end: (end: AttemptEnd | null) => void }[],
  }
  const store: DeliveryStore = {
    keep: () => Promise.reject(new Error('not asked')),
    beat: () => {
      const { epoch, isSurplus } = world
      const leases: Lease[] = epoch === null ? [] : [{ route: 'hook', epoch, isSurplus }]
      return Promise.resolve(leases)
    },
    release: (_, routes) => Promise.resolve(void world.released.push(...routes)),
    waiting: (asked) =>
      Promise.resolve(
        asked.flatMap(({ afterSeq, known, lanes, limit }) =>
          items
            .filter(({ seq, id, lane }) => seq > afterSeq && !world.gone.has(id) && !lanes.includes(lane))
            .filter(({ seq }) => !known.includes(seq))
            .slice(0, limit)
            .map((one) => ({ route: 'hook', item: one })),
        ),
      ),
    letters: (asked) =>
      world.areLettersAway
        ? Promise.reject(new Error('the database is away'))
        : Promise.resolve(
            asked
              .filter(({ id }) => !world.gone.has(id) && !world.goneLate.has(id))
              .map((one) => letterOf(one)),
          ),
    settle: (_, results) => {
      if (world.areResultsRefused) return Promise.resolve(new Set())
      world.settled.push(...results)
      for (const { id, state } of results) if (state !== 'waiting') world.gone.add(id)
      return Promise.resolve(new Set(results.map(({ seq }) => seq)))
    },
    depths: () => Promise.resolve([]),
  }
  const tell = (_: object, message: string): void => void lines.push(message)
  const office = new PostOffice({
    member: 'me',
    store,
    clock,
    random: () => 0,
    log: { info: tell, warn: tell },
    courier: {
      deliver: (_, batch) => new Promise((end) => void world.under.push({ batch, end })),
    },
  })
  office.apply([route])
  office.start()
  const end = async (result: AttemptEnd | null): Promise<void> => {
    world.under.shift()?.end(result)
    await settle()
  }
  return { clock, world, office, lines, end }
}

t.test('a route that another process has by now gets no further attempt', async (t) => {
  const { clock, world, end } = scene([1, 2, 3, 4].map((seq) => item(seq)))
  await clock.advance(0)
  t.equal(world.under.length, 2)
  world.epoch = null
  await clock.advance(1000)
  await end(DELIVERED)
  await end(DELIVERED)
  await clock.advance(3000)
  t.equal(world.under.length, 0, 'what was read before the loss is not sent')
  world.epoch = 3
  await clock.advance(2000)
  t.same(
    world.under.map(({ batch }) => batch.item.seq),
    [3, 4],
    'had again, it begins anew',
  )
})

t.test('a route beyond its share is given back once nothing of it is under way', async (t) => {
  const { clock, world, end } = scene([1, 2, 3].map((seq) => item(seq)))
  await clock.advance(0)
  world.isSurplus = true
  await clock.advance(1000)
  t.same(world.released, [])
  await end(DELIVERED)
  await end(DELIVERED)
  t.equal(world.under.length, 0)
  await clock.advance(1000)
  t.same(world.released, ['hook'])
})

t.test('what was dropped by hand is not sent, and what is behind it goes on', async (t) => {
  const { clock, world } = scene([item(1, 'a'), item(2, 'a')])
  world.gone.add('id 1')
  await clock.advance(0)
  t.same(
    world.under.map(({ batch }) => batch.item.seq),
    [2],
  )
  const late = scene([item(1, 'a'), item(2, 'a')])
  late.world.areLettersAway = true
  await late.clock.advance(0)
  t.match(late.lines, ['deliveries: bodies cannot be read'])
  late.world.gone.add('id 1')
  late.world.areLettersAway = false
  // The wait is by the monotonic clock of the process, which the test does not move.
  t.equal(late.world.under.length, 0)
})

t.test('a failure is noted with its next attempt, and opens the breaker', async (t) => {
  const { clock, world, office, lines, end } = scene([item(1), item(2), item(3)])
  await clock.advance(0)
  await end({ status: 500, reason: 'status', retryAfterMs: 7000 })
  t.match(world.settled, [{ seq: 1, state: 'waiting', attempts: 1, delayMs: 7000, status: 500 }])
  t.match(office.stats, [{ route: 'hook', breaker: 'open' }])
  t.match(lines, ['deliveries: the receiver fails; it is left alone for a while'])
  await end(DELIVERED)
  t.equal(world.under.length, 0, 'nothing is begun')
  t.same(office.attempts, { delivered: 1, failed: 1 })
})

t.test('a stop ends what is under way, and notes it', async (t) => {
  const { clock, world, office, end } = scene([item(1)])
  await clock.advance(0)
  const stopped = office.stop(1000)
  await end(DELIVERED)
  await clock.advance(1000)
  await stopped
  t.match(world.settled, [{ seq: 1, state: 'delivered' }])
})

t.test('what comes to an order of which more waits than memory takes goes behind all of it', async (t) => {
  const items = [...Array.from({ length: 300 }, (_, i) => item(i + 1, 'a')), item(400, 'b')]
  const { clock, world, end } = scene(items)
  await clock.advance(0)
  // Until the look at what is new begins behind the highest number.
  await clock.advance(15_000)
  const sent: number[] = []
  for (let seq = 401; seq <= 800; seq++) {
    items.push(item(seq, 'a'))
    const [next] = world.under
    sent.push(next?.batch.item.seq ?? 0)
    await end(DELIVERED)
    await clock.advance(200)
  }
  t.same(
    sent.filter((seq) => seq !== 400),
    [...Array.from({ length: 300 }, (_, i) => i + 1), ...Array.from({ length: 99 }, (_, i) => i + 401)],
  )
})

t.test('where the latest of one call was dropped the others go before what is behind them', async (t) => {
  const { clock, world } = scene(
    [item(1, 'a', 'x'), item(2, 'a', 'x'), item(3, 'a', 'y'), item(4, 'a', 'x')],
    COALESCING,
  )
  world.goneLate.add('id 4')
  await clock.advance(0)
  t.same(
    world.under.map(({ batch }) => batch.all.map(({ seq }) => seq)),
    [[1, 2]],
  )
})

t.test('a route whose results are refused gets no further attempt', async (t) => {
  const { clock, world, end } = scene([1, 2, 3].map((seq) => item(seq)))
  await clock.advance(0)
  world.areResultsRefused = true
  await end(DELIVERED)
  await end(DELIVERED)
  t.equal(world.under.length, 0)
})
