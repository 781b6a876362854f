import { createHmac, randomBytes } from 'node:crypto'
import t from 'tap'
import { testDatabase } from './harness/database.ts'
import { startGateway, writeConfig } from './harness/gateway.ts'
import { type Got, startReceiver } from './harness/receiver.ts'
import { until } from './harness/wait.ts'

const KEY = randomBytes(32)

interface Received {
  readonly isSigned: boolean
  readonly id: unknown
  readonly message: { readonly type: string; readonly data: Readonly<Record<string, unknown>> }
}

function read({ headers, body }: Got): Received {
  const { 'webhook-id': id, 'webhook-timestamp': at, 'webhook-signature': signature } = headers
  const expected = `v1,${createHmac('sha256', KEY)
    .update(`${String(id)}.${String(at)}.${body}`)
    .digest('base64')}`
  return { id, isSigned: signature === expected, message: JSON.parse(body) as Received['message'] }
}

for (const workers of [1, 2])
  t.test(`a receiver that a reload adds is told of a key that expires, by ${workers} workers`, async (t) => {
    const routes = [{ name: 'r', kind: 'generic', path: '/r/', upstream: 'http://127.0.0.1:9' }]
    const [db, receiver] = [await testDatabase(t), await startReceiver(t)]
    receiver.answer = (_, res) => void res.writeHead(receiver.got.length === 1 ? 503 : 204).end()
    const gateway = await startGateway(t, { databaseUrl: db.url, config: { workers, routes } })
    await gateway.must('tenants', 'create', 'acme')
    // Made long ago, as no command can.
    await db.query(
      `INSERT INTO api_keys (id, digest, tenant, scopes, created_at, expires_at)
       VALUES ('0a1b2c3d4e5f', repeat('0', 64), 'acme', '{*:read}', now() - interval '28 days', now() + interval '2 days')`,
    )
    const url = `${receiver.url}hook?token=hidden`
    const secret = `whsec_${KEY.toString('base64')}`
    await writeConfig(gateway.configFile, {
      workers,
      routes,
      events: [{ url, secret, types: ['key.expiring'] }],
    })
    gateway.child.kill('SIGHUP')
    const scrape = await until('the event was taken', async () => {
      const found = await gateway.metrics()
      return found.sum('waybill_events_sent_total') === 1 ? found : undefined
    })
    t.equal(scrape.sum('waybill_events_lost_total', { reason: 'given_up' }), 0)
    const received = receiver.got.map(read)
    t.match(received, [
      { isSigned: true },
      { isSigned: true, message: { type: 'key.expiring', data: { tenant: 'acme' } } },
    ])
    t.equal(received[0]?.id, received[1]?.id)
    t.same(await db.query('SELECT FROM event_deliveries'), [])
    t.notMatch(JSON.stringify(gateway.log), /hidden|whsec_/)
    t.equal(await gateway.stop(), 0)
  })
