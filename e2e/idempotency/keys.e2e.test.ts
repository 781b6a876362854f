import t from 'tap'
import { assertAllStored } from '../harness/accounting.ts'
import type { Answer } from '../harness/client.ts'
import type { TestGateway } from '../harness/gateway.ts'
import { untilTrue } from '../harness/wait.ts'
import { BINARY, scene } from './scene.ts'

t.test('a repetition gets the first answer, and the upstream sees one request', async (t) => {
  const { db, gateway, script, pay } = await scene(t)
  const first = await pay('order-1')
  t.match(first, { status: 201, headers: { 'x-paid': '1', 'set-cookie': ['s=1'] } })
  t.notOk(first.headers['idempotent-replayed'])
  // In quotes, as the draft has it, it is the same key.
  for (const key of ['order-1', '"order-1"']) {
    const again = await pay(key)
    t.match(again, { status: 201, headers: { 'x-paid': '1', 'idempotent-replayed': 'true' } })
    t.same(again.body, first.body)
    t.notOk(again.headers['set-cookie'], 'a session is of whoever asked first')
    t.not(again.headers['x-request-id'], first.headers['x-request-id'])
  }
  t.equal(script.paid.length, 1)
  await pay('order-2')
  await pay(null)
  t.equal(script.paid.length, 3, 'another key, and none, are other requests')
  await assertAllStored(t, db, [gateway], 5)
  t.same(
    await db.query(
      `SELECT outcome, reason, status, upstream IS NULL AS is_own, count(*)::int AS n FROM access_log
      GROUP BY 1, 2, 3, 4 ORDER BY 1`,
    ),
    [
      { outcome: 'answered', reason: 'replayed', status: 201, is_own: true, n: 2 },
      { outcome: 'forwarded', reason: null, status: 201, is_own: false, n: 3 },
    ],
  )
  const metrics = await gateway.metrics()
  t.equal(metrics.sum('waybill_idempotency_requests_total', { result: 'replayed' }), 2)
  t.equal(metrics.sum('waybill_idempotency_answers_total', { result: 'kept' }), 2)
  t.equal(metrics.sum('waybill_idempotency_under_way'), 0)
})

t.test('a key is of one request, one tenant and one route', async (t) => {
  const { db, gateway, script, pay } = await scene(t)
  await pay('k')
  for (const other of [
    await pay('k', '{"amount":2}'),
    await pay('k', undefined, { path: '/api/pay?x=1' }),
    await pay('k', undefined, { method: 'PATCH' }),
  ]) {
    t.equal(other.status, 422)
    t.match(JSON.parse(other.body.toString()), { status: 422, detail: /used for another request/ })
  }
  t.equal(script.paid.length, 1)
  t.equal((await pay('k', undefined, { path: '/loose/pay' })).headers['x-paid'], '2')
  const key = await gateway.mint({ tenant: 'other', scopes: ['api:write'] })
  t.equal((await pay('k', undefined, { key })).headers['x-paid'], '3')
  await assertAllStored(t, db, [gateway], 6)
  t.match(await db.query(`SELECT DISTINCT outcome, reason FROM access_log WHERE status = 422`), [
    { outcome: 'conflict', reason: 'idempotency_reused' },
  ])
})

t.test('a hundred at once reach the upstream once, over two gateways too', async (t) => {
  const { script, pay, gateway, beside } = await scene(t)
  const second = await beside()
  let open = (): void => {}
  script.gate = new Promise((resolve) => (open = resolve))
  const one = async (through: TestGateway): Promise<Answer> => {
    const answer = await pay('storm', '{}', { gateway: through })
    // A database that is too slow to tell, on a machine that is too busy: a client asks again.
    return answer.status === 503 ? await one(through) : answer
  }
  const answers = Array.from({ length: 100 }, (_, i) => one(i % 2 === 0 ? gateway : second))
  const isRefused = async (): Promise<boolean> => {
    const counts = await Promise.all([gateway, second].map((each) => each.metrics()))
    const refused = counts.map((each) => each.sum('waybill_idempotency_requests_total', { result: 'in_use' }))
    return refused.reduce((sum, n) => sum + n, 0) === 99
  }
  await untilTrue('all others are told to wait', isRefused)
  open()
  const all = await Promise.all(answers)
  t.equal(script.paid.length, 1)
  t.equal(all.filter(({ status }) => status === 201).length, 1)
  const waiting = all.filter(({ status }) => status === 409)
  t.equal(waiting.length, 99)
  t.ok(waiting.every(({ headers }) => headers['retry-after'] === '1'))
  const replays = await Promise.all([pay('storm', '{}'), pay('storm', '{}', { gateway: second })])
  t.same(
    replays.map(({ status, headers }) => [status, headers['idempotent-replayed']]),
    [
      [201, 'true'],
      [201, 'true'],
    ],
  )
})

