import { createServer, type IncomingMessage } from 'node:http'
import { Duplex } from 'node:stream'
import fc from 'fast-check'
import t from 'tap'
import { readPlainRequest } from './plain-request.ts'

const read = (text: string): ReturnType<typeof readPlainRequest> =>
  readPlainRequest(Buffer.from(text, 'latin1'), 32_768)

/** The heads that Node's parser finds in these bytes, and whether it refused any of them. */
async function nodeReads(
  bytes: Buffer,
): Promise<{ heads: IncomingMessage[]; body: string; isRefused: boolean }> {
  let body = ''
  const heads: IncomingMessage[] = []
  let isRefused = false
  const server = createServer({ requireHostHeader: false }, (req) => {
    heads.push(req)
    req.setEncoding('latin1').on('data', (piece: string) => (body += piece))
  })
  server.maxHeadersCount = 0
  server.on('clientError', () => (isRefused = true))
  const socket = new Duplex({ read() {}, write: (_chunk, _encoding, done) => done() })
  server.emit('connection', socket)
  socket.push(bytes)
  await new Promise(setImmediate)
  socket.destroy()
  return { heads, body, isRefused }
}

t.test('a plain request is read as it stands', (t) => {
  t.same(read('GET /a?b HTTP/1.1\r\nHost: gw\r\nX-A:  v \t\r\nx-a: \xe9\r\n\r\n'), {
    method: 'GET',
    url: '/a?b',
    httpVersionMajor: 1,
    httpVersionMinor: 1,
    rawHeaders: ['Host', 'gw', 'X-A', 'v', 'x-a', '\xe9'],
    body: null,
    tunnel: null,
    complete: true,
    isLast: false,
  })
  t.match(read('POST / HTTP/1.1\r\nHost: gw\r\ncontent-length: 5\r\n\r\na\r\n\r\n'), {
    method: 'POST',
    body: Buffer.from('a\r\n\r\n'),
  })
  t.match(read('POST / HTTP/1.1\r\nHost: gw\r\n\r\n'), { method: 'POST', body: null })
  t.match(read('PUT / HTTP/1.1\r\nHost: gw\r\nContent-Length: 0\r\n\r\n'), { body: null })
  t.match(read('HEAD / HTTP/1.1\r\nHost: gw\r\nConnection: Close\r\n\r\n'), { method: 'HEAD', isLast: true })
  t.match(read('GET / HTTP/1.1\r\nHost: gw\r\nConnection: Keep-Alive\r\n\r\n'), { isLast: false })
  t.match(read('GET / HTTP/1.1\r\n\r\n'), { rawHeaders: [] })
  t.end()
})

