import { createHmac } from 'node:crypto'
import t, { type Test } from 'tap'
import { assertAllStored } from '../harness/accounting.ts'
import { request } from '../harness/client.ts'
import { testDatabase } from '../harness/database.ts'
import { startGateway } from '../harness/gateway.ts'
import { startReceiver, type Receiver } from '../harness/receiver.ts'
import { untilTrue } from '../harness/wait.ts'

const SECRET = 'the secret of the hook'

function hook(receiver: Receiver, name: string, deliver: object = {}, more: object = {}): object {
  return {
    name,
    kind: 'integration',
    path: `/hooks/${name}/`,
    upstream: receiver.url,
    auth: 'signature',
    tenant: 'acme',
    signature: { scheme: 'github', secrets: [SECRET] },
    mode: 'accept',
    deliver: { retries: { max: 2, minMs: 20, maxMs: 50 }, ...deliver },
    ...more,
  }
}

async function scene(t: Test, routes: readonly object[]) {
  const db = await testDatabase(t)
  const gateway = await startGateway(t, {
    databaseUrl: db.url,
    config: { routes, accessLog: { flushIntervalMs: 50 } },
  })
  await gateway.createTenant('acme')
  const send = async (route: string, body: string, headers: Record<string, string> = {}) => {
    const signature = `sha256=${createHmac('sha256', SECRET).update(body).digest('hex')}`
    return await request(`${gateway.proxyUrl}/hooks/${route}/x?y=1`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-hub-signature-256': signature, ...headers },
      body,
    })
  }
  const states = () =>
    db.query<{ state: string; n: number }>(
      'SELECT state, count(*)::int AS n FROM deliveries GROUP BY 1 ORDER BY 1',
    )
  return { db, gateway, send, states }
}

t.test('a webhook is answered 202 once it is durable, and delivered with what its sender said', async (t) => {
  const receiver = await startReceiver(t)
  const { db, gateway, send, states } = await scene(t, [hook(receiver, 'github')])
  const answer = await send('github', '{"action":"opened"}', { 'x-github-event': 'issues' })
  t.equal(answer.status, 202)
  const { id } = JSON.parse(answer.body.toString()) as { id: string }
  t.equal(answer.headers['waybill-delivery-id'], id)
  await untilTrue('it is delivered', () => receiver.taken.length === 1)
  const [got] = receiver.taken
  t.match(got, { path: '/x?y=1', method: 'POST', body: '{"action":"opened"}' })
  t.match(got?.headers, {
    'x-github-event': 'issues',
    'content-type': 'application/json',
    'waybill-delivery-id': id,
    'waybill-delivery-attempt': '1',
    'x-hub-signature-256': /^sha256=/,
  })
  await untilTrue('that is noted', async () => (await states())[0]?.state === 'delivered')
  t.same(await db.query('SELECT FROM delivery_work'), [])
  await assertAllStored(t, db, [gateway], 2)
  t.same(
    await db.query(
      `SELECT tenant, route, outcome, status, request_id = $1 AS is_attempt, count(*) OVER (PARTITION BY trace_id)::int AS traced
      FROM access_log ORDER BY started_at, seq`,
      [id],
    ),
    [
      { tenant: 'acme', route: 'github', outcome: 'accepted', status: 202, is_attempt: false, traced: 2 },
      { tenant: 'acme', route: 'github', outcome: 'delivered', status: 204, is_attempt: true, traced: 2 },
    ],
  )
  t.equal(await gateway.stop(), 0)
})

t.test('a request that changes nothing is not kept: it is told what is served', async (t) => {
  const receiver = await startReceiver(t)
  const { db, gateway } = await scene(t, [hook(receiver, 'any')])
  const headers = { 'x-hub-signature-256': `sha256=${createHmac('sha256', SECRET).digest('hex')}` }
  for (const method of ['GET', 'HEAD', 'OPTIONS']) {
    const answer = await request(`${gateway.proxyUrl}/hooks/any/x`, { method, headers })
    t.equal(answer.status, 405, method)
    t.equal(answer.headers['allow'], 'POST, PUT, PATCH, DELETE', method)
  }
  await assertAllStored(t, db, [gateway], 3)
  t.same(await db.query('SELECT FROM deliveries'), [])
  t.equal(await gateway.stop(), 0)
})

