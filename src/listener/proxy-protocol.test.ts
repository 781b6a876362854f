import t from 'tap'
import { compileNetworks } from '../model/network.ts'
import { readProxyHeader } from './proxy-protocol.ts'
import { sourceOf } from '../model/source-network.ts'
import { startGateway } from '../test/gateway.ts'
import { until } from '../test/wire.ts'

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'
const SIGNATURE = '\r\n\r\n\0\r\nQUIT\n'

/** A header of version 2: command and family as bytes, then addresses and TLVs. */
function v2(versionCommand: number, family: number, ...payload: readonly number[]): Buffer {
  const head = Buffer.alloc(4)
  head.writeUInt8(versionCommand, 0)
  head.writeUInt8(family, 1)
  head.writeUInt16BE(payload.length, 2)
  return Buffer.concat([Buffer.from(SIGNATURE, 'latin1'), head, Buffer.from(payload)])
}

const IPV4 = [203, 0, 113, 7, 192, 0, 2, 1, 0xc7, 0x40, 0, 80]
const IPV6 = [0x20, 1, 0xd, 0xb8, ...Array(11).fill(0), 1, ...Array(16).fill(0), 1, 1, 0, 80] as number[]
const UNIX = Array(216).fill(0x61) as number[]
const ZEROS = (n: number): number[] => Array.from({ length: n }, () => 0)

/** Headers and the client that they tell; null: the balancer itself. */
const VALID: readonly (readonly [string, Buffer | string, string | null])[] = [
  ['TCP4', 'PROXY TCP4 203.0.113.7 192.0.2.1 51008 80\r\n', '203.0.113.7'],
  ['TCP6', 'PROXY TCP6 2001:db8::1 2001:db8::2 0 65535\r\n', '2001:db8::1'],
  [
    'the longest',
    `PROXY TCP6 ${'ffff:'.repeat(7)}ffff ${'ffff:'.repeat(7)}ffff 65535 65535\r\n`,
    `${'ffff:'.repeat(7)}ffff`,
  ],
  ['UNKNOWN', 'PROXY UNKNOWN\r\n', ''],
  ['UNKNOWN with more', 'PROXY UNKNOWN ffff::1 anything 1 2\r\n', ''],
  ['v2 IPv4', v2(0x21, 0x11, ...IPV4), '203.0.113.7'],
  ['v2 IPv6', v2(0x21, 0x21, ...IPV6), '2001:db8:0:0:0:0:0:1'],
  ['v2 IPv4 with TLVs', v2(0x21, 0x11, ...IPV4, 4, 0, 2, 1, 1, 0xee, 0, 0), '203.0.113.7'],
  ['v2 with as many TLVs as fit', v2(0x21, 0x11, ...IPV4, 4, 0x0f, 0xf1, ...ZEROS(0x0ff1)), '203.0.113.7'],
  ['v2 LOCAL', v2(0x20, 0), null],
  ['v2 LOCAL with an address', v2(0x20, 0x11, ...IPV4), null],
  ['v2 UNSPEC', v2(0x21, 0, 1, 2, 3), ''],
  ['v2 IPv4 datagram', v2(0x21, 0x12, ...IPV4), ''],
  ['v2 Unix', v2(0x21, 0x31, ...UNIX), ''],
]

