import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import { WebSocket, WebSocketServer } from 'ws'
import { assertAllStored } from './harness/accounting.ts'
import { testDatabase } from './harness/database.ts'
import { startGateway } from './harness/gateway.ts'
import { untilTrue } from './harness/wait.ts'

const LARGE = 1_000_000

t.test('WebSockets pass through the gateway', async (t) => {
  const db = await testDatabase(t)
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0, maxPayload: 2 * LARGE })
  t.teardown(() => {
    for (const client of server.clients) client.terminate()
    server.close()
  })
  const handshakes: IncomingMessage[] = []
  const closes: number[] = []
  server.on('connection', (socket, req) => {
    handshakes.push(req)
    socket.on('message', (data, isBinary) => {
      if ((data as Buffer).toString() === 'leave') socket.close(4001, 'as you wish')
      else socket.send(data, { binary: isBinary })
    })
    socket.on('close', (code) => closes.push(code))
  })
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const gateway = await startGateway(t, {
    databaseUrl: db.url,
    config: {
      routes: [{ name: 'live', kind: 'integration', path: '/live/', upstream: `http://127.0.0.1:${port}/` }],
      accessLog: { flushIntervalMs: 100 },
    },
  })
  const key = await gateway.mint({ tenant: 'acme', scopes: ['live:*'] })
  const url = `${gateway.proxyUrl.replace('http', 'ws')}/live/feed?x=1`
  const connect = (authorization: string, protocols: string[] = []): WebSocket => {
    const socket = new WebSocket(url, protocols, { headers: { authorization } })
    t.teardown(() => socket.terminate())
    return socket
  }

  await t.test('messages are echoed, whatever their size, and the key stays behind', async (t) => {
    const socket = connect(`Bearer ${key}`, ['feed.v1'])
    await once(socket, 'open')
    t.equal(socket.protocol, 'feed.v1')
    const large = Buffer.alloc(LARGE, 7)
    for (const message of ['hello', large]) {
      socket.send(message)
      const [data] = (await once(socket, 'message')) as [Buffer]
      t.ok(Buffer.from(message).equals(data), `${message.length} bytes came back`)
    }
    t.equal(handshakes[0]?.url, '/feed?x=1')
    t.notMatch(handshakes[0]?.rawHeaders.join('\n'), key.slice(16))
    t.equal((await gateway.overview()).requests.upgradedConnections, 1)
    socket.close(4002)
    const [code] = (await once(socket, 'close')) as [number]
    t.equal(code, 4002)
    await untilTrue('the server sees the close', () => closes.length > 0)
    t.strictSame(closes, [4002], 'the close code of the client reaches the server')
  })

  await t.test('the close code of the server reaches the client', async (t) => {
    const socket = connect(`Bearer ${key}`)
    await once(socket, 'open')
    socket.send('leave')
    const [code, reason] = (await once(socket, 'close')) as [number, Buffer]
    t.equal(code, 4001)
    t.equal(String(reason), 'as you wish')
  })

  await t.test('without a valid key there is no upgrade', async (t) => {
    const socket = connect('Bearer wrong')
    socket.on('error', () => {})
    const [, res] = (await once(socket, 'unexpected-response')) as [unknown, IncomingMessage]
    t.equal(res.statusCode, 401)
    t.equal(handshakes.length, 2, 'the upstream saw nothing of it')
    socket.terminate()
  })

  await assertAllStored(t, db, [gateway], 3)
  const rows = await db.query(
    `SELECT status, outcome, bytes_received > ${LARGE} AND bytes_sent > ${LARGE} AS is_large, duration_us > 0 AS has_duration
     FROM access_log ORDER BY started_at`,
  )
  t.strictSame(rows, [
    { status: 101, outcome: 'forwarded', is_large: true, has_duration: true },
    { status: 101, outcome: 'forwarded', is_large: false, has_duration: true },
    { status: 401, outcome: 'unauthenticated', is_large: false, has_duration: true },
  ])
  t.equal(await gateway.stop(), 0)
})
