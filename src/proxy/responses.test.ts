import { createHash } from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { once } from 'node:events'
import t from 'tap'
import { startGateway } from '../test/gateway.ts'
import { until } from '../test/wire.ts'

const GET = 'GET /r/x HTTP/1.1'
const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'

for (const [name, line, answer, status, length] of [
  ['HEAD', 'HEAD /r/x HTTP/1.1', 'HTTP/1.1 200 OK\r\nContent-Length: 5000\r\nETag: "e"\r\n\r\n', 200, '5000'],
  [
    'HEAD of chunks',
    'HEAD /r/x HTTP/1.1',
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nETag: "e"\r\n\r\n',
    200,
    null,
  ],
  ['304', GET, 'HTTP/1.1 304 Not Modified\r\nContent-Length: 5000\r\nETag: "e"\r\n\r\n', 304, '5000'],
  ['204 with a length', GET, 'HTTP/1.1 204 No Content\r\nContent-Length: 5\r\nETag: "e"\r\n\r\n', 204, null],
  ['204', GET, 'HTTP/1.1 204 No Content\r\nETag: "e"\r\n\r\n', 204, null],
  [
    '204 with a length it must not have',
    GET,
    'HTTP/1.1 204 No Content\r\nContent-Length: 0\r\nETag: "e"\r\n\r\n',
    204,
    null,
  ],
] as const) {
  t.test(`a response without body stays one, and both connections in step: ${name}`, async (t) => {
    const gateway = await startGateway(t)
    const client = await gateway.client()
    client.send(gateway.head(line))
    const first = await gateway.upstream.request()
    first.wire.send(answer)
    const response = await client.message({ isHead: true })
    t.equal(response.status, status)
    t.equal(response.field('content-length'), length)
    t.equal(response.field('etag'), '"e"')
    client.send(gateway.head(GET))
    const second = await gateway.upstream.request()
    second.wire.send(OK)
    t.equal((await client.message()).body, 'ok')
    t.equal(client.text, '')
    await gateway.finish(t, [{ status, bytesSent: 0 }, { status: 200 }])
  })
}

t.test('the body of a misbehaving answer to HEAD never answers the next request', async (t) => {
  const gateway = await startGateway(t)
  const client = await gateway.client()
  client.send(gateway.head('HEAD /r/x HTTP/1.1'))
  ;(await gateway.upstream.request()).wire.send('HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison')
  await client.message({ isHead: true })
  client.send(gateway.head(GET))
  ;(await gateway.upstream.request()).wire.send(OK)
  t.equal((await client.message()).body, 'ok')
  await gateway.finish(t, [{ status: 200, bytesSent: 0 }, { status: 200 }])
})

t.test('103 is relayed at once, filtered, and the final response follows', async (t) => {
  const gateway = await startGateway(t)
  const client = await gateway.client()
  client.send(gateway.head(GET))
  const { wire } = await gateway.upstream.request()
  wire.send('HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\nConnection: X-Hop\r\nX-Hop: 1\r\n\r\n')
  const hints = await client.message()
  t.equal(hints.startLine, 'HTTP/1.1 103 Early Hints')
  t.equal(hints.field('link'), '</a.css>')
  t.equal(hints.field('x-hop'), null)
  wire.send(OK)
  t.equal((await client.message()).body, 'ok')
  await gateway.finish(t, [{ status: 200 }])
})

t.test('a 103 for a pipelined request does not get between the responses before it', async (t) => {
  const gateway = await startGateway(t)
  const client = await gateway.client()
  client.send(gateway.head('GET /r/1 HTTP/1.1') + gateway.head('GET /r/2 HTTP/1.1'))
  const requests = [await gateway.upstream.request(), await gateway.upstream.request()]
  const first = requests.find(({ message }) => message.startLine.includes('/1'))
  const second = requests.find(({ message }) => message.startLine.includes('/2'))
  second?.wire.send(
    `HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n2`,
  )
  await until(() => [...gateway.handler.exchanges].some(({ status }) => status === 200), 'the second answer')
  first?.wire.send('HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n1')
  t.equal((await client.message()).body, '1')
  t.equal((await client.message()).body, '2')
  await gateway.finish(t, [{ path: '/r/1' }, { path: '/r/2' }])
})

t.test('trailers reach a client that takes them, without those that must not be trailers', async (t) => {
  const gateway = await startGateway(t)
  const client = await gateway.client()
  const answer =
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 42\r\nSet-Cookie: a=1\r\nAuthorization: x\r\nX-Forwarded-For: 1.1.1.1\r\n\r\n'
  client.send(gateway.head(GET, 'Connection: TE', 'TE: trailers'))
  ;(await gateway.upstream.request()).wire.send(answer)
  const response = await client.message()
  t.equal(response.body, 'ok')
  t.equal(response.trailers, 'X-Sum: 42\r\n')
  t.equal(response.field('x-sum'), null)
  client.send(gateway.head(GET))
  ;(await gateway.upstream.request()).wire.send(answer)
  t.equal((await client.message()).trailers, '')
  await gateway.finish(t, [
    { status: 200, bytesSent: 2 },
    { status: 200, bytesSent: 2 },
  ])
})

