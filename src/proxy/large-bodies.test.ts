import t from 'tap'
import { startGateway, type TestGateway } from '../test/gateway.ts'
import { until, type Wire } from '../test/wire.ts'

const MIB = 1024 * 1024

/** No two of its pieces are alike: a buffer that was overwritten too early would show. */
function pattern(length: number, seed: number): Buffer {
  const bytes = Buffer.alloc(length)
  for (let at = 0; at + 4 <= length; at += 4) bytes.writeUInt32LE((at + seed) >>> 0, at)
  return bytes
}

/** In chunks of many sizes. */
function chunked(body: Buffer): Buffer {
  const parts: Buffer[] = []
  for (let at = 0, size = 1; at < body.length; at += size, size = (size * 7 + 3) % 300_000) {
    const part = body.subarray(at, at + size)
    if (part.length > 0) parts.push(Buffer.from(`${part.length.toString(16)}\r\n`), part, Buffer.from('\r\n'))
  }
  return Buffer.concat([...parts, Buffer.from('0\r\n\r\n')])
}

/** Reads a while, stalls until the gateway notices, and so on, to the end. */
async function readHaltingly(gateway: TestGateway, client: Wire, length: number): Promise<void> {
  const [exchange] = gateway.handler.exchanges
  for (let mark = 0; client.bytesRead < length && !client.hasEnded; mark = client.bytesRead + MIB) {
    client.socket.pause()
    await until(() => exchange?.isClientBlocked === true || exchange?.isClosed === true, 'a stall')
    client.socket.resume()
    await until(() => client.bytesRead >= Math.min(mark, length) || client.hasEnded, 'more')
  }
}

for (const framing of ['length', 'chunks', 'close'] as const) {
  t.test(`a large response arrives as it was sent to a client that stalls: ${framing}`, async (t) => {
    const gateway = await startGateway(t)
    const client = await gateway.client()
    const body = pattern(16 * MIB + 5, 1)
    const field = {
      length: `Content-Length: ${body.length}`,
      chunks: 'Transfer-Encoding: chunked',
      close: 'A: b',
    }
    client.send(gateway.head('GET /r/x HTTP/1.1'))
    const { wire } = await gateway.upstream.request()
    wire.send(`HTTP/1.1 200 OK\r\n${field[framing]}\r\n\r\n`)
    wire.send(framing === 'chunks' ? chunked(body) : body)
    if (framing === 'close') wire.end()
    await readHaltingly(gateway, client, body.length)
    const message = await client.message()
    t.ok(Buffer.from(message.body, 'latin1').equals(body))
    await gateway.finish(t, [{ outcome: 'forwarded', bytesSent: body.length }])
  })
}

t.test(
  'many large responses at once keep apart, and so do those that follow on their connections',
  async (t) => {
    const gateway = await startGateway(t, { routes: [{ maxConnections: 40 }] })
    const entries: object[] = []
    for (const round of [0, 1]) {
      const clients = await Promise.all(Array.from({ length: 34 }, () => gateway.client()))
      for (const client of clients) {
        client.socket.pause()
        client.send(gateway.head('GET /r/x HTTP/1.1'))
      }
      const bodies = clients.map((_, i) => pattern(MIB * 8 + i, i * 1_000_003 + round))
      for (const body of bodies) {
        const { wire } = await gateway.upstream.request()
        wire.send(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n`)
        wire.send(body)
        entries.push({ outcome: 'forwarded' })
      }
      await until(() => [...gateway.handler.exchanges].every((each) => each.isClientBlocked), 'all to stall')
      for (const client of clients) client.socket.resume()
      for (const client of clients) {
        const message = await client.message()
        const { length } = message.body
        t.ok(
          bodies.some((body) => body.length === length && body.equals(Buffer.from(message.body, 'latin1'))),
        )
        client.socket.destroy()
      }
    }
    await gateway.finish(t, entries)
  },
)

for (const framing of ['length', 'chunks'] as const) {
  t.test(`a large upload arrives as it was sent at an upstream that stalls: ${framing}`, async (t) => {
    const gateway = await startGateway(t)
    const client = await gateway.client()
    const body = pattern(16 * MIB + 5, 2)
    const field = { length: `Content-Length: ${body.length}`, chunks: 'Transfer-Encoding: chunked' }
    client.send(gateway.head('POST /r/x HTTP/1.1', field[framing]))
    client.send(framing === 'chunks' ? chunked(body) : body)
    const upstream = await gateway.upstream.connection()
    for (let mark = MIB; mark < body.length; mark = upstream.bytesRead + MIB) {
      upstream.socket.pause()
      for (let turns = 0; turns < 200; turns++) await new Promise(setImmediate)
      upstream.socket.resume()
      await until(() => upstream.bytesRead >= Math.min(mark, body.length), 'more')
    }
    const message = await upstream.message()
    t.ok(Buffer.from(message.body, 'latin1').equals(body))
    upstream.send('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
    await client.message()
    await gateway.finish(t, [{ outcome: 'forwarded', bytesReceived: body.length }])
  })
}
