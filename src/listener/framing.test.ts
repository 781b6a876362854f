import t from 'tap'
import { startGateway } from '../test/gateway.ts'
import { until } from '../test/wire.ts'

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'

/** Requests whose framing or head two readers could take differently: never forwarded, one entry. */
const REFUSED: readonly (readonly [string, string, number, string | null])[] = [
  [
    'Transfer-Encoding and Content-Length',
    'POST /r/x HTTP/1.1\r\nHost: gw\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    400,
    'framing',
  ],
  [
    'two Content-Lengths that differ',
    'POST /r/x HTTP/1.1\r\nHost: gw\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello',
    400,
    'framing',
  ],
  [
    'two Content-Lengths alike',
    'POST /r/x HTTP/1.1\r\nHost: gw\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello',
    400,
    'framing',
  ],
  [
    'a list in Content-Length',
    'POST /r/x HTTP/1.1\r\nHost: gw\r\nContent-Length: 5, 5\r\n\r\nhello',
    400,
    'framing',
  ],
  [
    'a signed Content-Length',
    'POST /r/x HTTP/1.1\r\nHost: gw\r\nContent-Length: +5\r\n\r\nhello',
    400,
    'framing',
  ],
  [
    'an empty Content-Length',
    'POST /r/x HTTP/1.1\r\nHost: gw\r\nContent-Length:\r\n\r\nhello',
    400,
    'framing',
  ],
  [
    'a huge Content-Length',
    'POST /r/x HTTP/1.1\r\nHost: gw\r\nContent-Length: 99999999999999999999\r\n\r\n',
    400,
    'framing',
  ],
  [
    'a coding that is not chunked',
    'POST /r/x HTTP/1.1\r\nHost: gw\r\nTransfer-Encoding: gzip\r\n\r\n',
    400,
    'framing',
  ],
  [
    'a coding before chunked',
    'POST /r/x HTTP/1.1\r\nHost: gw\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n',
    400,
    'framing',
  ],
  [
    'chunked twice',
    'POST /r/x HTTP/1.1\r\nHost: gw\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    400,
    'framing',
  ],
  [
    'chunked misspelt',
    'POST /r/x HTTP/1.1\r\nHost: gw\r\nTransfer-Encoding: xchunked\r\n\r\n',
    400,
    'framing',
  ],
  [
    'chunked in HTTP/1.0',
    'POST /r/x HTTP/1.0\r\nHost: gw\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    400,
    'framing',
  ],
  ['a space before the colon', 'GET /r/x HTTP/1.1\r\nHost: gw\r\nX-A : b\r\n\r\n', 400, 'framing'],
  ['an empty name', 'GET /r/x HTTP/1.1\r\nHost: gw\r\n: b\r\n\r\n', 400, 'framing'],
  ['a NUL in a value', 'GET /r/x HTTP/1.1\r\nHost: gw\r\nX-A: a\0b\r\n\r\n', 400, 'framing'],
  ['a bare CR in a value', 'GET /r/x HTTP/1.1\r\nHost: gw\r\nX-A: a\rb\r\n\r\n', 400, 'framing'],
  ['a folded line', 'GET /r/x HTTP/1.1\r\nHost: gw\r\nX-A: a\r\n b\r\n\r\n', 400, 'framing'],
  ['an unknown version', 'GET /r/x HTTP/9.9\r\nHost: gw\r\n\r\n', 400, 'framing'],
  ['HTTP/2.0 in text', 'GET /r/x HTTP/2.0\r\nHost: gw\r\n\r\n', 400, 'framing'],
  ['an unknown method', 'NOSUCH /r/x HTTP/1.1\r\nHost: gw\r\n\r\n', 400, 'framing'],
  [
    'two Authorizations',
    'GET /r/x HTTP/1.1\r\nHost: gw\r\nAuthorization: Bearer a\r\nAuthorization: Bearer b\r\n\r\n',
    400,
    'framing',
  ],
  ['no Host', 'GET /r/x HTTP/1.1\r\n\r\n', 400, 'host'],
  ['two Hosts', 'GET /r/x HTTP/1.1\r\nHost: gw\r\nHost: gw\r\n\r\n', 400, 'framing'],
  ['an invalid Host', 'GET /r/x HTTP/1.1\r\nHost: a/b\r\n\r\n', 400, 'host'],
  ['user information in Host', 'GET /r/x HTTP/1.1\r\nHost: u@gw\r\n\r\n', 400, 'host'],
  [
    'an invalid Host beside an absolute target',
    'GET http://gw/r/x HTTP/1.1\r\nHost: a b\r\n\r\n',
    400,
    'host',
  ],
  [
    'user information in an absolute target',
    'GET http://u@gw/r/x HTTP/1.1\r\nHost: gw\r\n\r\n',
    400,
    'target',
  ],
  ['another scheme', 'GET ftp://gw/r/x HTTP/1.1\r\nHost: gw\r\n\r\n', 400, 'target'],
  ['a target without slash', 'GET @evil/r/x HTTP/1.1\r\nHost: gw\r\n\r\n', 400, null],
  ['a port as target', 'GET :8080/r/x HTTP/1.1\r\nHost: gw\r\n\r\n', 400, null],
  ['a scheme without authority', 'GET http:/r/x HTTP/1.1\r\nHost: gw\r\n\r\n', 400, null],
  ['a fragment', 'GET /r/x#frag HTTP/1.1\r\nHost: gw\r\n\r\n', 400, 'target'],
  ['two slashes first', 'GET //evil/r/x HTTP/1.1\r\nHost: gw\r\n\r\n', 400, 'path'],
  ['dot segments', 'GET /r/../x HTTP/1.1\r\nHost: gw\r\n\r\n', 400, 'path'],
  ['OPTIONS *', 'OPTIONS * HTTP/1.1\r\nHost: gw\r\n\r\n', 400, 'target'],
  ['TRACE', 'TRACE /r/x HTTP/1.1\r\nHost: gw\r\n\r\n', 405, null],
  ['CONNECT', 'CONNECT evil:443 HTTP/1.1\r\nHost: evil\r\n\r\n', 405, null],
  [
    'a head that is too large',
    `GET /r/x HTTP/1.1\r\nHost: gw\r\nX-A: ${'a'.repeat(40_000)}\r\n\r\n`,
    431,
    'headers_too_large',
  ],
  [
    'a target that is too large',
    `GET /r/${'a'.repeat(40_000)} HTTP/1.1\r\nHost: gw\r\n\r\n`,
    431,
    'headers_too_large',
  ],
  ['a route that is none', 'GET /nowhere HTTP/1.1\r\nHost: gw\r\n\r\n', 404, null],
  ['a route in another case', 'GET /R/x HTTP/1.1\r\nHost: gw\r\n\r\n', 404, null],
  ['a route by half a segment', 'GET /r-other/x HTTP/1.1\r\nHost: gw\r\n\r\n', 404, null],
]

