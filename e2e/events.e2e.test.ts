import { createHmac, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import { testDatabase } from './harness/database.ts'
import { startGateway, writeConfig } from './harness/gateway.ts'
import { until } from './harness/wait.ts'

const KEY = randomBytes(32)

interface Received {
  readonly isSigned: boolean
  readonly id: unknown
  readonly message: { readonly type: string; readonly data: Readonly<Record<string, unknown>> }
}

async function read(request: IncomingMessage): Promise<Received> {
  let body = ''
  for await (const chunk of request.setEncoding('utf8')) body += String(chunk)
  const { 'webhook-id': id, 'webhook-timestamp': at, 'webhook-signature': signature } = request.headers
  const expected = `v1,${createHmac('sha256', KEY)
    .update(`${String(id)}.${String(at)}.${body}`)
    .digest('base64')}`
  return { id, isSigned: signature === expected, message: JSON.parse(body) as Received['message'] }
}

/** Answers 503 at first, then 204. */
async function startReceiver(t: Test): Promise<{ url: string; received: readonly Received[] }> {
  const received: Received[] = []
  const server = createServer((request, response) => {
    void read(request).then((one) => {
      received.push(one)
      response.writeHead(received.length === 1 ? 503 : 204).end()
    })
  }).listen(0, '127.0.0.1')
  t.teardown(() => server.close())
  await once(server, 'listening')
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook?token=hidden`, received }
}

for (const workers of [1, 2])
  t.test(`a receiver that a reload adds is told of a key that expires, by ${workers} workers`, async (t) => {
    const routes = [{ name: 'r', kind: 'generic', path: '/r/', upstream: 'http://127.0.0.1:9' }]
    const [db, { url, received }] = [await testDatabase(t), await startReceiver(t)]
    const gateway = await startGateway(t, { databaseUrl: db.url, config: { workers, routes } })
    await gateway.must('tenants', 'create', 'acme')
    // Made long ago, as no command can.
    await db.query(
      `INSERT INTO api_keys (id, digest, tenant, scopes, created_at, expires_at)
       VALUES ('0a1b2c3d4e5f', repeat('0', 64), 'acme', '{*:read}', now() - interval '28 days', now() + interval '2 days')`,
    )
    const secret = `whsec_${KEY.toString('base64')}`
    await writeConfig(gateway.configFile, {
      workers,
      routes,
      events: [{ url, secret, types: ['key.expiring'] }],
    })
    gateway.child.kill('SIGHUP')
    const metric = async (): Promise<string> => await (await fetch(`${gateway.adminUrl}/metrics`)).text()
    const text = await until('the event was taken', async () => {
      const lines = await metric()
      return /^waybill_events_sent_total 1$/m.test(lines) ? lines : undefined
    })
    t.match(text, /^waybill_events_lost_total\{reason="given_up"\} 0$/m)
    t.match(received, [
      { isSigned: true },
      { isSigned: true, message: { type: 'key.expiring', data: { tenant: 'acme' } } },
    ])
    t.equal(received[0]?.id, received[1]?.id)
    t.same(await db.query('SELECT FROM event_deliveries'), [])
    t.notMatch(JSON.stringify(gateway.log), /hidden|whsec_/)
    t.equal(await gateway.stop(), 0)
  })
