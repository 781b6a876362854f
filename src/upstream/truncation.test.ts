import t, { type Test } from 'tap'
import { startGateway } from '../test/gateway.ts'

const GET = 'GET /r/x HTTP/1.1'
const CUT = { outcome: 'upstream_reset', reason: 'truncated', status: 200 } as const

/** A client has asked, and its request has come to the upstream. */
async function asked(t: Test, ...head: [start: string, ...fields: string[]]) {
  const gateway = await startGateway(t)
  const client = await gateway.client()
  client.send(gateway.head(...head))
  const upstream = await gateway.upstream.connection()
  await upstream.message()
  return { gateway, client, upstream }
}

/** What an upstream sends before it fails, and how it fails. */
const CASES = [
  ['FIN within Content-Length', 'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf', 'fin'],
  ['RST within Content-Length', 'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf', 'rst'],
  ['FIN within chunks', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n', 'fin'],
  ['RST within chunks', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n', 'rst'],
  ['RST in a close-delimited body', 'HTTP/1.1 200 OK\r\n\r\nhalf', 'rst'],
  ['RST in a close-delimited body of HTTP/1.0', 'HTTP/1.0 200 OK\r\n\r\nhalf', 'rst'],
  [
    'a malformed chunk',
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\nZZ\r\nbad\r\n',
    'none',
  ],
] as const

for (const [name, bytes, ending] of CASES) {
  t.test(`a response cut short is cut short to the client: ${name}`, async (t) => {
    const { gateway, client, upstream } = await asked(t, GET)
    upstream.send(bytes)
    if (ending !== 'none') await client.holds('half')
    if (ending === 'fin') upstream.end()
    if (ending === 'rst') upstream.reset()
    await client.closed()
    t.match(client.text, /^HTTP\/1\.1 200 /)
    t.notMatch(client.text, /\r\n0\r\n/, 'no last chunk')
    t.notMatch(client.text, 'bad', 'malformed bytes do not pass')
    await gateway.finish(t, [{ ...CUT, bytesSent: 4 }])
  })
}

t.test('to a client of HTTP/1.0 a cut response without length ends in a reset', async (t) => {
  const { gateway, client, upstream } = await asked(t, 'GET /r/x HTTP/1.0')
  upstream.send('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n')
  await client.holds('half')
  upstream.reset()
  await client.closed()
  t.equal(client.errorCode, 'ECONNRESET')
  await gateway.finish(t, [CUT])
})

t.test('a close-delimited body that ends in FIN is complete', async (t) => {
  const { gateway, client, upstream } = await asked(t, GET)
  upstream.end('HTTP/1.1 200 OK\r\n\r\nwhole')
  const response = await client.message()
  t.equal(response.body, 'whole')
  t.equal(response.field('transfer-encoding'), 'chunked', 'the client can tell the end')
  await gateway.finish(t, [{ outcome: 'forwarded', reason: null, status: 200, bytesSent: 5 }])
})

t.test('an empty close-delimited body that ends in a reset is not complete', async (t) => {
  const { gateway, client, upstream } = await asked(t, GET)
  upstream.send('HTTP/1.1 200 OK\r\n\r\n')
  await client.holds('\r\n\r\n')
  upstream.reset()
  await client.closed()
  t.notMatch(client.text, /\r\n0\r\n/)
  await gateway.finish(t, [CUT])
})

t.test('a reset of one upstream connection says nothing about another', async (t) => {
  const gateway = await startGateway(t)
  const clients = [await gateway.client(), await gateway.client()] as const
  clients[0].send(gateway.head(GET))
  const first = await gateway.upstream.connection()
  await first.message()
  clients[1].send(gateway.head(GET))
  const second = await gateway.upstream.connection()
  await second.message()
  first.send('HTTP/1.1 200 OK\r\n\r\nhalf')
  second.send('HTTP/1.1 200 OK\r\n\r\nwhole')
  await clients[0].holds('half')
  await clients[1].holds('whole')
  first.reset()
  second.end()
  t.equal((await clients[1].message()).body, 'whole')
  await clients[0].closed()
  await gateway.entry(2)
  t.same(gateway.entries.map(({ outcome }) => outcome).sort(), ['forwarded', 'upstream_reset'])
  await gateway.finish(t, [{}, {}])
})

/** Answers that are no answers: nothing of them may pass. */
const GARBAGE = [
  ['garbage', 'SSH-2.0-OpenSSH\r\n', 'protocol'],
  [
    'two Content-Lengths that differ',
    'HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd',
    'protocol',
  ],
  ['an invalid Content-Length', 'HTTP/1.1 200 OK\r\nContent-Length: +3\r\n\r\nabc', 'protocol'],
  [
    'Transfer-Encoding and Content-Length',
    'HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n',
    'protocol',
  ],
  ['a coding that is not chunked', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nabc', 'protocol'],
  ['a header line without colon', 'HTTP/1.1 200 OK\r\nBroken\r\n\r\n', 'protocol'],
  [
    'an unsolicited 101',
    'HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: foo\r\n\r\n',
    'protocol',
  ],
  ['an unsolicited 101 without Upgrade', 'HTTP/1.1 101 Switching Protocols\r\n\r\n', 'protocol'],
  ['a head that is too large', `HTTP/1.1 200 OK\r\nX-Large: ${'x'.repeat(80_000)}\r\n\r\n`, 'protocol'],
  ['a status below 100', 'HTTP/1.1 099 Odd\r\nContent-Length: 0\r\n\r\n', 'protocol'],
  ['an early end', 'HTTP/1.1 200 OK\r\nContent-Le', 'connection_reset'],
] as const

for (const [name, bytes, reason] of GARBAGE) {
  t.test(`an upstream answer that is none becomes 502: ${name}`, async (t) => {
    const { gateway, client, upstream } = await asked(t, 'POST /r/x HTTP/1.1', 'Content-Length: 0')
    if (reason === 'connection_reset') upstream.end(bytes)
    else upstream.send(bytes)
    const response = await client.message()
    t.equal(response.status, 502)
    t.equal(response.field('content-type'), 'application/problem+json')
    t.equal(
      response.field('proxy-status'),
      `waybill; error=${reason === 'protocol' ? 'http_protocol_error' : 'connection_terminated'}`,
    )
    t.notMatch(response.body, /127\.0\.0\.1|HPE|WAYBILL_|SSH/, 'nothing internal')
    await upstream.closed()
    await gateway.finish(t, [{ outcome: 'upstream_reset', reason, status: 502, upstreamUs: -1 }])
  })
}

t.test('equal Content-Lengths given twice are one', async (t) => {
  const { gateway, client, upstream } = await asked(t, GET)
  upstream.send('HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc')
  const { status } = await client.message()
  t.ok(status === 502 || status === 200)
  await gateway.finish(t, [{ status }])
})

t.test('surplus bytes after a response never answer the next request', async (t) => {
  const { gateway, client, upstream } = await asked(t, GET)
  upstream.send(
    'HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\naHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison',
  )
  t.equal((await client.message()).body, 'a')
  await upstream.closed()
  client.send(gateway.head(GET))
  const next = await gateway.upstream.connection()
  await next.message()
  next.send('HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nb')
  t.equal((await client.message()).body, 'b')
  await gateway.finish(t, [{ status: 200 }, { status: 200 }])
})

t.test('a response that comes before any request discards its connection', async (t) => {
  const { gateway, client, upstream } = await asked(t, GET)
  upstream.send('HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na')
  await client.message()
  upstream.send('HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison')
  await upstream.closed()
  client.send(gateway.head(GET))
  const next = await gateway.upstream.connection()
  await next.message()
  next.send('HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nb')
  t.equal((await client.message()).body, 'b')
  await gateway.finish(t, [{ status: 200 }, { status: 200 }])
})
