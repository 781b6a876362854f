import { writeFileSync } from 'node:fs'
import { createServer as createPlain, type AddressInfo, type Socket } from 'node:net'
import { createServer, type TlsOptions, type TLSSocket } from 'node:tls'
import t, { type Test } from 'tap'
import { readRoutes } from '../config/routes.ts'
import type { UpstreamTls } from '../model/route.ts'
import { LOCALHOST, EXPIRED } from '../test/certificates.ts'
import { startGateway, type TestGateway } from '../test/gateway.ts'
import { until } from '../test/wire.ts'

const GET = 'GET /r/x HTTP/1.1'
const NO_TLS: UpstreamTls = { ca: null, cert: null, key: null, serverName: null, minVersion: null }

/** A TLS server that does `answer` with each request, and a gateway before it; `tcp` is the connection below. */
async function startTls(
  t: Test,
  parts: {
    readonly server?: TlsOptions
    readonly host?: string
    readonly tls: UpstreamTls | null
    readonly answer: (socket: TLSSocket, tcp: Socket) => void
  },
): Promise<TestGateway> {
  const below = new WeakMap<TLSSocket, Socket>()
  let accepted: Socket | null = null
  const server = createServer({ key: LOCALHOST.key, cert: LOCALHOST.cert, ...parts.server })
  const listener = createPlain((tcp) => {
    accepted = tcp
    server.emit('connection', tcp)
  })
  server.on('secureConnection', (socket) => {
    if (accepted !== null) below.set(socket, accepted)
    const tcp = below.get(socket)
    socket.on('error', () => {})
    socket.on('data', () => (tcp === undefined ? undefined : parts.answer(socket, tcp)))
  })
  server.on('tlsClientError', () => {})
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve))
  t.teardown(() => listener.close())
  const { port } = listener.address() as AddressInfo
  const origin = `https://${parts.host ?? 'localhost'}:${port}`
  const upstream = { origin, path: '/', authorization: null, tls: parts.tls }
  return await startGateway(t, { routes: [{ upstream }] })
}

const OK = (socket: TLSSocket): void => void socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')

for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
  for (const [end, isProven] of [
    ['close_notify', true],
    ['FIN alone', false],
  ] as const) {
    for (const [kind, head] of [
      ['HTTP/1.1', 'HTTP/1.1 200 OK\r\n\r\n'],
      ['HTTP/1.0', 'HTTP/1.0 200 OK\r\n\r\n'],
      ['gzip', 'HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n'],
    ] as const) {
      t.test(`R10: a body of ${kind} over ${version} that ends in ${end}`, async (t) => {
        const gateway = await startTls(t, {
          server: { minVersion: version, maxVersion: version },
          tls: { ...NO_TLS, ca: LOCALHOST.cert },
          answer: (socket, tcp) => {
            socket.write(`${head}part of it`, () => (isProven ? socket.end() : tcp.end()))
          },
        })
        const client = await gateway.client()
        client.send(gateway.head(GET))
        await until(() => client.text.includes('part of it'), 'the body')
        const entry = await gateway.entry()
        t.match(
          entry,
          isProven
            ? { outcome: 'forwarded', reason: null, status: 200 }
            : { outcome: 'upstream_reset', reason: 'truncated', status: 200 },
        )
        if (!isProven) await client.closed()
        t.equal(client.text.endsWith('0\r\n\r\n'), isProven, 'the last chunk')
      })
    }
  }
}

t.test('R10: a response by length needs no close_notify; a reset is never an end', async (t) => {
  const gateway = await startTls(t, {
    tls: { ...NO_TLS, ca: LOCALHOST.cert },
    answer: (socket, tcp) => {
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok', () => tcp.end())
    },
  })
  const client = await gateway.client()
  client.send(gateway.head(GET))
  t.equal((await client.message()).body, 'ok')
  t.match(await gateway.entry(), { outcome: 'forwarded', reason: null })
  const other = await startTls(t, {
    tls: { ...NO_TLS, ca: LOCALHOST.cert },
    answer: (socket, tcp) => {
      socket.write('HTTP/1.1 200 OK\r\n\r\npart', () => tcp.resetAndDestroy())
    },
  })
  const second = await other.client()
  second.send(other.head(GET))
  t.match(await other.entry(), { outcome: 'upstream_reset' })
  await second.closed()
  t.notOk(second.text.endsWith('0\r\n\r\n'))
})

