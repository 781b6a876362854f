import t from 'tap'
import type { Outcome, Reason } from '../../model/outcome.ts'
import { DEFAULT_RULES } from '../../model/route-rules.ts'
import { startGateway, type TestGateway, type TestGatewayOptions } from '../../test/gateway.ts'
import { until } from '../../test/wire.ts'

const CHUNKED = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n'
const ASK = [
  'Connection: Upgrade',
  'Upgrade: websocket',
  'Sec-WebSocket-Version: 13',
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
]
const YES =
  'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n'

interface Loss {
  readonly name: string
  readonly outcome: Outcome
  readonly reason: Reason
  readonly status: number
  readonly take: (gateway: TestGateway) => void
}

let nowMs = 1_000_000
const LOSSES: readonly Loss[] = [
  {
    name: 'its key is revoked',
    outcome: 'unauthenticated',
    reason: 'revoked_key',
    status: 401,
    take: ({ directory, key }) => directory.key(key, { isRevoked: true }),
  },
  {
    name: 'its key is not there any more',
    outcome: 'unauthenticated',
    reason: 'unknown_key',
    status: 401,
    take: ({ directory, key }) => {
      directory.keys.delete(key.digest)
      directory.replace()
    },
  },
  {
    name: 'its tenant is suspended',
    outcome: 'tenant_suspended',
    reason: 'suspended',
    status: 401,
    take: ({ directory }) => directory.tenant('acme', { state: 'suspended' }),
  },
  {
    name: 'its tenant is deleted',
    outcome: 'unauthenticated',
    reason: 'deleted',
    status: 401,
    take: ({ directory }) => directory.tenant('acme', { state: 'deleted' }),
  },
  {
    name: 'its scopes are narrowed',
    outcome: 'forbidden',
    reason: 'scope',
    status: 403,
    take: ({ directory, key }) => directory.key(key, { scopeList: ['other:*'] }),
  },
  {
    name: 'its networks are narrowed',
    outcome: 'unauthenticated',
    reason: 'network',
    status: 401,
    take: ({ directory, key }) => directory.key(key, { networkList: ['192.0.2.0/24'] }),
  },
  {
    name: "its key expires by the directory's clock",
    outcome: 'unauthenticated',
    reason: 'expired_key',
    status: 401,
    take: ({ directory }) => {
      nowMs += 2000
      directory.replace()
    },
  },
]

/** A gateway whose clock is the test's, and whose key expires a second from now. */
async function start(t: Parameters<typeof startGateway>[0], options: TestGatewayOptions = {}) {
  const gateway = await startGateway(t, { now: () => nowMs, ...options })
  gateway.directory.key(gateway.key, { expiresAtMs: nowMs + 1000 })
  return gateway
}

/** Waits until every exchange was looked at twice since now: what was to end would have. */
async function looked(gateway: TestGateway): Promise<void> {
  const { lookups } = gateway.directory
  const before = lookups.length
  gateway.directory.replace()
  await until(() => lookups.length > before, 'a look')
  gateway.directory.replace()
  await until(() => lookups.length > before + 1, 'another look')
}