t.test('what fails is tried again, keeps its order, and dies with a reason', async (t) => {
  const receiver = await startReceiver(t)
  const { db, send, states } = await scene(t, [
    hook(receiver, 'ordered', { orderBy: ['$.repo'], concurrency: 5 }),
  ])
  let failures = 2
  receiver.answer = ({ body }, res) => {
    const { repo, n } = JSON.parse(body) as { repo: string; n: number }
    const isFailing = repo === 'poison' || (repo === 'a' && n === 0 && failures-- > 0)
    res.writeHead(isFailing ? 500 : 200).end()
  }
  for (let n = 0; n < 5; n++)
    for (const repo of ['a', 'b', 'c'])
      t.equal((await send('ordered', JSON.stringify({ repo, n }))).status, 202)
  t.equal((await send('ordered', JSON.stringify({ repo: 'poison', n: 0 }))).status, 202)
  t.equal((await send('ordered', JSON.stringify({ repo: 'poison', n: 1 }))).status, 202)
  await untilTrue('all have ended', async () => {
    const all = await states()
    return !all.some(({ state }) => state === 'waiting') && all.reduce((sum, { n }) => sum + n, 0) === 17
  })
  t.same(await states(), [
    { state: 'dead', n: 2 },
    { state: 'delivered', n: 15 },
  ])
  for (const repo of ['a', 'b', 'c']) {
    const order = receiver.taken.map(({ body }) => JSON.parse(body) as { repo: string; n: number })
    t.same(
      order.filter((one) => one.repo === repo).map(({ n }) => n),
      [0, 1, 2, 3, 4],
      repo,
    )
  }
  t.same(await db.query('SELECT DISTINCT attempts, last_status, last_reason, is_dead FROM delivery_work'), [
    { attempts: 3, last_status: 500, last_reason: 'status', is_dead: true },
  ])
  t.equal((await send('ordered', '{"n":1}')).status, 400)
  const lacking = await send('ordered', '{"n":1}')
  t.match(lacking.body.toString(), /\$\.repo/, 'what has no value is named')
})

t.test(
  'a delivery that came before is answered 202 with the id of the first, also among 50 at once',
  async (t) => {
    const receiver = await startReceiver(t)
    const { db, send, states } = await scene(t, [
      hook(receiver, 'once', { dedupeBy: 'header:X-GitHub-Delivery' }),
      hook(receiver, 'twice', { dedupeBy: 'body' }),
    ])
    const answers = await Promise.all(
      Array.from({ length: 50 }, () => send('once', '{}', { 'x-github-delivery': 'one' })),
    )
    t.same(new Set(answers.map(({ status }) => status)), new Set([202]))
    t.equal((await send('twice', '{}')).status, 202)
    t.equal((await send('twice', '{}')).status, 202)
    await untilTrue('both are delivered', async () => {
      const found = await states()
      const isDone = !found.some(({ state }) => state === 'waiting')
      return isDone && found.some(({ state, n }) => state === 'delivered' && n === 2)
    })
    t.equal(receiver.taken.length, 2)
    // Where the database was slow, what was promised from the disk is noted as a duplicate.
    const [noted] = await db.query<{ n: number }>(
      `SELECT count(*)::int AS n FROM deliveries WHERE state = 'duplicate' AND route = 'once'`,
    )
    t.equal(
      new Set(answers.map(({ body }) => body.toString())).size,
      1 + (noted?.n ?? 0),
      'the id of the first',
    )
    await untilTrue('all seconds are told', async () => {
      const [row] = await db.query<{ n: number }>(
        `SELECT (SELECT count(*) FROM access_log WHERE outcome = 'accepted' AND reason = 'duplicate')::int
          + (SELECT count(*) FROM deliveries WHERE state = 'duplicate')::int AS n`,
      )
      return row?.n === 50
    })
    t.equal((await send('once', '{}')).status, 400, 'what tells duplicates is not there')
  },
)

