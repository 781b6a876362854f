import t from 'tap'
import { startGateway } from '../test/gateway.ts'
import { until } from '../test/wire.ts'

const POST = 'POST /r/x HTTP/1.1'
const CHUNKED = 'Transfer-Encoding: chunked'
const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'

t.test('a body passes with its length, or in chunks', async (t) => {
  const gateway = await startGateway(t)
  const client = await gateway.client()
  client.send(gateway.head(POST, 'Content-Length: 5') + 'hello')
  const upstream = await gateway.upstream.connection()
  const first = await upstream.message()
  t.equal(first.body, 'hello')
  t.equal(first.field('content-length'), '5')
  t.equal(first.field('transfer-encoding'), null)
  upstream.send(OK)
  await client.message()
  client.send(gateway.head(POST, CHUNKED) + '5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n')
  const second = await upstream.message()
  t.equal(second.body, 'hello world')
  upstream.send(OK)
  await client.message()
  await gateway.finish(t, [
    { outcome: 'forwarded', bytesReceived: 5, bytesSent: 2 },
    { outcome: 'forwarded', bytesReceived: 11, bytesSent: 2 },
  ])
})

for (const method of ['DELETE', 'OPTIONS', 'GET', 'PROPFIND'] as const) {
  t.test(`a chunked ${method} stays one request`, async (t) => {
    const gateway = await startGateway(t)
    const client = await gateway.client()
    const smuggled = 'GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n'
    client.send(
      gateway.head(`${method} /r/x HTTP/1.1`, CHUNKED) +
        `${smuggled.length.toString(16)}\r\n${smuggled}\r\n0\r\n\r\n`,
    )
    const { wire: upstream, message } = await gateway.upstream.request()
    t.equal(message.body, smuggled)
    upstream.send(OK)
    t.equal((await client.message()).status, 200)
    t.equal(upstream.text, '')
    await gateway.finish(t, [{ outcome: 'forwarded', method }])
  })
}

t.test('an empty body keeps its Content-Length', async (t) => {
  const gateway = await startGateway(t)
  const client = await gateway.client()
  for (const method of ['POST', 'PUT', 'DELETE'] as const) {
    client.send(gateway.head(`${method} /r/x HTTP/1.1`, 'Content-Length: 0'))
  }
  for (const method of ['POST', 'PUT', 'DELETE']) {
    const { wire, message } = await gateway.upstream.request()
    t.match(message.startLine, method)
    if (method !== 'DELETE') t.equal(message.field('content-length'), '0')
    wire.send(OK)
    t.equal((await client.message()).status, 200)
  }
  await gateway.finish(t, [{ status: 200 }, { status: 200 }, { status: 200 }])
})

t.test('100 Continue comes when the upstream takes the request, and Expect is not passed on', async (t) => {
  const gateway = await startGateway(t)
  const client = await gateway.client()
  client.send(gateway.head(POST, 'Content-Length: 5', 'Expect: 100-continue'))
  const interim = await client.message()
  t.equal(interim.startLine, 'HTTP/1.1 100 Continue')
  client.send('hello')
  const upstream = await gateway.upstream.connection()
  const request = await upstream.message()
  t.equal(request.field('expect'), null)
  t.equal(request.body, 'hello')
  upstream.send(OK)
  t.equal((await client.message()).status, 200)
  await gateway.finish(t, [{ outcome: 'forwarded', status: 200 }])
})

t.test('Expect: 100-continue of an empty body does not make the gateway wait', async (t) => {
  const gateway = await startGateway(t)
  const client = await gateway.client()
  client.send(gateway.head(POST, 'Content-Length: 0', 'Expect: 100-continue'))
  ;(await gateway.upstream.request()).wire.send(OK)
  t.equal((await client.message()).status, 200)
  await gateway.finish(t, [{ status: 200 }])
})

t.test('a refusal comes instead of 100 Continue, before the body', async (t) => {
  const gateway = await startGateway(t, {
    routes: [
      { maxBodyBytes: 10 },
      { name: 'limited', path: '/l/', rateLimit: { perSecond: 0.01, burst: 1 } },
    ],
  })
  const refused = async (head: string, status: number): Promise<void> => {
    const client = await gateway.client()
    client.send(head)
    const response = await client.message()
    t.equal(response.status, status)
    await client.closed()
    t.equal(client.text, '')
  }
  const expect = 'Expect: 100-continue'
  await refused(`POST /r/x HTTP/1.1\r\nHost: gw\r\nContent-Length: 5\r\n${expect}\r\n\r\n`, 401)
  await refused(gateway.head(POST, 'Content-Length: 11', expect), 413)
  await refused(gateway.head(POST, 'Content-Length: 5', 'Expect: something-else'), 417)
  const client = await gateway.client()
  client.send(gateway.head('GET /l/x HTTP/1.1'))
  const upstream = await gateway.upstream.connection()
  await upstream.message()
  upstream.send(OK)
  await client.message()
  await refused(gateway.head('POST /l/x HTTP/1.1', 'Content-Length: 5', expect), 429)
  t.equal(gateway.upstream.all.length, 1, 'nothing was sent upstream')
  await gateway.finish(t, [
    { outcome: 'unauthenticated', reason: 'missing_key', status: 401 },
    { outcome: 'body_too_large', status: 413 },
    { outcome: 'bad_request', reason: 'expectation', status: 417 },
    { status: 200 },
    { outcome: 'rate_limited', reason: 'route_rate', status: 429 },
  ])
})