for (const hasPlainPath of [true, false]) {
  const by = hasPlainPath ? 'plain' : "by Node's server"
  for (const { name, outcome, reason, status, take } of LOSSES) {
    t.test(`R15: a response that streams is broken off when ${name} (${by})`, async (t) => {
      const gateway = await start(t, { listener: { hasPlainPath } })
      const client = await gateway.client()
      client.send(gateway.head('GET /r/events HTTP/1.1'))
      const { wire } = await gateway.upstream.request()
      wire.send(CHUNKED)
      await client.holds('hello')
      take(gateway)
      await client.closed()
      await wire.closed()
      t.notMatch(client.text, '\r\n0\r\n', 'no last chunk')
      await gateway.finish(t, [{ outcome, reason, status: 200, bytesSent: 5 }])
    })

    t.test(`R15: a request without an answer is refused when ${name} (${by})`, async (t) => {
      const gateway = await start(t, { listener: { hasPlainPath } })
      const client = await gateway.client()
      client.send(gateway.head('GET /r/slow HTTP/1.1'))
      const { wire } = await gateway.upstream.request()
      take(gateway)
      t.equal((await client.message()).status, status)
      await wire.closed()
      await gateway.finish(t, [{ outcome, reason, status }])
    })
  }

  t.test(`R15: a stream without length is reset (${by})`, async (t) => {
    const gateway = await start(t, { listener: { hasPlainPath } })
    const client = await gateway.client()
    const key = `Authorization: Bearer ${gateway.key.text}`
    client.send(`GET /r/x HTTP/1.0\r\nHost: gw\r\n${key}\r\n\r\n`)
    const { wire } = await gateway.upstream.request()
    wire.send('HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello')
    await client.holds('hello')
    gateway.directory.key(gateway.key, { isRevoked: true })
    await until(() => client.isClosed, 'the reset')
    t.equal(client.errorCode, 'ECONNRESET')
    await wire.closed()
    await gateway.finish(t, [{ outcome: 'unauthenticated', reason: 'revoked_key', status: 200 }])
  })

  t.test(`R15: a key that keeps what the request needs goes on (${by})`, async (t) => {
    const gateway = await start(t, { listener: { hasPlainPath } })
    const client = await gateway.client()
    client.send(gateway.head('GET /r/events HTTP/1.1'))
    const { wire } = await gateway.upstream.request()
    wire.send(CHUNKED)
    await client.holds('hello')
    gateway.directory.key(gateway.key, { scopeList: ['r:read'], networkList: ['127.0.0.0/8'] })
    await looked(gateway)
    wire.send('0\r\n\r\n')
    t.equal((await client.message()).body, 'hello')
    await gateway.finish(t, [{ outcome: 'forwarded', reason: null, status: 200 }])
  })

  t.test(`R15: with finish, what is under way is served to its end (${by})`, async (t) => {
    const gateway = await start(t, { listener: { hasPlainPath } })
    gateway.apply({ endsRevoked: false })
    const client = await gateway.client()
    client.send(gateway.head('GET /r/events HTTP/1.1'))
    const { wire } = await gateway.upstream.request()
    wire.send(CHUNKED)
    await client.holds('hello')
    const other = await gateway.client()
    other.send(gateway.head('GET /r/chat HTTP/1.1', ...ASK))
    const tunnel = (await gateway.upstream.request()).wire
    tunnel.send(YES)
    await other.message()
    gateway.directory.key(gateway.key, { isRevoked: true })
    // Eviction is in the same tick as the look would be.
    const evict = gateway.limiter.evictIdle.bind(gateway.limiter)
    let ticks = 0
    gateway.limiter.evictIdle = (now) => {
      ticks++
      evict(now)
    }
    await until(() => ticks > 0, 'a tick')
    gateway.directory.replace()
    await until(() => ticks > 1, 'another tick')
    wire.send('0\r\n\r\n')
    t.equal((await client.message()).body, 'hello')
    tunnel.send('still here')
    await other.holds('still here')
    other.reset()
    await gateway.finish(t, [
      { outcome: 'forwarded', reason: null, status: 200 },
      { outcome: 'forwarded', status: 101 },
    ])
  })
}

for (const { name, outcome, reason, status, take } of LOSSES) {
  t.test(`R15: an upload that drips is refused when ${name}`, async (t) => {
    const gateway = await start(t)
    const client = await gateway.client()
    client.send(`${gateway.head('PUT /r/up HTTP/1.1', 'Content-Length: 100')}drip`)
    const wire = await gateway.upstream.connection()
    await wire.holds('drip')
    take(gateway)
    t.equal((await client.message()).status, status)
    await wire.closed()
    client.reset()
    await gateway.finish(t, [{ outcome, reason, status, bytesReceived: 4 }])
  })

  t.test(`R15: a tunnel ends when ${name}`, async (t) => {
    const gateway = await start(t)
    const client = await gateway.client()
    client.send(gateway.head('GET /r/chat HTTP/1.1', ...ASK))
    const { wire } = await gateway.upstream.request()
    wire.send(YES)
    t.equal((await client.message()).status, 101)
    take(gateway)
    await client.closed()
    await wire.closed()
    await gateway.finish(t, [{ outcome, reason, status: 101 }])
  })
}