t.test('deliveries of the same object become one call with the latest body', async (t) => {
  const receiver = await startReceiver(t)
  const { db, send, states } = await scene(t, [
    hook(receiver, 'merged', { coalesce: { by: ['$.id'], windowMs: 100 }, timeoutMs: 60_000 }),
  ])
  const body = (n: number): string => JSON.stringify({ id: 'x', n })
  const held = new Promise<() => void>((resolve) => {
    receiver.answer = (_, res) => resolve(() => void res.writeHead(200).end())
  })
  t.equal((await send('merged', body(0))).status, 202)
  const release = await held
  receiver.answer = (_, res) => void res.writeHead(200).end()
  // While the first is under way, the others gather behind it.
  for (let n = 1; n < 9; n++) t.equal((await send('merged', body(n))).status, 202)
  release()
  await untilTrue('all have ended', async () => !(await states()).some(({ state }) => state === 'waiting'))
  t.equal(receiver.got.at(-1)?.body, body(8), 'the latest')
  const [row] = await db.query<{ calls: number; coalesced: number; orphans: number }>(
    `SELECT count(*) FILTER (WHERE state = 'delivered')::int AS calls,
      count(*) FILTER (WHERE state = 'coalesced')::int AS coalesced,
      count(*) FILTER (WHERE state = 'coalesced' AND NOT EXISTS (
        SELECT FROM deliveries i WHERE i.id = d.into_id AND i.state = 'delivered'))::int AS orphans FROM deliveries d`,
  )
  t.equal(row?.orphans, 0)
  t.equal(row?.calls, receiver.got.length)
  t.equal((row?.calls ?? 0) + (row?.coalesced ?? 0), 9)
  t.ok((row?.coalesced ?? 0) > 0, 'some became one')
})

t.test(
  'dead letters are listed, delivered once more or dropped, and the books of a tenant close',
  async (t) => {
    const receiver = await startReceiver(t)
    const { db, gateway, send, states } = await scene(t, [hook(receiver, 'books', { permanent: [422] })])
    receiver.answer = (_, res) => void res.writeHead(422).end()
    for (const n of [1, 2]) {
      const answer = await send('books', JSON.stringify({ n }), { 'x-request-id': `request-${n}` })
      t.equal(answer.status, 202)
    }
    await untilTrue(
      'both are dead',
      async () => (await states())[0]?.state === 'dead' && (await states())[0]?.n === 2,
    )
    const list = async (...args: string[]) =>
      JSON.parse(await gateway.must('deliveries', 'list', '--json', ...args)) as Record<string, unknown>[]
    const dead = await list('--state', 'dead', '--route', 'books')
    const [first, second] = [1, 2].map((n) => dead.find(({ requestId }) => requestId === `request-${n}`))
    t.match(first, { tenant: 'acme', state: 'dead', attempts: 1, lastStatus: 422, lastReason: 'status' })
    receiver.answer = (_, res) => void res.writeHead(200).end()
    t.match(await gateway.must('deliveries', 'redeliver', String(first?.['id'])), /^1 to be delivered again/)
    t.match(await gateway.must('deliveries', 'drop', String(second?.['id']), '--yes'), /^1 dropped/)
    await untilTrue('it is delivered', () => receiver.taken.length === 1)
    t.equal(receiver.taken[0]?.body, '{"n":1}')
    await untilTrue('that is noted', async () => (await states()).some(({ state }) => state === 'delivered'))
    const again = await gateway.cli('deliveries', 'redeliver', String(first?.['id']))
    t.equal(again.code, 1, 'it was repeated already')
    t.equal((await gateway.cli('deliveries', 'redeliver', 'garbage')).code, 2)
    await assertAllStored(t, db, [gateway], 5)
    const account = async () =>
      JSON.parse(
        (await gateway.cli('deliveries', 'account', '--json', '--until', '2100-01-01')).stdout,
      ) as unknown
    t.same(await account(), [
      {
        tenant: 'acme',
        accepted: 2,
        repeated: 1,
        waiting: 0,
        delivered: 1,
        dead: 1,
        dropped: 1,
        coalesced: 0,
        duplicate: 0,
        missing: 0,
      },
    ])
    await db.query(`DELETE FROM deliveries WHERE state = 'dropped'`)
    const lost = await gateway.cli('deliveries', 'account', '--until', '2100-01-01')
    t.equal(lost.code, 1, 'a delivery that was accepted and is not there is missed')
  },
)
