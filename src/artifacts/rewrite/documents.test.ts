import { randomBytes } from 'node:crypto'
import { promisify } from 'node:util'
import * as zlib from 'node:zlib'
import t, { type Test } from 'tap'
import { startGateway, testRoute, type TestGateway, type TestGatewayOptions } from '../../test/gateway.ts'
import { until, type Message, type Wire } from '../../test/wire.ts'
import { KNOWN_CODINGS } from './codings.ts'
import type { DocumentSettings } from './document-receiver.ts'
import { documentRewriting } from './documents.ts'

const SETTINGS: DocumentSettings = { maxBytes: 64 * 1024 * 1024, malformed: 'refuse', foreign: 'pass' }
const PUBLIC = {
  trustedProxies: null,
  publicProto: 'https',
  publicHost: 'gw.example:8443',
  publicBase: '/base',
}
const ROUTE = 'https://gw.example:8443/base/npm/'
const GET = 'GET /npm/left-pad HTTP/1.1'
const JSON_TYPE = 'Content-Type: application/json; charset=utf-8'

interface Scene {
  readonly gateway: TestGateway
  readonly client: Wire
  readonly origin: string
}

async function scene(
  t: Test,
  settings: Partial<DocumentSettings> = {},
  options: Partial<TestGatewayOptions> = {},
): Promise<Scene> {
  const gateway = await startGateway(t, {
    interceptors: [documentRewriting({ ...SETTINGS, ...settings })],
    routes: [{ kind: 'npm', path: '/npm/', name: 'npm' }],
    trust: PUBLIC,
    ...options,
  })
  return { gateway, client: await gateway.client(), origin: `http://127.0.0.1:${gateway.upstream.port}` }
}

function packument(start: string, padding = ''): string {
  return JSON.stringify({
    name: 'left-pad',
    readme: padding,
    versions: {
      '1.0.0': {
        dist: {
          integrity: 'sha512-xyz==',
          tarball: `${start}left-pad/-/left-pad-1.0.0.tgz`,
          signatures: [{ sig: `${start}left-pad` }],
          attestations: { url: `${start}-/npm/v1/attestations/left-pad@1.0.0` },
        },
      },
    },
  })
}

function answer(body: string | Buffer, ...fields: string[]): Buffer {
  const bytes = Buffer.from(body)
  const head = ['HTTP/1.1 200 OK', `Content-Length: ${bytes.length}`, JSON_TYPE, ...fields].join('\r\n')
  return Buffer.concat([Buffer.from(`${head}\r\n\r\n`), bytes])
}

/** One request, and what the client gets when the upstream answers so. */
async function exchange(
  { gateway, client }: Scene,
  response: Buffer,
  ...fields: string[]
): Promise<{ asked: Message; got: Message }> {
  client.send(gateway.head(GET, ...fields))
  const { wire, message } = await gateway.upstream.request()
  wire.send(response)
  return { asked: message, got: await client.message() }
}

t.test('a package document of npm comes with the addresses of the gateway', async (t) => {
  const s = await scene(t)
  const text = packument(`${s.origin}/`)
  const { asked, got } = await exchange(
    s,
    answer(text, 'ETag: "abc"', 'Accept-Ranges: bytes', 'X-A: b'),
    'Range: bytes=0-9',
  )
  t.equal(asked.field('range'), null)
  t.equal(asked.field('accept-encoding'), 'identity')
  t.equal(got.startLine, 'HTTP/1.1 200 OK')
  const expected = packument(ROUTE).replace(`"sig":"${ROUTE}left-pad"`, `"sig":"${s.origin}/left-pad"`)
  t.equal(got.body, expected)
  t.equal(got.field('content-length'), String(expected.length))
  t.equal(got.field('accept-ranges'), null)
  t.equal(got.field('x-a'), 'b')
  t.match(got.field('etag'), /^W\/"abc--s[\w-]{12}"$/)
  await s.gateway.finish(t, [{ status: 200, outcome: 'forwarded', reason: null, bytesSent: expected.length }])
})