t.test('ranges pass untouched', async (t) => {
  const gateway = await startGateway(t)
  const client = await gateway.client()
  client.send(gateway.head(GET, 'Range: bytes=5-9', 'If-Range: "e"', 'Accept-Encoding: gzip'))
  const { wire, message } = await gateway.upstream.request()
  t.equal(message.field('range'), 'bytes=5-9')
  t.equal(message.field('if-range'), '"e"')
  t.equal(message.field('accept-encoding'), 'gzip')
  wire.send(
    'HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 5-9/20\r\nContent-Length: 5\r\nContent-Encoding: gzip\r\n\r\n\x1f\x8b\x00\xff!',
  )
  const response = await client.message()
  t.equal(response.status, 206)
  t.equal(response.field('content-range'), 'bytes 5-9/20')
  t.equal(response.field('content-encoding'), 'gzip')
  t.equal(response.body, '\x1f\x8b\x00\xff!')
  await gateway.finish(t, [{ status: 206, bytesSent: 5 }])
})

t.test('the head of an event stream goes out at once, and each event as it comes', async (t) => {
  const gateway = await startGateway(t)
  const client = await gateway.client()
  client.send(gateway.head(GET, 'Accept: text/event-stream'))
  const { wire } = await gateway.upstream.request()
  wire.send('HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nX-Latin: \xe9\r\n\r\n')
  const head = await client.head()
  t.equal(head.field('content-type'), 'text/event-stream')
  t.equal(head.field('x-latin'), '\xe9')
  for (const event of ['data: 1\n\n', 'data: 2\n\n']) {
    wire.send(event)
    await client.holds(event)
  }
  client.reset()
  await wire.closed()
  await gateway.finish(t, [{ outcome: 'client_closed', status: 200 }])
})

t.test('redirects are passed on and not followed', async (t) => {
  const gateway = await startGateway(t)
  const client = await gateway.client()
  client.send(gateway.head(GET))
  ;(await gateway.upstream.request()).wire.send(
    'HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/elsewhere\r\nContent-Length: 0\r\n\r\n',
  )
  const response = await client.message()
  t.equal(response.field('location'), 'http://127.0.0.1:1/elsewhere')
  await gateway.finish(t, [{ status: 302 }])
})

t.test(
  'a gigabyte passes in each direction, whole and in constant memory',
  { timeout: 120_000 },
  async (t) => {
    const size = 1024 ** 3
    const chunk = Buffer.alloc(256 * 1024, 'waybill ')
    const server = createServer((req, res) => {
      let received = 0
      const sum = createHash('sha1')
      req.on('data', (data: Buffer) => {
        received += data.length
        if (received <= 1_000_000) sum.update(data)
      })
      req.on('end', () => {
        if (req.method === 'PUT') {
          res.end(String(received))
          return
        }
        res.setHeader('Content-Length', size)
        let sent = 0
        const more = (): void => {
          while (sent < size) {
            sent += chunk.length
            if (!res.write(chunk)) {
              res.once('drain', more)
              return
            }
          }
          res.end()
        }
        more()
      })
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    t.teardown(() => server.close())
    const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    const gateway = await startGateway(t, {
      routes: [{ upstream: { origin, path: '/', authorization: null } }],
    })
    const client = await gateway.client()
    let received = 0
    let peak = 0
    client.socket.removeAllListeners('data')
    client.socket.on('data', (data: Buffer) => {
      received += data.length
      peak = Math.max(peak, process.memoryUsage.rss())
    })
    const before = process.memoryUsage.rss()
    client.send(gateway.head(GET))
    await until(() => received > size, 'the last byte', 60_000)
    await gateway.entry(1)
    client.send(gateway.head('PUT /r/x HTTP/1.1', `Content-Length: ${size}`))
    for (let sent = 0; sent < size; sent += chunk.length) {
      if (!client.socket.write(chunk)) await once(client.socket, 'drain')
      peak = Math.max(peak, process.memoryUsage.rss())
    }
    await gateway.entry(2)
    t.ok(peak - before < 160 * 1024 * 1024, `grew by ${Math.round((peak - before) / 1024 / 1024)} MiB`)
    t.comment(`grew by ${Math.round((peak - before) / 1024 / 1024)} MiB`)
    await gateway.finish(t, [
      { outcome: 'forwarded', bytesSent: size },
      { outcome: 'forwarded', bytesReceived: size, bytesSent: 10 },
    ])
  },
)

for (const [kind, digest] of [
  ['oci', 'sha256:1f'],
  ['generic', ''],
] as const) {
  t.test(
    `the digest of an image's answer is kept with its entry, on a route of kind ${kind}: ${digest || 'no'}`,
    async (t) => {
      const gateway = await startGateway(t, { routes: [{ kind }] })
      const client = await gateway.client()
      client.send(gateway.head(GET))
      const { wire } = await gateway.upstream.request()
      wire.send('HTTP/1.1 200 OK\r\ndocker-content-Digest: sha256:1f\r\nContent-Length: 2\r\n\r\nok')
      t.equal(
        (await client.message()).field('docker-content-digest'),
        'sha256:1f',
        'the client gets it as well',
      )
      await gateway.finish(t, [{ status: 200, digest }])
    },
  )
}