const MORE_THAN_PLAIN: readonly (readonly [string, string])[] = [
  ['another method', 'OPTIONS / HTTP/1.1\r\nHost: g\r\n\r\n'],
  ['a part of a body', 'POST / HTTP/1.1\r\nHost: g\r\nContent-Length: 3\r\n\r\nab'],
  ['a byte behind a body', 'POST / HTTP/1.1\r\nHost: g\r\nContent-Length: 3\r\n\r\nabcd'],
  ['a byte behind no body', 'POST / HTTP/1.1\r\nHost: g\r\nContent-Length: 0\r\n\r\na'],
  ['two lengths', 'POST / HTTP/1.1\r\nHost: g\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na'],
  ['a list of lengths', 'POST / HTTP/1.1\r\nHost: g\r\nContent-Length: 1, 1\r\n\r\na'],
  ['a signed length', 'POST / HTTP/1.1\r\nHost: g\r\nContent-Length: +1\r\n\r\na'],
  ['a length in hex', 'POST / HTTP/1.1\r\nHost: g\r\nContent-Length: 0x1\r\n\r\na'],
  ['a tab behind a length', 'POST / HTTP/1.1\r\nHost: g\r\nContent-Length: 1\t\r\n\r\na'],
  ['an empty length', 'POST / HTTP/1.1\r\nHost: g\r\nContent-Length:\r\n\r\n'],
  [
    'a length and a coding',
    'POST / HTTP/1.1\r\nHost: g\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\na',
  ],
  ['a method in lower case', 'get / HTTP/1.1\r\nHost: g\r\n\r\n'],
  ['an older version', 'GET / HTTP/1.0\r\nHost: g\r\n\r\n'],
  ['an absolute target', 'GET http://g/ HTTP/1.1\r\nHost: g\r\n\r\n'],
  ['an asterisk', 'GET * HTTP/1.1\r\nHost: g\r\n\r\n'],
  ['two spaces', 'GET  / HTTP/1.1\r\nHost: g\r\n\r\n'],
  ['a space in the target', 'GET /a b HTTP/1.1\r\nHost: g\r\n\r\n'],
  ['a byte that no target may hold', 'GET /\xe9 HTTP/1.1\r\nHost: g\r\n\r\n'],
  ['an empty line first', '\r\nGET / HTTP/1.1\r\nHost: g\r\n\r\n'],
  ['half a head', 'GET / HTTP/1.1\r\nHost: g\r\n'],
  ['a head but for its last byte', 'GET / HTTP/1.1\r\nHost: g\r\n\r'],
  ['a byte behind the head', 'GET / HTTP/1.1\r\nHost: g\r\n\r\nx'],
  ['two requests', 'GET / HTTP/1.1\r\nHost: g\r\n\r\nGET / HTTP/1.1\r\nHost: g\r\n\r\n'],
  ['bare line feeds', 'GET / HTTP/1.1\nHost: g\n\n'],
  ['a bare line feed in a field', 'GET / HTTP/1.1\r\nHost: g\nX: y\r\n\r\n'],
  ['a bare carriage return', 'GET / HTTP/1.1\r\nHost: g\rX: y\r\n\r\n'],
  ['a folded field', 'GET / HTTP/1.1\r\nHost: g\r\nX: y\r\n z\r\n\r\n'],
  ['white space before the colon', 'GET / HTTP/1.1\r\nHost : g\r\n\r\n'],
  ['a field without a name', 'GET / HTTP/1.1\r\n: g\r\n\r\n'],
  ['a NUL', 'GET / HTTP/1.1\r\nHost: g\0\r\n\r\n'],
  ['nothing', ''],
  ...[
    'content-length: 5',
    'Transfer-Encoding: chunked',
    'TRANSFER-ENCODING: identity',
    'Upgrade: h2c',
    'Expect: 100-continue',
    'TE: trailers',
    'Trailer: x',
    'HTTP2-Settings: x',
    'Proxy-Connection: close',
    'Connection: upgrade',
    'Connection: close, x-secret',
    'Connection:',
  ].map((line) => [line, `GET / HTTP/1.1\r\nHost: g\r\n${line}\r\n\r\n`] as const),
]

for (const [name, text] of MORE_THAN_PLAIN) {
  t.test(`not plain: ${name}`, (t) => {
    t.equal(read(text), null)
    t.end()
  })
}

/** Bits of heads, good ones and bad ones, separated by a bar. */
const PIECES = [
  'GET |HEAD |/|/a?b| HTTP/1.1\r\n| HTTP/1.1|Host: g\r\n|\r\n|\n|\r| |\t|X: |Content-Length: 3\r\n|:|\0|a|\xe9|\x7f',
  '#|"|\\|{|^|%|close|0\r\n|Connection: close\r\n|Connection: |Upgrade: x\r\n|Transfer-Encoding: chunked\r\n',
].flatMap((line) => line.split('|'))

t.test("what is taken for plain means the same to Node's parser, whatever the bytes", async (t) => {
  const piece = fc.constantFrom(...PIECES)
  const mutation = fc.record({ at: fc.nat(60), length: fc.nat(3), text: piece })
  const valid = fc.constantFrom(
    'GET /a HTTP/1.1\r\nHost: g\r\nAccept: */*\r\n\r\n',
    'HEAD /a?b=c HTTP/1.1\r\nHost: g\r\nConnection: close\r\nX-A: b c\r\n\r\n',
    'POST /a HTTP/1.1\r\nHost: g\r\nContent-Length: 3\r\n\r\nabc',
  )
  let taken = 0
  const property = fc.asyncProperty(valid, fc.array(mutation, { maxLength: 3 }), async (start, changes) => {
    let text = start
    for (const { at, length, text: inserted } of changes)
      text = text.slice(0, at) + inserted + text.slice(at + length)
    const bytes = Buffer.from(text, 'latin1')
    const plain = readPlainRequest(bytes, 32_768)
    if (plain === null) return
    taken++
    const { heads, body, isRefused } = await nodeReads(bytes)
    t.equal(isRefused, false, JSON.stringify(text))
    t.equal(heads.length, 1, JSON.stringify(text))
    t.equal(body, plain.body?.toString('latin1') ?? '')
    t.equal(heads[0]?.complete, true)
    const { method, url, rawHeaders, httpVersionMinor } = heads[0] ?? {}
    t.same(
      { method, url, rawHeaders, httpVersionMinor },
      { method: plain.method, url: plain.url, rawHeaders: plain.rawHeaders, httpVersionMinor: 1 },
    )
  })
  await fc.assert(property, { numRuns: 2000 })
  t.ok(taken > 100, `${taken} were plain`)
})