t.test('a document comes in whatever coding, and goes out in one that the client takes', async (t) => {
  const s = await scene(t)
  const text = packument(`${s.origin}/`, 'x'.repeat(100_000))
  const expected = packument(ROUTE, 'x'.repeat(100_000)).replace(
    `"sig":"${ROUTE}left-pad"`,
    `"sig":"${s.origin}/left-pad"`,
  )
  const coded = new Map<string, Buffer>([
    ['identity', Buffer.from(text)],
    ['gzip', zlib.gzipSync(text)],
    ['x-gzip', zlib.gzipSync(text)],
    ['br', zlib.brotliCompressSync(text)],
    ['deflate', zlib.deflateSync(text)],
    ['Deflate', zlib.deflateRawSync(text)],
  ])
  const { zstdCompress } = zlib as {
    zstdCompress?: (data: string, done: (error: Error | null, bytes: Buffer) => void) => void
  }
  if (zstdCompress !== undefined) coded.set('zstd', await promisify(zstdCompress)(text))
  let count = 0
  for (const [coding, body] of coded) {
    for (const accept of [
      '',
      'gzip',
      'br',
      'deflate;q=0.5',
      'gzip;q=0, br',
      '*',
      'identity',
      'zstd, gzip',
      'bogus',
    ]) {
      const fields = accept === '' ? [] : [`Accept-Encoding: ${accept}`]
      const { asked, got } = await exchange(
        s,
        answer(body, `Content-Encoding: ${coding}`, 'Vary: Accept'),
        ...fields,
      )
      count++
      const used = got.field('content-encoding')
      t.equal(decoded(got, used), expected, `${coding} for ${accept}: ${used ?? 'none'}`)
      t.equal(got.field('content-length'), String(got.body.length))
      const taken = asked.field('accept-encoding')?.split(', ') ?? []
      t.ok(taken.every((one) => one === 'identity' || (KNOWN_CODINGS as readonly string[]).includes(one)))
      if (used !== null) t.ok(taken.includes(used), `${used} for ${accept}`)
      if (used === null) t.ok(coding === 'identity' || taken.includes('identity'), `none for ${accept}`)
      if (coding !== 'identity')
        t.same(
          got.fields.filter(([name]) => name === 'vary').map(([, v]) => v),
          ['Accept', 'Accept-Encoding'],
        )
    }
  }
  await s.gateway.quiet()
  t.equal(s.gateway.entries.length, count)
})

function decoded({ body }: Message, coding: string | null): string {
  const bytes = Buffer.from(body, 'latin1')
  switch (coding) {
    case null:
      return bytes.toString()
    case 'gzip':
      return zlib.gunzipSync(bytes).toString()
    case 'br':
      return zlib.brotliDecompressSync(bytes).toString()
    case 'deflate':
      return zlib.inflateSync(bytes).toString()
    default:
      return (zlib as unknown as { zstdDecompressSync: (data: Buffer) => Buffer })
        .zstdDecompressSync(bytes)
        .toString()
  }
}