for (const [name, request, status, reason] of REFUSED) {
  t.test(`refused, not guessed: ${name}`, async (t) => {
    const gateway = await startGateway(t)
    const client = await gateway.client()
    client.send(request)
    const response = await client.message()
    t.equal(response.status, status)
    t.equal(response.field('content-type'), 'application/problem+json')
    t.equal(response.field('cache-control'), 'no-store')
    t.match(response.body, `"requestId":"${response.field('x-request-id') ?? ''}"`)
    t.equal(gateway.upstream.all.length, 0)
    if (response.field('connection') === 'close') {
      client.end('and more of it\r\n\r\n')
      await client.closed()
    }
    t.equal((await gateway.entry()).requestId, response.field('x-request-id'))
    await gateway.finish(t, [reason === null ? { status } : { status, reason: reason as 'framing' }])
  })
}

t.test('malformed bytes that go on and on leave one entry', async (t) => {
  const gateway = await startGateway(t)
  const client = await gateway.client()
  client.send('BROKEN\r\n\r\n')
  t.equal((await client.message()).status, 400)
  for (let i = 0; i < 5; i++) {
    client.send('BROKEN\r\n\r\n'.repeat(1000))
    await new Promise(setImmediate)
  }
  client.end()
  await gateway.finish(t, [{ outcome: 'bad_request', reason: 'framing', status: 400 }])
})

/** Oddities that are allowed, and what the upstream is asked for. */
const ACCEPTED = [
  ['absolute-form', 'GET http://gw.example/r/x?y=1 HTTP/1.1', 'GET /x?y=1 HTTP/1.1'],
  ['absolute-form with a port, upper case', 'GET HTTP://GW.example:80/r/x HTTP/1.1', 'GET /x HTTP/1.1'],
  ['a scoped npm name', 'GET /r/@scope%2fname HTTP/1.1', 'GET /@scope%2fname HTTP/1.1'],
  ['a dot segment of apt', 'GET /r/./Packages HTTP/1.1', 'GET /./Packages HTTP/1.1'],
  [
    'encoded bytes verbatim',
    'GET /r/a%20b%E2%82%AC%7e?q=%2e%2e/&r=a//b HTTP/1.1',
    'GET /a%20b%E2%82%AC%7e?q=%2e%2e/&r=a//b HTTP/1.1',
  ],
  ['the route without its slash', 'GET /r HTTP/1.1', 'GET / HTTP/1.1'],
  ['an empty query', 'GET /r/x? HTTP/1.1', 'GET /x? HTTP/1.1'],
  ['8,000 octets', `GET /r/${'a'.repeat(8000)} HTTP/1.1`, `GET /${'a'.repeat(8000)} HTTP/1.1`],
  ['two question marks', 'GET /r/x?a?b HTTP/1.1', 'GET /x?a?b HTTP/1.1'],
  ['OPTIONS of a path', 'OPTIONS /r/x HTTP/1.1', 'OPTIONS /x HTTP/1.1'],
  ['a method of WebDAV', 'PROPFIND /r/x HTTP/1.1', 'PROPFIND /x HTTP/1.1'],
] as const

