import { once } from 'node:events'
import { connect, createServer, Socket, type AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import { readByShared } from './accepted-socket.ts'
import { startGateway, type TestGateway } from '../test/gateway.ts'
import { until } from '../test/wire.ts'

const EARLY = 'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n'

/** What an upstream answers to a path, raw; it ends the connection after those that say so by their name. */
const ANSWERS: Readonly<Record<string, string>> = {
  '/sized': 'HTTP/1.1 200 OK\r\nDate: x\r\nContent-Length: 5\r\nX-A: \xe9\r\n\r\nhello',
  '/dateless': 'HTTP/1.1 200 Fine\r\nContent-Length: 2\r\n\r\nok',
  '/empty': 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n',
  '/chunked': 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-T: 1\r\n\r\n',
  '/none': 'HTTP/1.1 204 No Content\r\nX-A: b\r\n\r\n',
  '/same': 'HTTP/1.1 304 Not Modified\r\nETag: "a"\r\nContent-Length: 700\r\n\r\n',
  '/gone': 'HTTP/1.1 410 \r\nContent-Length: 4\r\nConnection: x-secret\r\nX-Secret: y\r\n\r\ngone',
  '/odd': 'HTTP/1.1 299 \t~\r\nContent-Length: 1\r\n\r\nx',
  '/early': `${EARLY}x`,
  '/large': `HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n${'y'.repeat(300_000)}`,
  '/large-chunked': `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n186a0\r\n${'z'.repeat(100_000)}\r\n0\r\n\r\n`,
  '/close': 'HTTP/1.1 200 OK\r\n\r\nuntil the end',
  '/cut-close': 'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf',
  '/bad': 'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
  '/garbage-close': 'no HTTP',
}

/** Answers what comes until the test is over; `seen` gets each request as it came. */
async function answerAll(t: Test, gateway: TestGateway, seen: string[] = []): Promise<void> {
  let isOver = false
  t.teardown(() => (isOver = true))
  const isAsked = (): boolean =>
    gateway.upstream.all.some(({ isClosed, text }) => !isClosed && text.includes('\r\n\r\n'))
  for (;;) {
    await until(() => isOver || isAsked(), 'a request or the end', 60_000)
    if (isOver) return
    const { wire, message } = await gateway.upstream.request()
    seen.push(`${message.head}\r\n\r\n${message.body}`)
    const [method, path = ''] = message.startLine.split(' ')
    const answer = ANSWERS[path] ?? 'HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n'
    const bodiless = path === '/early' ? EARLY : answer.slice(0, answer.indexOf('\r\n\r\n') + 4)
    const written = method === 'HEAD' ? bodiless : answer
    if (path.endsWith('close')) wire.end(written)
    else wire.send(written)
  }
}

/** A client's requests, each sent in these pieces once the answers to those before it have come; null waits for nothing. */
type Script = (gateway: TestGateway) => readonly string[]

const get =
  (path: string, ...fields: string[]): Script =>
  (gateway) => [gateway.head(`GET /r${path} HTTP/1.1`, ...fields)]
const head =
  (path: string): Script =>
  (gateway) => [gateway.head(`HEAD /r${path} HTTP/1.1`)]
const last =
  (script: Script): Script =>
  (gateway) => {
    const heads = script(gateway)
    return [...heads.slice(0, -1), (heads.at(-1) ?? '').replace('Host: gw', 'Host: gw\r\nConnection: close')]
  }
const then =
  (...scripts: readonly Script[]): Script =>
  (gateway) =>
    scripts.flatMap((script) => script(gateway))
const raw =
  (text: string): Script =>
  () => [text]

const chunkedPost: Script = (gateway) => [
  `${gateway.head('POST /r/sized HTTP/1.1', 'Transfer-Encoding: chunked')}3\r\nabc\r\n0\r\n\r\n`,
]
const post: Script = (gateway) => [`${gateway.head('POST /r/sized HTTP/1.1', 'Content-Length: 3')}abc`]

/** Each ends with a request that ends the connection, so that all that is written has come. */
const SCRIPTS: Readonly<Record<string, Script>> = {
  ...Object.fromEntries(
    Object.keys(ANSWERS).flatMap((path) => [
      [`GET ${path}`, last(then(get('/sized'), get(path)))],
      [`HEAD ${path}`, last(then(head(path), get('/sized')))],
    ]),
  ),
  'no key': raw('GET /r/sized HTTP/1.1\r\nHost: gw\r\nConnection: close\r\n\r\n'),
  'no key, HEAD': raw('HEAD /r/sized HTTP/1.1\r\nHost: gw\r\nConnection: close\r\n\r\n'),
  'no Host': raw('GET /r/sized HTTP/1.1\r\nConnection: close\r\n\r\n'),
  'two Hosts': raw('GET /r/sized HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n'),
  'no route': last(get('/../x')),
  'a fragment': last(get('/a#b')),
  'TE: trailers': last(then(get('/chunked', 'TE: trailers'), get('/sized'))),
  'a body of no bytes': last(then(get('/sized', 'Content-Length: 0'), get('/sized'))),
  'plain, then a body, then plain': last(then(get('/sized'), post, get('/chunked'))),
  'a body, then one in chunks, then plain': last(then(post, chunkedPost, get('/sized'))),
  'a body without a key': raw(
    'POST /r/sized HTTP/1.1\r\nHost: gw\r\nConnection: close\r\nContent-Length: 3\r\n\r\nabc',
  ),
  'a method with a body that has none': last((gateway) => [gateway.head('POST /r/sized HTTP/1.1')]),
  'a GET with a body': last((gateway) => [
    `${gateway.head('GET /r/sized HTTP/1.1', 'Content-Length: 3')}abc`,
  ]),
  'a DELETE': last((gateway) => [gateway.head('DELETE /r/none HTTP/1.1')]),
  'plain, then a bad request': then(get('/sized'), raw('BROKEN\r\n\r\n')),
  'plain, then a body with a bad length': then(
    get('/sized'),
    raw('POST /r/x HTTP/1.1\r\nHost: g\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx'),
  ),
  'plain, then one of HTTP/1.0': then(get('/sized'), raw('GET /r/sized HTTP/1.0\r\nHost: gw\r\n\r\n')),
  'two at once': last((gateway) => [
    get('/sized')(gateway).join('') + last(get('/chunked'))(gateway).join(''),
  ]),
  'plain, then a head that is too large': then(
    get('/sized'),
    raw(`GET /r/sized HTTP/1.1\r\nHost: gw\r\nX-A: ${'a'.repeat(70_000)}\r\n\r\n`),
  ),
  'bytes after the last request': (gateway) => [`${last(get('/sized'))(gateway).join('')}more of it`],
}

const FIELDS = [
  ...(['method', 'host', 'path', 'status', 'outcome', 'reason'] as const),
  ...(['bytesReceived', 'bytesSent', 'tenant', 'clientIp'] as const),
]

async function play(
  t: Test,
  script: Script,
  hasPlainPath: boolean,
): Promise<{ wire: string; entries: unknown; seen: string[] }> {
  const gateway = await startGateway(t, { listener: { hasPlainPath } })
  const seen: string[] = []
  void answerAll(t, gateway, seen)
  const client = await gateway.client()
  const requests = script(gateway)
  let wire = ''
  for (const [i, request] of requests.entries()) {
    client.send(request)
    if (i === requests.length - 1) break
    const interim = request.includes('/early')
    if (interim) wire += `${(await client.head()).head}\r\n`
    const message = await client.message({ isHead: request.startsWith('HEAD') })
    wire += `${message.head}\r\n\r\n${message.body}${message.trailers}`
  }
  await client.closed()
  wire += client.text
  await gateway.quiet()
  await until(() => gateway.entries.length >= requests.length, 'the entries')
  const entries = gateway.entries.map((entry) => FIELDS.map((field) => entry[field]))
  // Ids and dates of our own differ.
  const same = wire
    .replaceAll(/X-Request-Id: \S+/g, 'X-Request-Id')
    .replaceAll(/"requestId":"[^"]*"/g, '')
    .replaceAll(/Content-Length: 1\d\d\r/g, 'Content-Length: of a problem\r')
    .replaceAll(/Date: \w{3}, .* GMT/g, 'Date')
  const withoutIds = seen.map((request) =>
    request
      .replaceAll(/(x-request-id|traceparent): \S+/g, '$1')
      .replace(`127.0.0.1:${gateway.upstream.port}`, 'upstream'),
  )
  return { wire: fieldsSorted(same), entries, seen: withoutIds }
}

/** Fields in one order: only names that repeat have one that matters, and none does here. */
function fieldsSorted(wire: string): string {
  return wire.replaceAll(/(?<=HTTP\/1\.1 [^\r]*\r\n)(?:[\w-]+:? ?[^\r\n]*\r\n)+/g, (fields) =>
    fields.split('\r\n').toSorted().join('\r\n'),
  )
}

for (const [name, script] of Object.entries(SCRIPTS)) {
  t.test(`the same bytes both ways and entries as by way of Node's server: ${name}`, async (t) => {
    const plain = await play(t, script, true)
    const full = await play(t, script, false)
    t.equal(plain.wire, full.wire)
    t.same(plain.entries, full.entries)
    t.same(plain.seen, full.seen)
  })
}

t.test('a head that comes in pieces is waited for, and served', async (t) => {
  const gateway = await startGateway(t)
  void answerAll(t, gateway)
  const client = await gateway.client()
  const text = gateway.head('GET /r/sized HTTP/1.1')
  client.send(text.slice(0, 20))
  await until(() => [...connectionsOf(gateway)].some((socket) => socket.bytesRead === 20), 'the first piece')
  client.send(text.slice(20))
  t.equal((await client.message()).body, 'hello')
  await gateway.finish(t, [{ status: 200 }])
})

t.test('a request that comes before the last was answered is answered after it', async (t) => {
  const gateway = await startGateway(t)
  const client = await gateway.client()
  client.send(gateway.head('GET /r/1 HTTP/1.1'))
  const first = await gateway.upstream.request()
  const early = gateway.head('GET /r/2 HTTP/1.1')
  client.send(early)
  await until(
    () => [...connectionsOf(gateway)].some((socket) => socket.bytesRead === 2 * early.length),
    'the second request',
  )
  t.equal(gateway.counters.inFlight, 1)
  first.wire.send('HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n1')
  t.equal((await client.message()).body, '1')
  ;(await gateway.upstream.request()).wire.send('HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n2')
  t.equal((await client.message()).body, '2')
  await gateway.finish(t, [{ path: '/r/1' }, { path: '/r/2' }])
})

t.test('a WebSocket can follow plain requests on their connection', async (t) => {
  const gateway = await startGateway(t)
  const client = await gateway.client()
  client.send(gateway.head('GET /r/1 HTTP/1.1'))
  ;(await gateway.upstream.request()).wire.send('HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n1')
  await client.message()
  client.send(
    gateway.head('GET /r/ws HTTP/1.1', 'Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Key: x'),
  )
  const { wire } = await gateway.upstream.request()
  wire.send(
    'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nfrom upstream',
  )
  await client.holds('from upstream')
  const size = 2_000_000
  client.send(Buffer.alloc(size, 'c'))
  await until(() => wire.bytesRead >= size, 'what the client sends into the tunnel')
  client.end()
  await wire.closed()
  wire.end()
  await gateway.finish(t, [
    { path: '/r/1' },
    { path: '/r/ws', status: 101, bytesReceived: size, bytesSent: 13 },
  ])
})

function* connectionsOf(gateway: TestGateway): Iterable<Socket> {
  for (const { socket } of gateway.listener.open) yield socket
}

t.test('an accepted connection is read into a shared buffer on this version of Node', async (t) => {
  const pieces: string[] = []
  const server = createServer({ allowHalfOpen: true }, (accepted) => {
    const socket = readByShared(accepted, (bytes) => pieces.push(bytes.toString()) > 0)
    t.not(socket, null)
    socket?.once('end', () => socket.end('bye'))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const client = connect({ port: (server.address() as AddressInfo).port, host: '127.0.0.1' })
  client.end('hello')
  const [answer] = (await once(client, 'data')) as [Buffer]
  t.equal(answer.toString(), 'bye')
  t.same(pieces, ['hello'])
  server.close()
  await once(server, 'close') // it counts the connection as ended
})

t.test('a socket without a handle stays as it is', (t) => {
  t.equal(
    readByShared(new Socket(), () => true),
    null,
  )
  t.end()
})
