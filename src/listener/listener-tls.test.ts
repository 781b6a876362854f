import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect as connectTls, type ConnectionOptions, type TLSSocket } from 'node:tls'
import t, { type Test } from 'tap'
import { readTlsFiles, type TlsFiles } from '../config/tls-files.ts'
import { B_EXAMPLE, LOCALHOST, type TestCertificate } from '../test/certificates.ts'
import { compileNetworks } from '../model/network.ts'
import { startGateway, type TestGateway, type TestGatewayOptions } from '../test/gateway.ts'
import { until, Wire } from '../test/wire.ts'

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'
const GET = 'GET /r/x HTTP/1.1'

function folder(t: Test): string {
  const path = mkdtempSync(join(tmpdir(), 'waybill-tls-'))
  t.teardown(() => rmSync(path, { recursive: true }))
  return path
}

function write(path: string, name: string, { cert, key }: TestCertificate): TlsFiles {
  const files = { cert: join(path, `${name}.crt`), key: join(path, `${name}.key`) }
  writeFileSync(files.cert, cert)
  writeFileSync(files.key, key)
  return files
}

async function startTls(t: Test, options: TestGatewayOptions = {}): Promise<TestGateway> {
  const gateway = await startGateway(t, options)
  const path = folder(t)
  const { certificates, problems } = readTlsFiles([write(path, 'a', LOCALHOST), write(path, 'b', B_EXAMPLE)])
  t.same(problems, [])
  gateway.listener.names = certificates
  return gateway
}

async function dialTls(
  t: Test,
  gateway: TestGateway,
  options: ConnectionOptions = {},
): Promise<{ socket: TLSSocket; wire: Wire }> {
  const socket = connectTls({
    port: gateway.port,
    host: '127.0.0.1',
    rejectUnauthorized: false,
    allowHalfOpen: true,
    ...options,
  } as ConnectionOptions)
  t.teardown(() => socket.destroy())
  const wire = new Wire(socket)
  let isSecure = false
  socket.once('secureConnect', () => {
    isSecure = true
  })
  await until(() => wire.isClosed || isSecure, 'the handshake')
  return { socket, wire }
}

t.test(
  'R18: TLS is spoken, and the upstream is told so; requests, uploads, half-closes, WebSockets',
  async (t) => {
    const gateway = await startTls(t)
    const { socket, wire } = await dialTls(t, gateway, { ALPNProtocols: ['h2', 'http/1.1'] })
    t.equal(socket.alpnProtocol, 'http/1.1')
    t.match(socket.getProtocol(), /^TLSv1\.[23]$/)
    wire.send(gateway.head(GET))
    const first = await gateway.upstream.request()
    t.equal(first.message.field('x-forwarded-proto'), 'https')
    first.wire.send(OK)
    t.equal((await wire.message()).body, 'ok')
    wire.send(`${gateway.head('POST /r/x HTTP/1.1', 'Content-Length: 3')}abc`)
    const second = await gateway.upstream.request()
    t.equal(second.message.body, 'abc')
    second.wire.send(`HTTP/1.1 200 OK\r\nContent-Length: 3000000\r\n\r\n${'y'.repeat(3_000_000)}`)
    t.equal((await wire.message()).body.length, 3_000_000)
    wire.end(gateway.head(GET))
    ;(await gateway.upstream.request()).wire.send(OK)
    t.equal((await wire.message()).body, 'ok', 'after its client has ended its side')
    await wire.closed()
    const tunnel = (await dialTls(t, gateway)).wire
    tunnel.send(gateway.head(GET, 'Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Key: x'))
    const upstream = (await gateway.upstream.request()).wire
    upstream.send(
      'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nhello',
    )
    await tunnel.holds('hello')
    tunnel.send('there')
    await upstream.holds('there')
    upstream.end()
    await tunnel.closed()
    await gateway.finish(t, [
      { status: 200 },
      { status: 200, bytesReceived: 3 },
      { status: 200 },
      { status: 101 },
    ])
  },
)

t.test('R18: the name that a client asks for decides which certificate it gets', async (t) => {
  const gateway = await startTls(t)
  for (const [servername, subject] of [
    ['localhost', 'localhost'],
    ['b.example', 'b.example'],
    ['B.EXAMPLE', 'b.example'],
    ['x.b.example', 'b.example'],
    ['y.x.b.example', 'localhost'],
    ['other.example', 'localhost'],
    ['', 'localhost'],
  ] as const) {
    const { socket } = await dialTls(t, gateway, { servername })
    t.equal(socket.getPeerCertificate().subject.CN, subject, servername)
    socket.destroy()
  }
  await gateway.finish(t, [])
})