t.test(
  'a copy that the client has is confirmed, and no copy of another gateway, route or upstream',
  async (t) => {
    const s = await scene(t)
    const body = packument(`${s.origin}/`)
    const first = await exchange(
      s,
      answer(body, 'ETag: W/"abc"', 'Last-Modified: Tue, 03 Mar 2026 10:00:00 GMT'),
    )
    const tag = first.got.field('etag') ?? ''
    t.match(tag, /^W\/"abc--w/)
    const notModified = Buffer.from('HTTP/1.1 304 Not Modified\r\nETag: W/"abc"\r\n\r\n')
    const since = 'If-Modified-Since: Tue, 03 Mar 2026 10:00:00 GMT'
    const { asked, got } = await exchange(s, notModified, `If-None-Match: "x", ${tag}`, since)
    t.equal(asked.field('if-none-match'), 'W/"abc"')
    t.equal(asked.field('if-modified-since'), null, 'a date says nothing of how addresses were written')
    t.equal(got.status, 304)
    t.equal(got.field('etag'), tag)
    const bare = await exchange(s, Buffer.from('HTTP/1.1 304 Not Modified\r\n\r\n'), `If-None-Match: ${tag}`)
    t.equal(bare.got.field('etag'), tag)
    s.gateway.apply({ trust: { ...PUBLIC, publicHost: 'other.example' } })
    const moved = await exchange(s, answer(body, 'ETag: W/"abc"'), `If-None-Match: ${tag}, W/"abc"`, since)
    t.equal(moved.asked.field('if-none-match'), null)
    t.equal(moved.asked.field('if-modified-since'), null)
    t.not(moved.got.field('etag'), tag)
    t.match(moved.got.body, 'https://other.example/base/npm/left-pad')
    const star = await exchange(s, notModified, 'If-None-Match: *')
    t.equal(star.asked.field('if-none-match'), '*')
    await s.gateway.quiet()
  },
)

t.test('an upstream that only knows dates is asked by them', async (t) => {
  const s = await scene(t)
  const modified = 'Tue, 03 Mar 2026 10:00:00 GMT'
  const first = await exchange(s, answer(packument(`${s.origin}/`), `Last-Modified: ${modified}`))
  const tag = first.got.field('etag') ?? ''
  const { asked, got } = await exchange(
    s,
    Buffer.from('HTTP/1.1 304 Not Modified\r\n\r\n'),
    `If-None-Match: ${tag}`,
  )
  t.equal(asked.field('if-none-match'), null)
  t.equal(asked.field('if-modified-since'), modified)
  t.equal(got.status, 304)
  t.equal(got.field('etag'), tag)
  await s.gateway.finish(t, [{ status: 200 }, { status: 304 }])
})

t.test('HEAD tells what GET does, and no length that it would not have', async (t) => {
  const s = await scene(t)
  s.client.send(s.gateway.head('HEAD /npm/left-pad HTTP/1.1', 'Accept-Encoding: gzip'))
  const { wire } = await s.gateway.upstream.request()
  wire.send(
    `HTTP/1.1 200 OK\r\n${JSON_TYPE}\r\nContent-Length: 700\r\nContent-Encoding: br\r\nETag: "abc"\r\n\r\n`,
  )
  const got = await s.client.message({ isHead: true })
  t.equal(got.field('content-length'), null)
  t.equal(got.field('content-encoding'), 'gzip')
  t.match(got.field('etag'), /^W\/"abc--s/)
  const body = answer(packument(`${s.origin}/`), 'ETag: "abc"')
  t.equal((await exchange(s, body)).got.field('etag'), got.field('etag'))
  await s.gateway.finish(t, [{ status: 200, bytesSent: 0 }, { status: 200 }])
})

t.test('what is no document passes as it came: files, errors, other types, other methods', async (t) => {
  const s = await scene(t)
  const text = packument(`${s.origin}/`)
  for (const [line, type] of [
    ['GET /npm/left-pad/-/left-pad-1.0.0.tgz HTTP/1.1', 'application/json'],
    ['GET /npm/-/v1/keys HTTP/1.1', 'application/json'],
    ['GET /npm/left-pad HTTP/1.1', 'application/octet-stream'],
  ] as const) {
    s.client.send(s.gateway.head(line, 'Accept-Encoding: snappy', 'Range: bytes=0-'))
    const { wire, message } = await s.gateway.upstream.request()
    const isDocument = line.includes('/left-pad HTTP')
    t.equal(message.field('accept-encoding'), isDocument ? 'identity' : 'snappy')
    wire.send(`HTTP/1.1 200 OK\r\nContent-Type: ${type}\r\nContent-Length: ${text.length}\r\n\r\n${text}`)
    t.equal((await s.client.message()).body, text, line)
  }
  const failed = await exchange(
    s,
    Buffer.from(
      `HTTP/1.1 500 Oh\r\n${JSON_TYPE}\r\nETag: "a"\r\nContent-Length: ${text.length}\r\n\r\n${text}`,
    ),
  )
  t.equal(failed.got.body, text)
  t.equal(failed.got.field('etag'), '"a"')
  await s.gateway.quiet()
})

t.test('without an address that clients are told, documents pass as they are', async (t) => {
  const s = await scene(t, {}, { trust: { trustedProxies: null, publicProto: null, publicHost: null } })
  const text = packument(`${s.origin}/`)
  t.equal((await exchange(s, answer(text))).got.body, text)
  s.gateway.apply({ trust: { trustedProxies: null, publicProto: null, publicHost: null, isLoopback: true } })
  t.match((await exchange(s, answer(text))).got.body, '"http://gw/npm/left-pad/-/left-pad-1.0.0.tgz"')
  const route = testRoute(s.gateway.upstream.port, { kind: 'npm', path: '/npm/', name: 'npm' })
  s.gateway.setRoutes([{ ...route, rules: { ...route.rules, rewriteDocuments: false } }])
  t.equal((await exchange(s, answer(text))).got.body, text)
  await s.gateway.quiet()
})

t.test('a document that is too large is answered 502, whichever way it says so', async (t) => {
  const s = await scene(t, { maxBytes: 100_000 })
  const text = packument(`${s.origin}/`, 'x'.repeat(200_000))
  const chunked = `HTTP/1.1 200 OK\r\n${JSON_TYPE}\r\nTransfer-Encoding: chunked\r\n\r\n${text.length.toString(16)}\r\n${text}\r\n0\r\n\r\n`
  const bomb = zlib.gzipSync(Buffer.alloc(50_000_000, ' '))
  for (const body of [
    answer(text),
    Buffer.from(chunked),
    answer(zlib.gzipSync(text), 'Content-Encoding: gzip'),
    answer(bomb, 'Content-Encoding: gzip'),
    answer(zlib.brotliCompressSync(text), 'Content-Encoding: br'),
  ]) {
    const { got } = await exchange(s, body, 'Accept-Encoding: gzip, br')
    t.equal(got.status, 502)
    t.match(got.body, 'larger than the gateway rewrites')
  }
  const small = await exchange(s, answer(packument(`${s.origin}/`)))
  t.equal(small.got.status, 200)
  const refused = { status: 502, outcome: 'upstream_reset', reason: 'document_too_large' } as const
  await s.gateway.finish(t, [refused, refused, refused, refused, refused, { status: 200 }])
})

t.test('a document that is found too large after its head is broken off', async (t) => {
  const s = await scene(t, { maxBytes: 3_000_000 })
  s.client.send(s.gateway.head(GET))
  const { wire } = await s.gateway.upstream.request()
  wire.send(`HTTP/1.1 200 OK\r\n${JSON_TYPE}\r\nTransfer-Encoding: chunked\r\n\r\n3d0900\r\n{"readme":"`)
  wire.send('x'.repeat(4_000_000))
  t.equal((await s.client.head()).field('transfer-encoding'), 'chunked')
  await s.client.closed()
  t.notOk(s.client.text.endsWith('0\r\n\r\n'))
  await s.gateway.finish(t, [{ status: 200, outcome: 'upstream_reset', reason: 'document_too_large' }])
})

t.test('what is not what it says is refused', async (t) => {
  const s = await scene(t)
  const gzip = zlib.gzipSync(packument(`${s.origin}/`))
  const cases = [
    answer('<!doctype html><a href="x">x</a>'),
    answer(packument(`${s.origin}/`).slice(0, -5)),
    answer(''),
    answer(`${'['.repeat(1000)}${']'.repeat(1000)}`),
    answer(gzip.subarray(0, -20), 'Content-Encoding: gzip'),
    answer(randomBytes(100), 'Content-Encoding: gzip'),
    answer('', 'Content-Encoding: gzip'),
    answer(gzip, 'Content-Encoding: gzip, br'),
    answer(gzip, 'Content-Encoding: unheard-of'),
  ]
  for (const body of cases) {
    const { got } = await exchange(s, body)
    t.equal(got.status, 502)
    t.match(got.body, 'not what it says')
  }
  await s.gateway.finish(
    t,
    cases.map(() => ({ status: 502, outcome: 'upstream_reset', reason: 'document_malformed' })),
  )
})

t.test('or passes, with the reason in its entry', async (t) => {
  const s = await scene(t, { malformed: 'pass' })
  const html = '<!doctype html><a href="x">x</a>'
  t.equal((await exchange(s, answer(html))).got.body, html)
  const cut = packument(`${s.origin}/`).slice(0, -5)
  const { got } = await exchange(s, answer(cut))
  t.equal(got.field('content-length'), String(got.body.length))
  t.match(got.body, `${ROUTE}left-pad/-/`)
  const coded = zlib.gzipSync('x')
  const unread = await exchange(s, answer(coded, 'Content-Encoding: unheard-of'))
  t.equal(unread.got.body, coded.toString('latin1'))
  const passed = { status: 200, outcome: 'forwarded', reason: 'document_malformed' } as const
  await s.gateway.finish(t, [passed, passed, passed])
})

t.test('addresses of strangers pass, or cost the document', async (t) => {
  const foreign = packument('https://elsewhere.example/')
  const passing = await scene(t)
  t.equal((await exchange(passing, answer(foreign))).got.body, foreign)
  const refusing = await scene(t, { foreign: 'refuse' })
  const { got } = await exchange(refusing, answer(foreign))
  t.equal(got.status, 502)
  t.equal((await exchange(refusing, answer(packument(`${refusing.origin}/`)))).got.status, 200)
  const script = '{"dist":{"tarball":"javascript:alert(1)"}}'
  t.equal((await exchange(refusing, answer(script))).got.status, 502)
  await refusing.gateway.finish(t, [
    { reason: 'document_foreign', status: 502 },
    { status: 200 },
    { status: 502 },
  ])
  await passing.gateway.quiet()
})

t.test('a broken connection is told as such: before the head by 502, behind it by a reset', async (t) => {
  const s = await scene(t)
  const text = packument(`${s.origin}/`)
  s.client.send(s.gateway.head(GET))
  const first = await s.gateway.upstream.request()
  first.wire.send(answer(text).subarray(0, -20))
  first.wire.end()
  t.equal((await s.client.message()).status, 502)
  s.client.send(s.gateway.head(GET))
  const second = await s.gateway.upstream.request()
  second.wire.send(
    `HTTP/1.1 200 OK\r\n${JSON_TYPE}\r\nContent-Length: 3000000\r\n\r\n{"readme":"${'x'.repeat(1_500_000)}`,
  )
  t.equal((await s.client.head()).field('transfer-encoding'), 'chunked')
  second.wire.reset()
  await s.client.closed()
  await s.gateway.finish(t, [
    { status: 502, outcome: 'upstream_reset' },
    { status: 200, outcome: 'upstream_reset', reason: 'truncated' },
  ])
})

for (const coding of [null, 'gzip'] as const) {
  t.test(`a slow client holds the upstream back, and gets all of it (${coding ?? 'identity'})`, async (t) => {
    const s = await scene(t)
    const filler = randomBytes(coding === null ? 24_000_000 : 12_000_000).toString('base64')
    const text = packument(`${s.origin}/`, filler)
    const body = coding === null ? Buffer.from(text) : zlib.gzipSync(text, { level: 1 })
    s.client.socket.pause()
    s.client.send(s.gateway.head(GET, `Accept-Encoding: ${coding ?? 'identity'}`))
    const { wire } = await s.gateway.upstream.request()
    wire.send(answer(body, ...(coding === null ? [] : [`Content-Encoding: ${coding}`])))
    await until(
      () => s.gateway.handler.exchanges.size === 1 && isBlocked(s.gateway),
      'the client to be blocked',
    )
    if (coding === null)
      t.ok(wire.socket.writableLength > 0, 'the upstream has not been relieved of all of it')
    s.client.socket.resume()
    const got = await s.client.message()
    const expected = packument(ROUTE, filler).replace(
      `"sig":"${ROUTE}left-pad"`,
      `"sig":"${s.origin}/left-pad"`,
    )
    t.ok(decoded(got, got.field('content-encoding')) === expected)
    await s.gateway.finish(t, [{ status: 200, outcome: 'forwarded' }])
  })
}

function isBlocked({ handler }: TestGateway): boolean {
  return [...handler.exchanges].some(({ isClientBlocked }) => isClientBlocked)
}

t.test('a client that leaves takes the upstream with it, and the pipe', async (t) => {
  const s = await scene(t)
  s.client.send(s.gateway.head(GET, 'Accept-Encoding: gzip'))
  const { wire } = await s.gateway.upstream.request()
  const body = zlib.gzipSync(packument(`${s.origin}/`, randomBytes(3_000_000).toString('base64')))
  wire.send(answer(body, 'Content-Encoding: gzip').subarray(0, -100))
  await s.client.head()
  s.client.reset()
  await wire.closed()
  await s.gateway.finish(t, [{ status: 200, outcome: 'client_closed' }])
})

t.test('the documents of each kind are rewritten, and its other answers pass', async (t) => {
  const kinds = ['pypi', 'cargo', 'helm', 'git'] as const
  const s = await scene(t, {}, { routes: kinds.map((kind) => ({ kind, path: `/${kind}/`, name: kind })) })
  const at = (kind: string): string => ROUTE.replace('npm', kind)
  for (const [line, type, body, shown] of [
    ['GET /pypi/simple/x/', 'text/html', `<a href="${s.origin}/x.whl#a">`, `<a href="${at('pypi')}x.whl#a">`],
    ['GET /pypi/x.whl', 'text/html', `<a href="${s.origin}/x.whl">`, null],
    [
      'GET /pypi/simple/x/',
      'application/vnd.pypi.simple.v1+json',
      `{"files":[{"url":"${s.origin}/x.whl"}]}`,
      `{"files":[{"url":"${at('pypi')}x.whl"}]}`,
    ],
    [
      'GET /cargo/config.json',
      'application/octet-stream',
      `{"dl":"${s.origin}/dl"}`,
      `{"dl":"${at('cargo')}dl","auth-required":true}`,
    ],
    ['GET /cargo/co/nf/config', 'application/json', `{"dl":"${s.origin}/dl"}`, null],
    ['GET /helm/index.yaml', 'text/yaml', `urls:\n- ${s.origin}/a.tgz\n`, `urls:\n- ${at('helm')}a.tgz\n`],
    [
      'POST /git/a.git/info/lfs/objects/batch',
      'application/vnd.git-lfs+json',
      `{"objects":[{"authenticated":true,"actions":{"download":{"href":"${s.origin}/o"}}}]}`,
      `{"objects":[{"actions":{"download":{"href":"${at('git')}o"}}}]}`,
    ],
  ] as const) {
    const isPost = line.startsWith('POST')
    const head = s.gateway.head(`${line} HTTP/1.1`, ...(isPost ? ['Content-Length: 2'] : []))
    s.client.send(isPost ? `${head}{}` : head)
    const { wire } = await s.gateway.upstream.request()
    wire.send(`HTTP/1.1 200 OK\r\nContent-Type: ${type}\r\nContent-Length: ${body.length}\r\n\r\n${body}`)
    t.equal((await s.client.message()).body, shown ?? body, line)
  }
  await s.gateway.quiet()
})

t.test('addresses of a cargo registry at the root of its host do not come to end with a slash', async (t) => {
  const s = await scene(t, {}, { routes: [{ kind: 'cargo', path: '/cargo/', name: 'cargo' }] })
  s.client.send(s.gateway.head('GET /cargo/config.json HTTP/1.1'))
  const { wire } = await s.gateway.upstream.request()
  const body = `{"dl":"${s.origin}","api":"${s.origin}"}`
  wire.send(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`)
  const shown = ROUTE.replace('npm', 'cargo').slice(0, -1)
  t.same(JSON.parse((await s.client.message()).body), { dl: shown, api: shown, 'auth-required': true })
  await s.gateway.quiet()
})

t.test('a document kept from before a route had a login is not confirmed with the login', async (t) => {
  const cargo = { kind: 'cargo', path: '/cargo/', name: 'cargo', auth: 'public' } as const
  const s = await scene(t, {}, { routes: [cargo] })
  const text = `{"dl":"${s.origin}/dl","auth-required":true}`
  const ask = async (...fields: string[]): Promise<{ asked: Message; got: Message }> => {
    s.client.send(s.gateway.head('GET /cargo/config.json HTTP/1.1', ...fields))
    const { wire, message } = await s.gateway.upstream.request()
    wire.send(answer(text, 'ETag: "abc"'))
    return { asked: message, got: await s.client.message() }
  }
  const before = await ask()
  t.match(before.got.body, /"auth-required":true/)
  const route = testRoute(s.gateway.upstream.port, cargo)
  s.gateway.setRoutes([{ ...route, upstream: { ...route.upstream, authorization: 'Bearer own' } }])
  const after = await ask(`If-None-Match: ${before.got.field('etag') ?? ''}`)
  t.equal(after.asked.field('if-none-match'), null)
  t.notMatch(after.got.body, /auth-required/)
  await s.gateway.quiet()
})

t.test('what an upstream sends behind the end of a coded document costs its connection', async (t) => {
  const s = await scene(t)
  const { gateway, client } = s
  client.send(gateway.head(GET, 'Accept-Encoding: gzip'))
  const { wire } = await gateway.upstream.request()
  const body = Buffer.concat([zlib.gzipSync(packument(`${s.origin}/`)), Buffer.alloc(9)])
  wire.send(`HTTP/1.1 200 OK\r\n${JSON_TYPE}\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n`)
  wire.send(Buffer.concat([Buffer.from(`${body.length.toString(16)}\r\n`), body, Buffer.from('\r\n')]))
  t.equal((await client.message()).status, 200)
  await gateway.finish(t, [{ status: 200, outcome: 'forwarded', reason: null }])
})