for (const [what, parts, reason] of [
  ['a CA that nobody named', { tls: null }, 'tls_unknown_ca'],
  ['a name that it does not bear', { tls: { ...NO_TLS, ca: LOCALHOST.cert }, host: '127.0.0.1' }, 'tls_name'],
  [
    'a time that is over',
    {
      tls: { ...NO_TLS, ca: EXPIRED.cert },
      server: { key: EXPIRED.key, cert: EXPIRED.cert },
    },
    'tls_expired',
  ],
  [
    'a version that is too old',
    { tls: { ...NO_TLS, ca: LOCALHOST.cert, minVersion: 'TLSv1.3' }, server: { maxVersion: 'TLSv1.2' } },
    'tls',
  ],
] as const) {
  t.test(`G10: the entry says why TLS failed: ${what}`, async (t) => {
    const gateway = await startTls(t, { ...parts, answer: OK })
    for (const fields of [[], ['Connection: Upgrade', 'Upgrade: websocket']]) {
      const client = await gateway.client()
      client.send(gateway.head(GET, ...fields))
      t.equal((await client.message()).status, 502)
    }
    const refused = { outcome: 'upstream_refused', reason, status: 502 } as const
    await gateway.finish(t, [refused, refused])
  })
}

t.test(
  'G10: the name of a certificate is told apart from the address; an upstream asks who we are',
  async (t) => {
    const gateway = await startTls(t, {
      host: '127.0.0.1',
      tls: {
        ...NO_TLS,
        ca: LOCALHOST.cert,
        cert: LOCALHOST.cert,
        key: LOCALHOST.key,
        serverName: 'localhost',
      },
      server: { requestCert: true, ca: LOCALHOST.cert, rejectUnauthorized: true },
      answer: OK,
    })
    const client = await gateway.client()
    client.send(gateway.head(GET))
    t.equal((await client.message()).status, 200)
  },
)

t.test('G10: TLS files are read with the configuration, anew each time, and must fit together', (t) => {
  const dir = t.testdir({
    'ca.pem': LOCALHOST.cert,
    'key.pem': LOCALHOST.key,
    'other.pem': EXPIRED.key,
    'no.pem': 'x',
  })
  const read = (tls: object) =>
    readRoutes([{ name: 'r', kind: 'generic', path: '/r/', upstream: 'https://u.example/', tls }])
  const file = (name: string): string => `${dir}/${name}`
  t.equal(read({ ca: file('ca.pem') }).routes[0]?.upstream.tls?.ca, LOCALHOST.cert)
  writeFileSync(file('ca.pem'), EXPIRED.cert)
  t.equal(read({ ca: file('ca.pem') }).routes[0]?.upstream.tls?.ca, EXPIRED.cert)
  writeFileSync(file('ca.pem'), LOCALHOST.cert)
  t.same(read({ cert: file('ca.pem'), key: file('key.pem') }).problems, [])
  for (const [tls, problem] of [
    [{ ca: file('no.pem') }, '.tls.ca:'],
    [{ cert: file('ca.pem') }, '.tls: cert and key belong together'],
    [{ cert: file('ca.pem'), key: file('other.pem') }, '.tls: ca, cert and key'],
    [{ cert: file('no.pem'), key: file('key.pem') }, '.tls: ca, cert and key'],
  ] as const) {
    const { problems } = read(tls)
    t.equal(problems.length, 1)
    t.match(problems[0], problem)
    t.notMatch(problems[0], 'BEGIN')
  }
  t.end()
})
