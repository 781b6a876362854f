import t from 'tap'
import type { Result } from '../../deliveries/delivery-store.ts'
import { deliveryId } from '../../model/delivery/delivery-id.ts'
import { TestDeliveries } from '../../test/api/deliveries.ts'
import { testDatabase } from '../../test/database.ts'
import { PostgresDeliveries } from './delivery-store.ts'
import { deliveryAccounts } from './delivery-accounts.ts'
import { dropDeliveries, redeliver } from './delivery-decisions.ts'
import { listDeliveries } from './deliveries.ts'

const { sql } = await testDatabase(t)
const store = new PostgresDeliveries(sql)
const ME = '00000000-0000-4000-8000-000000000001'
const OTHER = '00000000-0000-4000-8000-000000000002'

const made = await TestDeliveries.open(sql)
const parcel = made.parcel.bind(made)
const all = async (route: string) =>
  (await store.waiting([{ route, afterSeq: 0, known: [], lanes: [], limit: 100 }])).map(({ item }) => item)

async function resultOf(route: string, epoch: number, more: Partial<Result> = {}): Promise<Result> {
  const [item] = await all(route)
  if (item === undefined) throw new Error('nothing waits')
  return {
    route,
    epoch,
    seq: item.seq,
    id: item.id,
    receivedAtMs: item.receivedAtMs,
    state: 'delivered',
    attempts: 1,
    delayMs: 0,
    status: 204,
    reason: null,
    intoId: null,
    ...more,
  }
}

t.test('what is given several times is kept once, in the order in which it was given', async (t) => {
  const given = [parcel({ route: 'order' }), parcel({ route: 'order' }), parcel({ route: 'order' })]
  for (let i = 0; i < 2; i++) t.same(await store.keep(given), new Map(given.map(({ id }) => [id, null])))
  t.same(
    (await all('order')).map(({ id }) => id),
    given.map(({ id }) => id),
  )
  const [letter] = await store.letters(await all('order'))
  t.match(letter, { head: { method: 'POST' }, packed: { packing: '' } })
  t.equal(letter?.packed.bytes.toString(), 'body')
})

t.test('a second of its kind is told the first, and noted where its sender was promised it', async (t) => {
  const [first, second, promised] = [
    parcel({ route: 'kinds', senderKey: 'k' }),
    parcel({ route: 'kinds', senderKey: 'k' }),
    parcel({ route: 'kinds', senderKey: 'k', isPromised: true }),
  ]
  const stored = await store.keep([first, second])
  t.same(
    stored,
    new Map([
      [first.id, null],
      [second.id, first.id],
    ]),
  )
  t.same(await store.keep([promised]), new Map([[promised.id, first.id]]))
  t.equal((await all('kinds')).length, 1)
  const other = parcel({ route: 'kinds', senderKey: 'k', tenant: 'globex' })
  t.same(await store.keep([other]), new Map([[other.id, null]]), 'another tenant has keys of its own')
  t.match(await listDeliveries(sql, { route: 'kinds', state: 'duplicate' }, { limit: 10 }), [
    { id: promised.id, intoId: first.id },
  ])
})

t.test(
  'results of an owner of before, and of another delivery with the number, change nothing',
  async (t) => {
    await store.keep([parcel({ route: 'owned' })])
    const [lease] = await store.beat(ME, ['owned'], 60_000)
    t.match(lease, { route: 'owned', epoch: 1, isSurplus: false })
    const result = await resultOf('owned', 1)
    t.same(await store.settle(OTHER, [result]), new Set())
    t.same(await store.settle(ME, [{ ...result, epoch: 0 }]), new Set())
    // As after a failover to a server that has lost the newest: the number is given again.
    await store.settle(ME, [{ ...result, id: deliveryId(0), receivedAtMs: 0 }])
    t.equal((await all('owned')).length, 1)
    t.same(await store.settle(ME, [result]), new Set([result.seq]))
    t.same(await all('owned'), [])
    await store.settle(ME, [{ ...result, state: 'dead' }])
    t.match(
      await listDeliveries(sql, { route: 'owned' }, { limit: 10 }),
      [{ state: 'delivered' }],
      'what is final stays',
    )
  },
)

t.test('routes are shared by those that live, and taken over when one is not heard', async (t) => {
  const routes = ['r1', 'r2', 'r3', 'r4']
  t.equal((await store.beat(OTHER, routes, 60_000)).filter(({ isSurplus }) => !isSurplus).length, 2)
  t.equal((await store.beat(ME, routes, 60_000)).length, 2)
  const held = await store.beat(OTHER, routes, 60_000)
  t.equal(held.length, 2)
  await store.leave(OTHER)
  t.equal((await store.beat(ME, routes, 60_000)).length, 4)
  // A lease that is over is anybody's; each owner has an epoch of its own.
  await sql`UPDATE delivery_routes SET lease_until = now() - interval '1 s' WHERE route = ANY (${routes})`
  await sql`DELETE FROM delivery_members`
  const taken = await store.beat(OTHER, routes, 60_000)
  t.equal(taken.length, 4)
  t.ok(taken.every(({ epoch }) => epoch >= 2))
})

t.test(
  'what is dropped is not read for sending; what was dead is sent anew; and the books tell what is lost',
  async (t) => {
    await store.keep([parcel({ route: 'books' }), parcel({ route: 'books' })])
    const items = await all('books')
    const [one] = items
    t.equal((await dropDeliveries(sql, { id: one?.id ?? '' }, 10)).length, 1)
    t.equal((await store.letters(items)).length, 1)
    const [lease] = await store.beat(ME, ['books'], 60_000)
    await store.settle(ME, [await resultOf('books', lease?.epoch ?? 0, { state: 'dead', status: 500 })])
    t.same(await all('books'), [])
    t.equal((await redeliver(sql, { route: 'books', state: 'dead' }, 10)).length, 1)
    t.equal((await redeliver(sql, { route: 'books', state: 'dead' }, 10)).length, 0)
    t.equal((await all('books')).length, 1)
    const window = {
      tenant: 'acme',
      since: new Date(made.startMs - 1),
      until: new Date(made.startMs + 86_400_000),
    }
    const [before] = await deliveryAccounts(sql, window)
    if (before === undefined) throw new Error('acme has no books')
    const { accepted, repeated, missing, waiting, delivered, dead, dropped, coalesced, duplicate } = before
    t.equal(missing, 0)
    t.equal(accepted + repeated, waiting + delivered + dead + dropped + coalesced + duplicate)
    await sql`DELETE FROM delivery_work WHERE route = 'books' AND NOT is_dead`
    const [after] = await deliveryAccounts(sql, window)
    t.equal(after?.missing, 1, 'one waits, and nobody would deliver it')
  },
)

t.test('what is dropped while attempts of it are noted waits for them, and they for it', async (t) => {
  for (let round = 0; round < 5; round++) {
    const route = `dropped-${round}`
    await made.keep(100, { route })
    const [lease] = await store.beat(ME, [route], 60_000)
    const example = await resultOf(route, lease?.epoch ?? 0)
    const results = (await all(route)).map(({ seq, id, receivedAtMs }) =>
      Object.assign({}, example, { seq, id, receivedAtMs }),
    )
    // Neither is refused for a deadlock.
    await Promise.all([
      store.settle(ME, results.toReversed()),
      dropDeliveries(sql, { route, state: 'waiting' }, 1000),
      dropDeliveries(sql, { route }, 1000),
    ])
    t.same(await all(route), [])
  }
})
