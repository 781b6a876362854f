import type { Socket } from 'node:net'
import t from 'tap'
import { startGateway } from '../test/gateway.ts'
import { until } from '../test/wire.ts'

const MIB = 1024 * 1024
const CHUNK = Buffer.alloc(64 * 1024, 'x')

/** Sends until the peer does not take more; resolves with the bytes that were sent. */
async function fill(socket: Socket, limit: number): Promise<number> {
  let sent = 0
  while (sent < limit) {
    sent += CHUNK.length
    if (socket.write(CHUNK)) continue
    const before = socket.bytesWritten
    let turns = 0
    while (socket.writableNeedDrain && turns++ < 500) await new Promise(setImmediate)
    if (socket.writableNeedDrain && socket.bytesWritten === before) return sent
  }
  return sent
}

t.test('a client that does not read stops its upstream', async (t) => {
  const gateway = await startGateway(t)
  const client = await gateway.client()
  client.socket.pause()
  client.send(gateway.head('GET /r/x HTTP/1.1'))
  const upstream = await gateway.upstream.connection()
  await upstream.message()
  upstream.send('HTTP/1.1 200 OK\r\n\r\n')
  const sent = await fill(upstream.socket, 256 * MIB)
  t.ok(sent < 64 * MIB, `stopped after ${sent} bytes`)
  client.socket.resume()
  upstream.end()
  await until(() => client.text.endsWith('0\r\n\r\n'), 'the last chunk')
  await gateway.finish(t, [{ status: 200, bytesSent: sent, outcome: 'forwarded' }])
})

for (const [name, head, ending, outcome] of [
  ['close-delimited and FIN', '', 'fin', 'forwarded'],
  ['close-delimited and RST', '', 'rst', 'upstream_reset'],
  ['Connection: close and FIN', 'Connection: close\r\nContent-Length: LENGTH\r\n', 'fin', 'forwarded'],
  ['Content-Length and FIN', 'Content-Length: LENGTH\r\n', 'fin', 'forwarded'],
] as const) {
  t.test(`a response that ends while its client does not read: ${name}`, async (t) => {
    for (const extra of [0, 1, 16_384]) {
      const gateway = await startGateway(t)
      const client = await gateway.client()
      client.socket.pause()
      client.send(gateway.head('GET /r/x HTTP/1.1'))
      const upstream = await gateway.upstream.connection()
      await upstream.message()
      const length = 8 * MIB + extra
      upstream.send(`HTTP/1.1 200 OK\r\n${head.replace('LENGTH', String(length))}\r\n`)
      for (let left = length; left > 0; left -= CHUNK.length)
        upstream.send(CHUNK.subarray(0, Math.min(left, CHUNK.length)))
      await until(() => [...gateway.handler.exchanges][0]?.isClientBlocked === true, 'the client to block')
      for (let i = 0; i < 50; i++) await new Promise(setImmediate)
      if (ending === 'fin') upstream.end()
      else upstream.reset()
      for (let i = 0; i < 50; i++) await new Promise(setImmediate)
      client.socket.resume()
      await gateway.entry()
      await gateway.finish(t, [{ status: 200, outcome }])
      if (outcome === 'forwarded') t.equal(gateway.entries[0]?.bytesSent, length)
    }
  })
}

for (const [name, head, ending, outcome] of [
  ['close-delimited and FIN', '', 'fin', 'forwarded'],
  ['close-delimited and RST', '', 'rst', 'upstream_reset'],
  ['Content-Length, cut by FIN', 'Content-Length: 999999999\r\n', 'fin', 'upstream_reset'],
  ['Content-Length, cut by RST', 'Content-Length: 999999999\r\n', 'rst', 'upstream_reset'],
  [
    'Connection: close, cut by RST',
    'Connection: close\r\nContent-Length: 999999999\r\n',
    'rst',
    'upstream_reset',
  ],
] as const) {
  t.test(`an upstream that ends when its last byte has blocked the client: ${name}`, async (t) => {
    const gateway = await startGateway(t)
    const client = await gateway.client()
    client.socket.pause()
    client.send(gateway.head('GET /r/x HTTP/1.1'))
    const upstream = await gateway.upstream.connection()
    await upstream.message()
    upstream.send(`HTTP/1.1 200 OK\r\n${head}\r\n`)
    const isBlocked = (): boolean => [...gateway.handler.exchanges][0]?.isClientBlocked === true
    let sent = 0
    for (; !isBlocked(); sent += CHUNK.length) {
      upstream.send(CHUNK)
      const target = sent + CHUNK.length
      await until(
        () => [...gateway.handler.exchanges][0]?.bytesSent === target || isBlocked(),
        'the chunk to pass',
      )
    }
    await until(() => [...gateway.handler.exchanges][0]?.bytesSent === sent || isBlocked(), 'the last chunk')
    if (ending === 'fin') upstream.end()
    else upstream.reset()
    for (let i = 0; i < 100; i++) await new Promise(setImmediate)
    client.socket.resume()
    if (outcome === 'forwarded') await until(() => client.text.endsWith('0\r\n\r\n'), 'the last chunk')
    else await client.closed()
    await gateway.finish(t, [{ status: 200, outcome }])
    if (outcome === 'forwarded') t.equal(gateway.entries[0]?.bytesSent, sent)
  })
}