t.test('a chunked body that grows too large is answered 413 and never completed upstream', async (t) => {
  const gateway = await startGateway(t, { routes: [{ maxBodyBytes: 10 }] })
  const client = await gateway.client()
  client.send(gateway.head(POST, CHUNKED) + '5\r\nhello\r\n')
  const upstream = await gateway.upstream.connection()
  await upstream.holds('hello')
  client.send('6\r\n world\r\n')
  const response = await client.message()
  t.equal(response.status, 413)
  await upstream.closed()
  t.notMatch(upstream.text, /\r\n0\r\n/)
  client.send('0\r\n\r\n')
  await gateway.finish(t, [{ outcome: 'body_too_large', status: 413, tenant: 'acme', bytesReceived: 11 }])
})

for (const connection of ['keep-alive', 'close'] as const) {
  for (const ending of ['stays open', 'closes', 'resets'] as const) {
    t.test(
      `an early answer gets through to a client that uploads: ${connection}, the upstream ${ending}`,
      async (t) => {
        const gateway = await startGateway(t)
        const client = await gateway.client()
        const size = 32 * 1024 * 1024
        client.send(gateway.head(POST, `Content-Length: ${size}`, `Connection: ${connection}`))
        client.send(Buffer.alloc(4 * 1024 * 1024))
        const upstream = await gateway.upstream.connection()
        await upstream.head()
        await until(() => upstream.text.length > 100_000, 'a part of the body')
        upstream.socket.pause()
        upstream.send('HTTP/1.1 413 Too Large\r\nContent-Length: 4\r\nConnection: close\r\n\r\nfull')
        if (ending === 'closes') upstream.end()
        const response = await client.message()
        if (ending === 'resets') upstream.reset()
        t.equal(response.status, 413)
        t.equal(response.body, 'full')
        client.send(Buffer.alloc(size - 4 * 1024 * 1024))
        await until(() => client.socket.writableLength === 0 || client.isClosed, 'the rest of the upload')
        if (connection === 'keep-alive' && !client.isClosed) {
          client.send(gateway.head('GET /r/next HTTP/1.1'))
          ;(await gateway.upstream.request()).wire.send(OK)
          t.equal((await client.message()).status, 200)
        } else {
          await client.closed()
          t.equal(client.errorCode, null, 'no reset')
          gateway.entries.push(gateway.entries[0] as (typeof gateway.entries)[0])
        }
        await gateway.finish(t, [{ outcome: 'forwarded', status: 413, bytesSent: 4 }, {}])
      },
    )
  }
}

for (const connection of ['keep-alive', 'close'] as const) {
  t.test(`a refusal gets through to a client that uploads: ${connection}`, async (t) => {
    const gateway = await startGateway(t)
    const client = await gateway.client()
    const size = 8 * 1024 * 1024
    client.send(
      `POST /r/x HTTP/1.1\r\nHost: gw\r\nContent-Length: ${size}\r\nConnection: ${connection}\r\n\r\n`,
    )
    client.send(Buffer.alloc(size))
    const response = await client.message()
    t.equal(response.status, 401)
    t.match(response.body, /Valid credentials/)
    if (connection === 'close') await client.closed()
    t.equal(client.errorCode, null)
    await gateway.finish(t, [{ outcome: 'unauthenticated', status: 401 }])
  })
}

t.test('an upload that goes on for ever after its refusal is broken off', async (t) => {
  const gateway = await startGateway(t)
  const client = await gateway.client()
  client.send('POST /r/x HTTP/1.1\r\nHost: gw\r\nContent-Length: 1000000\r\n\r\nsome')
  t.equal((await client.message()).status, 401)
  await client.closed()
  await gateway.finish(t, [{ outcome: 'unauthenticated', status: 401 }])
})

t.test('an upstream that closes without an answer while the client uploads becomes 502', async (t) => {
  const gateway = await startGateway(t)
  const client = await gateway.client()
  client.send(gateway.head(POST, 'Content-Length: 100000000') + 'some')
  const upstream = await gateway.upstream.connection()
  await upstream.holds('some')
  upstream.reset()
  t.equal((await client.message()).status, 502)
  await gateway.finish(t, [{ outcome: 'upstream_reset', reason: 'connection_reset', status: 502 }])
})

t.test('a malformed chunk in an upload ends it, upstream too, with 400', async (t) => {
  const gateway = await startGateway(t)
  const client = await gateway.client()
  client.send(gateway.head(POST, CHUNKED) + '5\r\nhello\r\n')
  const upstream = await gateway.upstream.connection()
  await upstream.holds('hello')
  client.send('ZZ\r\nbad\r\n')
  t.equal((await client.message()).status, 400)
  await client.closed()
  await upstream.closed()
  t.notMatch(upstream.text, /\r\n0\r\n|bad/)
  await gateway.finish(t, [{ outcome: 'bad_request', reason: 'framing', status: 400, tenant: 'acme' }])
})

t.test('an upstream that does not read stops the client', async (t) => {
  const gateway = await startGateway(t)
  const client = await gateway.client()
  client.send(gateway.head(POST, 'Content-Length: 268435456'))
  const chunk = Buffer.alloc(256 * 1024)
  client.send(chunk)
  const upstream = await gateway.upstream.connection()
  await upstream.head()
  upstream.socket.pause()
  let sent = chunk.length
  let idleTurns = 0
  while (sent < 256 * 1024 * 1024 && idleTurns < 1000) {
    if (client.socket.writableNeedDrain) {
      idleTurns++
      await new Promise(setImmediate)
      continue
    }
    idleTurns = 0
    client.send(chunk)
    sent += chunk.length
  }
  t.ok(sent < 64 * 1024 * 1024, `stopped after ${sent} bytes`)
  client.reset()
  upstream.socket.resume()
  await upstream.closed()
  await gateway.finish(t, [{ outcome: 'client_closed', status: 499 }])
})