for (const [name, startLine, upstreamLine] of ACCEPTED) {
  t.test(`forwarded as received: ${name}`, async (t) => {
    const gateway = await startGateway(t)
    const client = await gateway.client()
    client.send(gateway.head(startLine))
    const { wire, message } = await gateway.upstream.request()
    t.equal(message.startLine, upstreamLine)
    t.equal(
      message.field('host'),
      `127.0.0.1:${gateway.upstream.port}`,
      'an authority is never dialled or passed on',
    )
    wire.send(OK)
    t.equal((await client.message()).body, 'ok')
    await gateway.finish(t, [{ status: 200 }])
  })
}

t.test('a CONNECT behind another request is refused after its answer', async (t) => {
  const gateway = await startGateway(t)
  const client = await gateway.client()
  client.send(`${gateway.head('GET /r/x HTTP/1.1')}CONNECT evil:443 HTTP/1.1\r\nHost: evil\r\n\r\n`)
  const { wire } = await gateway.upstream.request()
  await until(() => gateway.counters.inFlight === 2, 'both requests')
  wire.send(OK)
  t.equal((await client.message()).body, 'ok')
  t.equal((await client.message()).status, 405)
  await client.closed()
  await gateway.finish(t, [{ status: 200 }, { status: 405, method: 'CONNECT' }])
})

t.test('what cannot be read is an exchange like any other: counted, timed, and closed once', async (t) => {
  const gateway = await startGateway(t, { now: () => 1_700_000_000_000 })
  const client = await gateway.client()
  client.send('GARBAGE\r\n\r\n')
  const { status, body } = await client.message()
  t.equal(status, 400)
  await client.closed()
  await gateway.finish(t, [
    {
      status: 400,
      outcome: 'bad_request',
      reason: 'framing',
      method: '',
      host: '',
      path: '',
      tenant: '',
      clientIp: '127.0.0.1',
      startedAtMs: 1_700_000_000_000,
      bytesReceived: 0,
      bytesSent: body.length,
    },
  ])
  const { bytesSent, durationBuckets } = gateway.counters.route('')
  t.equal(bytesSent, body.length)
  t.equal(
    durationBuckets.counts.reduce((sum, n) => sum + n, 0),
    1,
  )
})

t.test('an absolute target outranks Host, in routing and in the entry', async (t) => {
  const gateway = await startGateway(t, {
    routes: [{ host: 'a.example' }, { name: 'b', host: 'b.example', auth: 'public' }],
  })
  const client = await gateway.client()
  client.send('GET http://b.example/r/x HTTP/1.1\r\nHost: a.example\r\n\r\n')
  const { wire, message } = await gateway.upstream.request()
  t.equal(message.field('x-forwarded-host'), 'b.example')
  wire.send(OK)
  await client.message()
  await gateway.finish(t, [{ route: 'b', host: 'b.example', status: 200 }])
})

t.test('HTTP/1.0 clients are served: no chunks, no interim responses, the connection ends', async (t) => {
  const gateway = await startGateway(t)
  const client = await gateway.client()
  client.send(gateway.head('GET /r/x HTTP/1.0'))
  const { wire } = await gateway.upstream.request()
  wire.send(
    'HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n',
  )
  const response = await client.message()
  t.equal(response.status, 200)
  t.equal(response.field('transfer-encoding'), null)
  t.equal(response.body, 'ok')
  await gateway.finish(t, [{ status: 200, bytesSent: 2 }])
})

t.test('HTTP/1.0 without Host is served', async (t) => {
  const gateway = await startGateway(t)
  const client = await gateway.client()
  client.send(`GET /r/x HTTP/1.0\r\nX-Api-Key: ${gateway.key.text}\r\n\r\n`)
  ;(await gateway.upstream.request()).wire.send(OK)
  t.equal((await client.message()).body, 'ok')
  await gateway.finish(t, [{ status: 200, host: '' }])
})

t.test('a request that came through this gateway already is a loop', async (t) => {
  const gateway = await startGateway(t)
  const client = await gateway.client()
  client.send(gateway.head('GET /r/x HTTP/1.1', 'Via: 1.1 other, 1.1 waybill-test'))
  t.equal((await client.message()).status, 508)
  client.send(gateway.head('GET /r/x HTTP/1.1', 'Via: 1.1 waybill-test-2'))
  const { wire, message } = await gateway.upstream.request()
  t.equal(message.field('via'), '1.1 waybill-test-2, 1.1 waybill-test')
  wire.send(OK)
  await client.message()
  await gateway.finish(t, [{ outcome: 'loop_detected', status: 508 }, { status: 200 }])
})