t.test('R15: an upload ends when its key may only read, a download goes on', async (t) => {
  const gateway = await start(t)
  const [reader, writer] = [await gateway.client(), await gateway.client()]
  reader.send(gateway.head('GET /r/x HTTP/1.1'))
  const reading = await gateway.upstream.connection()
  await reading.head()
  reading.send(CHUNKED)
  await reader.holds('hello')
  writer.send(`${gateway.head('PUT /r/up HTTP/1.1', 'Content-Length: 100')}drip`)
  const writing = await gateway.upstream.connection()
  await writing.holds('drip')
  gateway.directory.key(gateway.key, { scopeList: ['r:read'] })
  t.equal((await writer.message()).status, 403)
  await writing.closed()
  writer.reset()
  reading.send('0\r\n\r\n')
  t.equal((await reader.message()).body, 'hello')
  await gateway.finish(t, [{ reason: 'scope', status: 403 }, { outcome: 'forwarded' }])
})

t.test('R15: a handshake and a request in the queue are refused, and leave no place behind', async (t) => {
  const gateway = await start(t, { routes: [{ maxConnections: 1 }] })
  const [first, second, third] = [await gateway.client(), await gateway.client(), await gateway.client()]
  first.send(gateway.head('GET /r/chat HTTP/1.1', ...ASK))
  const { wire } = await gateway.upstream.request()
  second.send(gateway.head('GET /r/x HTTP/1.1'))
  third.send(gateway.head('GET /r/chat HTTP/1.1', ...ASK))
  await until(() => gateway.pools.stats[0]?.queued === 2, 'two in the queue')
  gateway.directory.key(gateway.key, { isRevoked: true })
  for (const client of [first, second, third]) t.equal((await client.message()).status, 401)
  await wire.closed()
  const expected = { outcome: 'unauthenticated', reason: 'revoked_key', status: 401 } as const
  await gateway.finish(t, [expected, expected, expected])
})

t.test('R15: a body that is held back until it is whole is refused', async (t) => {
  const gateway = await start(t, { routes: [{ kind: 'git', rules: DEFAULT_RULES }] })
  gateway.directory.key(gateway.key, { scopeList: ['r:read'] })
  const client = await gateway.client()
  const type = 'Content-Type: application/vnd.git-lfs+json'
  client.send(`${gateway.head('POST /r/a.git/info/lfs/objects/batch HTTP/1.1', type, 'Content-Length: 60')}{`)
  await until(() => gateway.counters.inFlight === 1, 'the request')
  gateway.directory.key(gateway.key, { isRevoked: true })
  t.equal((await client.message()).status, 401)
  client.reset()
  await gateway.finish(t, [{ reason: 'revoked_key', status: 401 }])
  t.equal(gateway.upstream.all.length, 0)
})

t.test('R15: a client that does not read is broken off', async (t) => {
  const gateway = await start(t)
  const client = await gateway.client()
  client.socket.pause()
  client.send(gateway.head('GET /r/big HTTP/1.1'))
  const { wire } = await gateway.upstream.request()
  const length = 32 * 1024 * 1024
  wire.send(`HTTP/1.1 200 OK\r\nContent-Length: ${length}\r\n\r\n`)
  wire.send(Buffer.alloc(length))
  await until(() => [...gateway.handler.exchanges].some((e) => e.isClientBlocked), 'a blocked client')
  gateway.directory.key(gateway.key, { isRevoked: true })
  await gateway.entry()
  await wire.closed()
  await gateway.finish(t, [{ outcome: 'unauthenticated', reason: 'revoked_key', status: 200 }])
})

t.test('R15: more than one tick looks at are all looked at', async (t) => {
  const gateway = await start(t, { listener: { hasPlainPath: false }, routes: [{ maxQueued: 8 }] })
  const client = await gateway.client()
  client.send(gateway.head('GET /r/events HTTP/1.1'))
  const { wire } = await gateway.upstream.request()
  wire.send(CHUNKED)
  await client.holds('hello')
  const [real] = [...gateway.handler.exchanges]
  const stand = { isClosed: true, hasEnding: true, place: -1 } as unknown as NonNullable<typeof real>
  const crowd = Array.from({ length: 10_000 }, () => Object.create(stand) as typeof stand)
  for (const one of crowd) gateway.handler.exchanges.add(one)
  gateway.directory.key(gateway.key, { isRevoked: true })
  await client.closed()
  for (const one of crowd) gateway.handler.exchanges.delete(one)
  await gateway.finish(t, [{ reason: 'revoked_key' }])
})