t.test(
  'R18: old TLS and what speaks no http/1.1 is refused; new certificates count for new connections',
  async (t) => {
    const gateway = await startTls(t)
    for (const options of [
      { maxVersion: 'TLSv1.1', minVersion: 'TLSv1' },
      { ALPNProtocols: ['h2'] },
    ] as const) {
      const { wire } = await dialTls(t, gateway, {
        ...options,
        ALPNProtocols: [...('ALPNProtocols' in options ? options.ALPNProtocols : [])],
      })
      t.ok(wire.isClosed || wire.errorCode !== null)
    }
    const old = await dialTls(t, gateway)
    const path = folder(t)
    gateway.listener.names = readTlsFiles([write(path, 'b', B_EXAMPLE)]).certificates
    const { socket } = await dialTls(t, gateway)
    t.equal(socket.getPeerCertificate().subject.CN, 'b.example')
    old.wire.send(gateway.head(GET))
    ;(await gateway.upstream.request()).wire.send(OK)
    t.equal((await old.wire.message()).status, 200)
    old.socket.destroy()
    socket.destroy()
    await gateway.finish(t, [{ status: 200 }])
  },
)

t.test('R18: a plain request to the TLS port is told so, and has its entry; garbage is closed', async (t) => {
  const notices: string[] = []
  const gateway = await startTls(t, { notice: (text) => notices.push(text) })
  const plain = await gateway.client()
  plain.send(gateway.head(GET))
  const message = await plain.message()
  t.equal(message.status, 400)
  t.match(message.body, 'https://')
  await plain.closed()
  t.match(notices, ['a client did not speak TLS (listen.tls)'])
  const garbage = await gateway.client()
  garbage.send('\x00\x01\x02')
  await garbage.closed()
  t.equal(garbage.text, '')
  await gateway.finish(t, [{ status: 400, outcome: 'bad_request', reason: 'tls_expected' }])
})

t.test('R18: a handshake that does not come to its end is broken off, also by a drain', async (t) => {
  const gateway = await startTls(t, { listener: { handshakeTimeoutMs: 300 } })
  const silent = await gateway.client()
  const begun = await gateway.client()
  begun.send('\x16\x03\x01')
  for (const client of [silent, begun]) await client.closed()
  await until(() => gateway.listener.connections === 0, 'both to end')
  const slow = await startTls(t)
  const late = await slow.client()
  late.send('\x16\x03\x01')
  await until(() => slow.listener.connections === 1, 'the connection')
  await slow.listener.drain(200)
  await late.closed()
})

t.test('R18: TLS behind a PROXY header', async (t) => {
  const trust = { trustedProxies: compileNetworks(['127.0.0.0/8']), publicProto: null, publicHost: null }
  const gateway = await startTls(t, { trust, listener: { hasProxyProtocol: true } })
  const raw = await gateway.client()
  raw.socket.removeAllListeners('data')
  raw.send('PROXY TCP4 203.0.113.7 192.0.2.1 51008 443\r\n')
  const { wire } = await dialTls(t, gateway, { socket: raw.socket })
  wire.send(gateway.head(GET))
  ;(await gateway.upstream.request()).wire.send(OK)
  t.equal((await wire.message()).body, 'ok')
  await gateway.finish(t, [{ status: 200, clientIp: '203.0.113.7' }])
})

t.test('R18: a body that is cut short is no whole body by TLS either', async (t) => {
  const gateway = await startTls(t)
  const { wire } = await dialTls(t, gateway)
  wire.send(gateway.head('GET /r/x HTTP/1.0'))
  const { wire: upstream } = await gateway.upstream.request()
  upstream.send('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n')
  await wire.holds('abc')
  upstream.reset()
  await until(() => wire.isClosed, 'the end')
  t.equal(wire.errorCode, 'ECONNRESET')
  await gateway.finish(t, [{ outcome: 'upstream_reset', reason: 'truncated' }])
})

t.test('R18: what is wrong with certificate or key is said by the name of its field', async (t) => {
  const path = folder(t)
  const good = write(path, 'a', LOCALHOST)
  const other = write(path, 'b', B_EXAMPLE)
  writeFileSync(join(path, 'empty'), '')
  writeFileSync(
    join(path, 'encrypted'),
    '-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n',
  )
  const problemOf = (cert: string, key: string): string | undefined =>
    readTlsFiles([{ cert, key }]).problems[0]
  t.match(problemOf(join(path, 'none'), good.key), /^listen\.tls\.cert: .*cannot be read \(ENOENT\)/)
  t.match(problemOf(good.cert, join(path, 'none')), /^listen\.tls\.key: .*cannot be read \(ENOENT\)/)
  t.match(problemOf(join(path, 'empty'), good.key), /^listen\.tls\.cert: .*no certificate/)
  t.match(problemOf(good.cert, join(path, 'empty')), /^listen\.tls\.key: .*no private key/)
  t.match(problemOf(good.cert, join(path, 'encrypted')), /^listen\.tls\.key: .*encrypted/)
  t.match(problemOf(good.cert, other.key), /^listen\.tls\.key: .*is not the key of/)
  const several = readTlsFiles([good, { cert: other.cert, key: good.key }])
  t.match(several.problems, [/^listen\.tls\[1\]\.key/])
  t.equal(several.certificates, null)
})