const INVALID: readonly (readonly [string, Buffer | string])[] = [
  ['a request', 'GET / HTTP/1.1\r\n'],
  ['lower case', 'proxy TCP4 1.2.3.4 1.2.3.4 1 1\r\n'],
  ['two spaces', 'PROXY TCP4  1.2.3.4 1.2.3.4 1 1\r\n'],
  ['a space at the end', 'PROXY TCP4 1.2.3.4 1.2.3.4 1 1 \r\n'],
  ['no port', 'PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n'],
  ['a port with a zero in front', 'PROXY TCP4 1.2.3.4 1.2.3.4 01 1\r\n'],
  ['a port that is too large', 'PROXY TCP4 1.2.3.4 1.2.3.4 65536 1\r\n'],
  ['an address with a zero in front', 'PROXY TCP4 1.2.3.04 1.2.3.4 1 1\r\n'],
  ['an address of the other family', 'PROXY TCP4 ::1 ::1 1 1\r\n'],
  ['an address with a zone', 'PROXY TCP6 fe80::1%eth0 ::1 1 1\r\n'],
  ['another protocol', 'PROXY UDP4 1.2.3.4 1.2.3.4 1 1\r\n'],
  ['UNKNOWNS', 'PROXY UNKNOWNS\r\n'],
  ['a line that does not end', `PROXY UNKNOWN ${'a'.repeat(120)}`],
  ['a line that is too long', `PROXY UNKNOWN ${'a'.repeat(92)}\r\n`],
  ['v2 of version 1', v2(0x11, 0x11, ...IPV4)],
  ['v2 command 2', v2(0x22, 0x11, ...IPV4)],
  ['v2 family 4', v2(0x21, 0x41, ...IPV4)],
  ['v2 transport 3', v2(0x21, 0x13, ...IPV4)],
  ['v2 addresses that are cut', v2(0x21, 0x11, ...IPV4.slice(1))],
  ['v2 IPv6 that is cut', v2(0x21, 0x21, ...IPV6.slice(1))],
  ['v2 Unix that is cut', v2(0x21, 0x31, ...UNIX.slice(1))],
  ['v2 a TLV that is longer than its place', v2(0x21, 0x11, ...IPV4, 4, 0, 9, 1)],
  ['v2 a piece of a TLV', v2(0x21, 0x11, ...IPV4, 4, 0)],
  ['v2 that is too long', v2(0x21, 0x11, ...IPV4, 4, 0x10, 0, ...ZEROS(0x1000))],
  ['nearly the signature', '\r\n\r\n\0\r\nQUIX\n'],
]

t.test('R18: PROXY headers are read as they are specified, in one piece and in many', async (t) => {
  for (const [name, header, source] of VALID) {
    const bytes = Buffer.from(header as string, 'latin1')
    const whole = Buffer.concat([bytes, Buffer.from('GET / HTTP/1.1\r\n')])
    t.same(readProxyHeader(whole), { state: 'read', length: bytes.length, source }, name)
    for (let cut = 0; cut < bytes.length; cut += bytes.length > 300 ? 97 : 1)
      t.equal(readProxyHeader(bytes.subarray(0, cut)).state, 'partial', `${name}, ${cut} bytes`)
  }
  for (const [name, header] of INVALID)
    t.equal(readProxyHeader(Buffer.from(header as string, 'latin1')).state, 'invalid', name)
})

for (const hasPlainPath of [true, false]) {
  const path = hasPlainPath ? 'plain' : "by Node's server"
  const trust = { trustedProxies: compileNetworks(['127.0.0.0/8']), publicProto: null, publicHost: null }

  t.test(`R18: the client is the one of the PROXY header, ${path}`, async (t) => {
    const gateway = await startGateway(t, { trust, listener: { hasPlainPath, hasProxyProtocol: true } })
    const sent = [
      ['203.0.113.7', 'PROXY TCP4 203.0.113.7 192.0.2.1 51008 80\r\n', 1],
      ['203.0.113.7', v2(0x21, 0x11, ...IPV4).toString('latin1'), 1],
      ['', 'PROXY UNKNOWN\r\n', 1],
      ['127.0.0.1', v2(0x20, 0).toString('latin1'), 1],
      ['203.0.113.7', 'PROXY TCP4 203.0.113.7 192.0.2.1 51008 80\r\n', 7],
    ] as const
    for (const [ip, header, pieces] of sent) {
      const client = await gateway.client()
      // The client's own word counts for nothing: it is no trusted proxy.
      const text =
        header +
        gateway.head('GET /r/x HTTP/1.1', ...(ip === '203.0.113.7' ? ['X-Forwarded-For: 6.6.6.6'] : []))
      const size = Math.ceil(text.length / pieces)
      for (let at = 0; at < text.length; at += size) {
        client.send(text.slice(at, at + size))
        await new Promise((resolve) => void setImmediate(resolve))
      }
      const { wire, message } = await gateway.upstream.request()
      t.equal(message.field('x-forwarded-for'), ip === '' ? 'unknown' : ip)
      wire.send(OK)
      t.equal((await client.message()).body, 'ok')
      client.send(gateway.head('GET /r/again HTTP/1.1'))
      ;(await gateway.upstream.request()).wire.send(OK)
      t.equal((await client.message()).body, 'ok', 'and the next one on the connection')
      client.end()
      await client.closed()
    }
    await gateway.finish(
      t,
      sent.flatMap(([clientIp]) => [{ clientIp }, { clientIp }]),
    )
  })

  t.test(`R18: a trusted peer without a valid header is not served, ${path}`, async (t) => {
    const limits = { hasPlainPath, hasProxyProtocol: true, handshakeTimeoutMs: 300 }
    const gateway = await startGateway(t, { trust, listener: limits })
    for (const [name, header] of INVALID) {
      const client = await gateway.client()
      client.send(Buffer.from(header as string, 'latin1'))
      await until(() => client.isClosed || client.hasEnded, name)
      t.equal(client.text, '', name)
    }
    const silent = await gateway.client()
    const partial = await gateway.client()
    partial.send('PROXY TCP4 203')
    const left = await gateway.client()
    left.end('PROXY TCP4 203')
    for (const client of [silent, partial, left]) await client.closed()
    await until(() => gateway.listener.connections === 0, 'all to end')
    await gateway.finish(t, [])
  })
}

