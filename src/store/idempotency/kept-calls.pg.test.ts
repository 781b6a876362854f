import { createHash, randomUUID } from 'node:crypto'
import t from 'tap'
import type { RepeatableCall } from '../../model/idempotency/kept-calls.ts'
import { testDatabase } from '../../test/database.ts'
import { dropExpiredCalls, PostgresCalls } from './kept-calls.ts'

const { sql } = await testDatabase(t)
const store = new PostgresCalls(sql)
const LEASE_MS = 30_000
const DAY_MS = 86_400_000
const ANSWER = {
  status: 201,
  fields: ['X-Ümlaut', 'caf\xe9', 'Date', 'then'],
  body: Buffer.from(Array.from({ length: 256 }, (_, i) => i)),
}

function call(key: string, request = '', more: Partial<RepeatableCall> = {}): RepeatableCall {
  return {
    tenant: 'acme',
    route: 'api',
    key,
    fingerprint: createHash('sha256').update(request).digest(),
    ...more,
  }
}

/** As if so much time had passed. */
const pass = (ms: number) => sql`UPDATE idempotency_keys SET until = until - ${ms} * interval '1 ms'`

t.test('of many at once one is the first', async (t) => {
  const kinds = await Promise.all(
    Array.from({ length: 50 }, async () => (await store.claim(call('many'), randomUUID(), LEASE_MS)).kind),
  )
  t.equal(kinds.filter((kind) => kind === 'first').length, 1)
  t.equal(kinds.filter((kind) => kind === 'under_way').length, 49)
})

t.test('an answer is kept as it was, for its request alone', async (t) => {
  const claim = randomUUID()
  await store.claim(call('k'), claim, LEASE_MS)
  t.same(await store.claim(call('k', 'other'), randomUUID(), LEASE_MS), { kind: 'other' })
  t.equal(await store.keep(call('k'), claim, ANSWER, DAY_MS), true)
  t.same(await store.claim(call('k'), randomUUID(), LEASE_MS), { kind: 'answered', answer: ANSWER })
  t.same(await store.claim(call('k', 'other'), randomUUID(), LEASE_MS), { kind: 'other' })
  for (const other of [{ tenant: 'other' }, { route: 'other' }])
    t.same(await store.claim(call('k', '', other), randomUUID(), LEASE_MS), { kind: 'first' })
  const rows = await sql`SELECT * FROM idempotency_keys WHERE sealed IS NOT NULL`
  t.notMatch(JSON.stringify(rows), /caf|"k"/, 'nothing of it lies open')
  await pass(DAY_MS)
  t.same(await store.claim(call('k', 'other'), randomUUID(), LEASE_MS), { kind: 'first' })
})

t.test('what was too large to keep was answered all the same', async (t) => {
  const claim = randomUUID()
  await store.claim(call('large'), claim, LEASE_MS)
  await store.keep(call('large'), claim, null, DAY_MS)
  t.same(await store.claim(call('large'), randomUUID(), LEASE_MS), { kind: 'unkept' })
})

t.test('whoever has lost a claim ends nothing', async (t) => {
  const [lost, held] = [randomUUID(), randomUUID()]
  await store.claim(call('lost'), lost, LEASE_MS)
  await store.renew([lost, randomUUID()], 2 * LEASE_MS)
  await pass(LEASE_MS)
  t.same(await store.claim(call('lost'), held, LEASE_MS), { kind: 'under_way' }, 'it was renewed')
  await pass(LEASE_MS)
  t.same(await store.claim(call('lost'), held, LEASE_MS), { kind: 'first' })
  await store.renew([lost], DAY_MS)
  await store.release(call('lost'), lost)
  t.equal(await store.keep(call('lost'), lost, ANSWER, DAY_MS), false)
  t.same(await store.claim(call('lost'), randomUUID(), LEASE_MS), { kind: 'under_way' })
  await store.keep(call('lost'), held, ANSWER, DAY_MS)
  await store.release(call('lost'), held)
  t.equal(
    (await store.claim(call('lost'), randomUUID(), LEASE_MS)).kind,
    'answered',
    'what is answered stays',
  )
})

t.test('what is kept is counted by tenant, and found without a claim', async (t) => {
  const mine = call('counted', '', { tenant: 'counts' })
  t.equal(await store.find(mine), null)
  const claim = randomUUID()
  await store.claim(mine, claim, LEASE_MS)
  t.same(await store.find(mine), { kind: 'under_way' })
  await store.keep(mine, claim, ANSWER, DAY_MS)
  await store.claim(call('second', '', { tenant: 'counts' }), randomUUID(), LEASE_MS)
  const usage = (await store.usage()).find(({ tenant }) => tenant === 'counts')
  t.match(usage, { keys: 2 })
  t.ok((usage?.bytes ?? 0) > ANSWER.body.length)
  t.ok((usage?.bytes ?? Infinity) < ANSWER.body.length + 300)
})

t.test('a key that was let go of is free, and what is over is deleted', async (t) => {
  const claim = randomUUID()
  await store.claim(call('free'), claim, LEASE_MS)
  await store.release(call('free'), claim)
  t.same(await store.claim(call('free'), claim, LEASE_MS), { kind: 'first' })
  await dropExpiredCalls(sql)
  const [before] = await sql<{ n: number }[]>`SELECT count(*)::int AS n FROM idempotency_keys`
  await pass(2 * DAY_MS)
  t.equal(await dropExpiredCalls(sql), before?.n)
  t.equal(await dropExpiredCalls(sql), 0)
})
