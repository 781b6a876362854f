import t, { type Test } from 'tap'
import { assertAllStored } from '../harness/accounting.ts'
import { request } from '../harness/client.ts'
import { testDatabase } from '../harness/database.ts'
import { startGateway } from '../harness/gateway.ts'
import { startReceiver } from '../harness/receiver.ts'
import { untilTrue } from '../harness/wait.ts'

const SECRET = 'secret-of-the-hook'

async function scene(t: Test, deliver: object, options: object = {}, accept: object = {}) {
  const [db, receiver] = [await testDatabase(t), await startReceiver(t)]
  const route = {
    name: 'hook',
    kind: 'integration',
    path: '/hook/',
    upstream: receiver.url,
    upstreamAuth: { header: { name: 'X-Upstream-Key', value: 'of-the-upstream' } },
    auth: 'signature',
    tenant: 'acme',
    signature: { scheme: 'gitlab', secrets: [SECRET] },
    mode: 'accept',
    accept,
    deliver,
  }
  const config = { routes: [route], accessLog: { flushIntervalMs: 50 }, ...options }
  const gateway = await startGateway(t, { databaseUrl: db.url, config })
  await gateway.createTenant('acme')
  const send = async (body: string, headers: Record<string, string> = {}) =>
    await request(`${gateway.proxyUrl}/hook/x`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-gitlab-token': SECRET, ...headers },
      body,
    })
  const count = async (state: string): Promise<number> =>
    (await db.query(`SELECT FROM deliveries WHERE state = $1`, [state])).length
  return { db, receiver, gateway, send, count }
}

t.test(
  'what was delivered is shown masked, replayed to its receiver, and copied without credentials',
  async (t) => {
    const { db, receiver, gateway, send, count } = await scene(t, { mask: ['$.secret'] })
    const answer = await send('{"secret":"s3cret","n":1}')
    t.equal(answer.status, 202)
    const id = String(answer.headers['waybill-delivery-id'])
    await untilTrue('it is delivered', async () => (await count('delivered')) === 1)
    await assertAllStored(t, db, [gateway], 2)
    t.equal(receiver.taken[0]?.headers['x-upstream-key'], 'of-the-upstream')
    t.same(
      await db.query(`SELECT FROM delivery_bodies b WHERE b::text LIKE '%of-the-upstream%'`),
      [],
      'which is kept nowhere',
    )
    const shown = await gateway.must('deliveries', 'show', id, '--body')
    t.match(shown, /attempt: \S+ delivered 204/)
    t.match(shown, /"n": 1/)
    t.notMatch(shown, /s3cret|of-the-upstream|secret-of-the-hook/)

    t.match(
      await gateway.must('deliveries', 'replay', '--since', '1h', '--route', 'hook'),
      /^1 to be delivered again/,
    )
    await untilTrue('it is delivered again', () => receiver.taken.length === 2)
    t.equal(receiver.taken[1]?.headers['x-upstream-key'], 'of-the-upstream')
    t.equal(receiver.taken[1]?.body, '{"secret":"s3cret","n":1}')
    await untilTrue('that is noted', async () => (await count('delivered')) === 2)

    const debug = await startReceiver(t)
    const copies = await gateway.must(
      'deliveries',
      'replay',
      '--since',
      '1h',
      '--route',
      'hook',
      '--to',
      `${debug.url}try`,
    )
    t.match(copies, new RegExp(`^${id} 204\n[0-9a-f-]{36} 204$`))
    t.equal(debug.got.length, 2)
    for (const { path, body, headers } of debug.got) {
      t.equal(path, '/try')
      t.equal(body, '{"secret":"s3cret","n":1}')
      t.notMatch(JSON.stringify(headers), /of-the-upstream|secret-of-the-hook/)
    }
    const books = await gateway.must('deliveries', 'account', '--json', '--until', '2100-01-01')
    t.match(
      JSON.parse(books),
      [{ accepted: 1, repeated: 1, delivered: 2, missing: 0 }],
      'copies are in no books',
    )
    t.equal(await gateway.stop(), 0)
    const audited = await gateway.cli('audit')
    t.match(audited, { code: 0 }, audited.stdout)
    t.match(
      audited.stdout,
      /deliveries: 1 accepted \+ 1 repeated = 2 delivered \+ 0 waiting \+ 0 dead \+ 0 dropped/,
    )
    await db.query('DELETE FROM access_log WHERE request_id = $1', [id])
    const tampered = await gateway.cli('audit', '--json')
    t.equal(tampered.code, 1)
    const found = JSON.parse(tampered.stdout) as object
    t.match(found, { isComplete: false, deliveries: [{ tenant: 'acme', missing: 0, unproven: 1 }] })
    await db.query('DELETE FROM deliveries WHERE id = $1', [id])
    t.match(await gateway.cli('audit'), { code: 1, stdout: /gap: tenant acme: deliveries missing: 1/ })
  },
)

t.test('deliveries that were refused are listed with id, route, time and reason', async (t) => {
  const options = { deliveries: { maxWaiting: 2 } }
  const { db, receiver, gateway, send } = await scene(t, {}, options, { patienceMs: 50 })
  receiver.answer = (_, res) => void res.writeHead(500).end()
  let refused = await send('{}')
  await untilTrue('one is refused', async () => {
    refused = await send('{}')
    return refused.status === 503
  })
  const id = String(refused.headers['x-request-id'])
  await untilTrue('its entry is stored', async () => {
    return (await db.query('SELECT FROM access_log WHERE request_id = $1', [id])).length === 1
  })
  const listed = await gateway.must('logs', '--route', 'hook', '--outcome', 'overloaded', '--json')
  const entry = (JSON.parse(listed) as Record<string, unknown>[]).find((one) => one['request_id'] === id)
  t.match(entry, {
    tenant: 'acme',
    route: 'hook',
    status: 503,
    reason: 'deliveries_full',
    started_at: String,
  })
  t.match(await gateway.must('logs', '--request-id', id), /deliveries_full/)
  t.equal(await gateway.stop(), 0)
})