t.test('R18: a peer that is not trusted cannot say who it is by a PROXY header', async (t) => {
  const trust = { trustedProxies: compileNetworks(['192.0.2.0/24']), publicProto: null, publicHost: null }
  const gateway = await startGateway(t, { trust, listener: { hasProxyProtocol: true } })
  const liar = await gateway.client()
  liar.send(`PROXY TCP4 192.0.2.9 192.0.2.1 1 1\r\n${gateway.head('GET /r/x HTTP/1.1')}`)
  t.equal((await liar.message()).status, 400)
  const direct = await gateway.client()
  direct.send(gateway.head('GET /r/x HTTP/1.1'))
  ;(await gateway.upstream.request()).wire.send(OK)
  t.equal((await direct.message()).status, 200)
  await gateway.finish(t, [
    { status: 400, clientIp: '127.0.0.1' },
    { status: 200, clientIp: '127.0.0.1' },
  ])
})

t.test('a source has its number of connections; trusted peers any; places are given back', async (t) => {
  const notices: string[] = []
  const gateway = await startGateway(t, {
    listener: { maxConnectionsPerSource: 2 },
    notice: (text) => notices.push(text),
  })
  const [first, second] = [await gateway.client(), await gateway.client()]
  await until(() => gateway.counters.connections === 2, 'both')
  for (let i = 0; i < 3; i++) await (await gateway.client()).closed()
  t.equal(notices.length, 1, 'told once')
  t.match(notices[0], 'proxy.maxConnectionsPerSource')
  t.equal(gateway.counters.refusedConnections.max_per_source, 3, 'and each is counted')
  first.end()
  await until(() => gateway.counters.connections === 1, 'one to end')
  const third = await gateway.client()
  third.send(gateway.head('GET /r/x HTTP/1.1'))
  ;(await gateway.upstream.request()).wire.send(OK)
  t.equal((await third.message()).status, 200)
  second.end()
  gateway.apply({
    trust: { trustedProxies: compileNetworks(['127.0.0.1']), publicProto: null, publicHost: null },
  })
  for (let i = 0; i < 5; i++) await gateway.client()
  await until(() => gateway.counters.connections === 6, 'those of a trusted peer')
  await gateway.finish(t, [{ status: 200 }])
})

t.test('a source is an address, in IPv6 a network of 64 bits', async (t) => {
  for (const [address, source] of [
    ['192.0.2.1', '192.0.2.1'],
    ['::ffff:192.0.2.1', '192.0.2.1'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2'],
    ['2001:db8::6', '2001:db8:0:0'],
    ['::1', '0:0:0:0'],
    ['fe80::1%eth0', 'fe80:0:0:0'],
  ] as const)
    t.equal(sourceOf(address), source, address)
})
