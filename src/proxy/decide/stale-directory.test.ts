import t from 'tap'
import { mintKey } from '../../model/api-key.ts'
import { startGateway } from '../../test/gateway.ts'

const FAILURES = { perMinute: 1, burst: 5, maxSources: 100 }

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'

function head(...lines: string[]): string {
  return `${lines.join('\r\n')}\r\nHost: gw\r\n\r\n`
}

const WAYS = {
  'plain request': (key: string) => head('GET /r/x HTTP/1.1', `Authorization: Bearer ${key}`),
  "request of Node's parser": (key: string) =>
    `${head('POST /r/x HTTP/1.1', 'Transfer-Encoding: chunked', `X-Api-Key: ${key}`)}0\r\n\r\n`,
  handshake: (key: string) =>
    head(
      'GET /r/x HTTP/1.1',
      'Connection: Upgrade',
      'Upgrade: websocket',
      'Sec-WebSocket-Version: 13',
      'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==',
      `Authorization: Bearer ${key}`,
    ),
} as const

for (const [way, request] of Object.entries(WAYS)) {
  t.test(`D14: cut off from the database, an unknown key is 503 and nobody's fault: ${way}`, async (t) => {
    const gateway = await startGateway(t, { failures: FAILURES })
    gateway.directory.isStale = true
    for (let i = 0; i < 30; i++) {
      const client = await gateway.client()
      client.send(request(mintKey().text))
      const answer = await client.message()
      t.match([answer.status, answer.head], [503, /retry-after: 1\r\n/i])
      t.notMatch(answer.head, /www-authenticate/i)
      t.match(answer.body, /may be valid/)
    }
    await gateway.quiet()
    for (const entry of gateway.entries)
      t.match(entry, { status: 503, outcome: 'not_ready', reason: 'stale_snapshot', tenant: '', keyId: '' })
    t.equal(gateway.entries.length, 30)
    t.equal(gateway.limiter.stats.refusals.auth_throttled, 0)
    gateway.directory.isStale = false
    const client = await gateway.client()
    client.send(request(mintKey().text))
    t.equal((await client.message()).status, 401, 'with the database there, no is no')
  })
}

t.test('D14: what is known stays known: revoked, expired, suspended, malformed and good', async (t) => {
  const gateway = await startGateway(t, {})
  gateway.directory.isStale = true
  const client = await gateway.client()
  const { key, directory } = gateway
  const statusOf = async (text: string): Promise<number> => {
    client.send(WAYS['plain request'](text))
    return (await client.message()).status
  }
  client.send(WAYS['plain request'](key.text))
  ;(await gateway.upstream.request()).wire.send(OK)
  t.equal((await client.message()).status, 200)
  t.equal(await statusOf('wb_garbage'), 401)
  client.send(head('GET /r/x HTTP/1.1'))
  t.equal((await client.message()).status, 401, 'who presents nothing is asked')
  directory.key(key, { expiresAtMs: 1 })
  t.equal(await statusOf(key.text), 401)
  directory.key(key, { isRevoked: true })
  t.equal(await statusOf(key.text), 401)
  directory.key(key)
  directory.tenant('acme', { state: 'suspended' })
  t.equal(await statusOf(key.text), 401)
  await gateway.quiet()
  t.same(
    gateway.entries.map(({ reason }) => reason),
    [null, 'malformed_key', 'missing_key', 'expired_key', 'revoked_key', 'suspended'],
  )
})

t.test('D14: what is under way does not end for a key that a stale snapshot does not hold', async (t) => {
  const gateway = await startGateway(t, {})
  const client = await gateway.client()
  client.send(WAYS['plain request'](gateway.key.text))
  const { wire } = await gateway.upstream.request()
  wire.send('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nok')
  gateway.directory.isStale = true
  gateway.directory.keys.delete(gateway.key.digest)
  gateway.directory.replace()
  // Two ticks of the listener's clock, 250 ms each: the look has been taken.
  await new Promise((resolve) => setTimeout(resolve, 700))
  wire.send('ok')
  t.match(await client.message(), { status: 200, body: 'okok' })
})