t.test('answers are kept byte for byte, up to the bound', async (t) => {
  const { pay } = await scene(t)
  for (const _ of [1, 2]) t.same((await pay('b', BINARY, { path: '/api/binary' })).body, BINARY)
  for (const _ of [1, 2]) t.equal((await pay('e', '', { path: '/api/empty' })).status, 204)
  t.equal((await pay('l', '', { path: '/api/large' })).body.length, 100_000)
  const again = await pay('l', '', { path: '/api/large' })
  t.match(again, { status: 409, headers: { 'retry-after': undefined } })
  t.match(again.body.toString(), /too large to be kept/)
})

t.test('what failed, or was broken off, may be done again with its key', async (t) => {
  const { script, pay, gateway, key } = await scene(t)
  script.statuses.push(500, 503, 429)
  for (const status of [500, 503, 429, 201, 201]) t.equal((await pay('k')).status, status)
  t.equal(script.paid.length, 4)
  await t.rejects(pay('cut', '', { path: '/api/broken' }))
  await t.rejects(pay('cut', '', { path: '/api/broken' }), 'asked again')
  script.gate = new Promise(() => {})
  const left = new AbortController()
  const url = `${gateway.proxyUrl}/api/pay`
  const headers = { authorization: `Bearer ${key}`, 'idempotency-key': 'left' }
  const asked = fetch(url, { method: 'POST', headers, signal: left.signal }).catch(() => null)
  await untilTrue('it is there', () => script.paid.length === 5)
  left.abort()
  await asked
  script.gate = Promise.resolve()
  await untilTrue('its key is free', async () => (await pay('left', '')).status === 201)
  t.equal(script.paid.length, 6)
})

t.test('what is over is forgotten, and the call of a gateway that died ends with its lease', async (t) => {
  const { db, script, pay, gateway, beside } = await scene(t)
  const second = await beside()
  await pay('old')
  await db.query(`UPDATE idempotency_keys SET until = now()`)
  t.equal((await pay('old', '{"amount":3}')).headers['x-paid'], '2', 'also with another body')
  script.gate = new Promise(() => {})
  const lost = pay('dying').catch(() => null)
  await untilTrue('it is there', () => script.paid.length === 3)
  await gateway.kill()
  await lost
  script.gate = Promise.resolve()
  t.equal((await pay('dying', undefined, { gateway: second })).status, 409)
  const [row] = await db.query<{ ms: number }>(
    `SELECT (extract(epoch FROM until - now()) * 1000)::int AS ms FROM idempotency_keys WHERE answered_at IS NULL`,
  )
  t.ok((row?.ms ?? Infinity) <= 30_000, 'it has a lease of half a minute')
  await db.query(`UPDATE idempotency_keys SET until = now() WHERE answered_at IS NULL`)
  t.equal((await pay('dying', undefined, { gateway: second })).status, 201)
})

t.test('keys that cannot be read, are missing, or come with too much are refused', async (t) => {
  const { db, gateway, script, pay } = await scene(t, { maxRequestBytes: 1000 })
  for (const key of ['"half', 'a b', '"a";x=1', 'a,b', '', 'x'.repeat(256)])
    t.equal((await pay(key)).status, 400, key)
  t.equal((await pay(null, '', { path: '/strict/ok', method: 'PUT' })).status, 400)
  t.equal((await pay(null, '', { path: '/strict/ok', method: 'POST' })).status, 200, 'of its methods')
  t.equal((await pay('k', Buffer.alloc(1001))).status, 413)
  t.equal((await pay(null, Buffer.alloc(1001))).status, 201, 'without a key it goes on')
  t.equal(script.paid.length, 1)
  await assertAllStored(t, db, [gateway], 10)
  t.same(
    await db.query(
      `SELECT reason, count(*)::int AS n FROM access_log WHERE reason LIKE 'idemp%' GROUP BY 1 ORDER BY 1`,
    ),
    [
      { reason: 'idempotency_body', n: 1 },
      { reason: 'idempotency_malformed', n: 6 },
      { reason: 'idempotency_missing', n: 1 },
    ],
  )
})
