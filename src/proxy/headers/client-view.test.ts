import t from 'tap'
import { compileNetworks, networkProblem, plainNetwork, readNode } from '../../model/network.ts'
import { clientView, type TrustPolicy } from './client-view.ts'
import { readHead } from '../../http/request-head.ts'
import { startGateway } from '../../test/gateway.ts'

const TRUST: TrustPolicy = {
  trustedProxies: compileNetworks(['127.0.0.0/8', '10.0.0.0/8', '::ffff:172.16.0.0/108', 'fd00::/8']),
  publicProto: null,
  publicHost: null,
}

function view(fields: readonly string[], trust: TrustPolicy = TRUST, peer = '10.0.0.1') {
  return clientView(peer, readHead([...fields]), 'gw', trust)
}

/** How balancers write an address, and which one it is; null: nobody's. */
const NODES: readonly (readonly [string, string | null])[] = [
  ['203.0.113.7', '203.0.113.7'],
  ['203.0.113.7:51008', '203.0.113.7'],
  [' \t203.0.113.7\t', '203.0.113.7'],
  ['203.0.113.7:_hidden', '203.0.113.7'],
  ['"203.0.113.7:80"', '203.0.113.7'],
  ['2001:db8::1', '2001:db8::1'],
  ['2001:DB8:0:0::1', '2001:db8::1'],
  ['[2001:db8::1]', '2001:db8::1'],
  ['[2001:db8::1]:443', '2001:db8::1'],
  ['"[2001:db8::1]:443"', '2001:db8::1'],
  ['[2001:db8::1]:_p', '2001:db8::1'],
  ['fe80::1%eth0', 'fe80::1'],
  ['[fe80::1%25eth0]:8080', 'fe80::1'],
  ['::ffff:203.0.113.7', '203.0.113.7'],
  ['::FFFF:203.0.113.7', '203.0.113.7'],
  ['::ffff:cb00:7107', '203.0.113.7'],
  ['::FFFF:CB00:7107', '203.0.113.7'],
  ['0:0:0:0:0:ffff:cb00:7107', '203.0.113.7'],
  ['0000:0000:0000:0000:0000:FFFF:CB00:7107', '203.0.113.7'],
  ['[::ffff:203.0.113.7]:51008', '203.0.113.7'],
  ['[0::0:ffff:203.0.113.7%1]', '203.0.113.7'],
  ['::1', '::1'],
  ['unknown', null],
  ['Unknown', null],
  ['_obfuscated', null],
  ['_secret:80', null],
  ['', null],
  ['-', null],
  ['"', null],
  ['""', null],
  ['203.0.113.7:', null],
  ['203.0.113.7:123456', null],
  ['203.0.113.7:8o', null],
  ['203.0.113.07', null],
  ['203.0.113.7%eth0', null],
  ['203.0.113', null],
  ['0xcb007107', null],
  ['3405803783', null],
  ['[203.0.113.7]', null],
  ['[2001:db8::1', null],
  ['[2001:db8::1]443', null],
  ['[2001:db8::1]:', null],
  ['2001:db8::1]', null],
  ['[]:80', null],
  ['%', null],
  ['localhost', null],
  ['unix:', null],
  ['\u00a0203.0.113.7', null],
  ['203.0.113.7\u0000', null],
  ['9'.repeat(200), null],
]

t.test('R03: an address is read in every spelling, and all else is nobody’s', async (t) => {
  for (const [text, address] of NODES) {
    t.equal(readNode(text), address, JSON.stringify(text))
    const ip = address ?? ''
    t.equal(view(['X-Forwarded-For', text]).ip, ip, `X-Forwarded-For: ${text}`)
    t.equal(view(['X-Real-IP', text]).ip, ip, `X-Real-IP: ${text}`)
    if (!/["\s]/.test(text)) {
      t.equal(view(['Forwarded', `for="${text}"`]).ip, ip, `Forwarded: for="${text}"`)
      t.equal(view(['Forwarded', `For=${text};proto=https`]).ip, ip, `Forwarded: For=${text}`)
    }
  }
})

t.test('R03: the client is the first from the right that is no trusted proxy', async (t) => {
  for (const [list, ip, chain] of [
    ['203.0.113.9', '203.0.113.9', '203.0.113.9, 10.0.0.1'],
    ['6.6.6.6, 203.0.113.9:1, 10.0.0.7:2', '203.0.113.9', '203.0.113.9, 10.0.0.7, 10.0.0.1'],
    [
      '203.0.113.9,[fd00::1]:443, ::ffff:ac10:0007',
      '203.0.113.9',
      '203.0.113.9, fd00::1, 172.16.0.7, 10.0.0.1',
    ],
    [', 203.0.113.9 ,,\t, 10.0.0.7, ,', '203.0.113.9', '203.0.113.9, 10.0.0.7, 10.0.0.1'],
    ['garbage, 203.0.113.9', '203.0.113.9', '203.0.113.9, 10.0.0.1'],
    // The whole way is of trusted proxies: the first of them asked.
    ['10.0.0.9, 10.0.0.8', '10.0.0.9', '10.0.0.9, 10.0.0.8, 10.0.0.1'],
    ['203.0.113.9, unknown', '', 'unknown, 10.0.0.1'],
    ['203.0.113.9, garbage, 10.0.0.7', '', 'unknown, 10.0.0.7, 10.0.0.1'],
    ['10.0.0.9, _x', '', 'unknown, 10.0.0.1'],
    [' , ,', '', 'unknown, 10.0.0.1'],
    [`${'10.0.0.9, '.repeat(3000)}10.0.0.9`, '', null],
  ] as const) {
    const seen = view(['X-Forwarded-For', list])
    t.equal(seen.ip, ip, list.slice(0, 60))
    if (chain !== null) t.equal(seen.forwardedFor, chain, list.slice(0, 60))
    const nodes = list
      .split(',')
      .map((node) => (node.trim() === '' ? '' : `for="${node.trim()}"`))
      .join(',')
    t.equal(view(['Forwarded', nodes]).ip, ip, nodes.slice(0, 60))
  }
  t.equal(view(['X-Forwarded-For', '6.6.6.6', 'x-forwarded-for', '203.0.113.9, 10.0.0.2']).ip, '203.0.113.9')
  t.equal(view(['X-Forwarded-For', '203.0.113.9', 'x-forwarded-for', '']).ip, '203.0.113.9')
  t.equal(view([]).ip, '10.0.0.1', 'a proxy that says nothing asks for itself')
  t.equal(
    view(['X-Forwarded-For', '203.0.113.9'], TRUST, '198.51.100.1').ip,
    '198.51.100.1',
    'others are not heard',
  )
})

t.test(
  'E6: what is malformed in a Forwarded field makes nobody of the client, never the proxy',
  async (t) => {
    for (const [field, ip] of [
      ['for=203.0.113.9;proto=https;by=10.0.0.1', '203.0.113.9'],
      ['proto=https;FOR="[2001:db8::1]:80"', '2001:db8::1'],
      ['for=6.6.6.6, for=203.0.113.9 ; proto=http', '203.0.113.9'],
      ['for="203.0.113\\.9"', '203.0.113.9'],
      ['for=6.6.6.6;x=",", for=203.0.113.9', '203.0.113.9'],
      ['proto=https', ''],
      ['for=203.0.113.9, proto=https', ''],
      ['for=203.0.113.9;for=10.0.0.9', ''],
      ['for=', ''],
      ['', ''],
      ['203.0.113.9', ''],
      // What a client opens and a proxy closes.
      ['for=10.0.0.9;x=", for=203.0.113.9', ''],
      ['for=10.0.0.9;x=", for="[2001:db8::1]:80"', ''],
      ['for="10.0.0.9', ''],
      [`for=10.0.0.9${' '.repeat(30_000)}x`, ''],
    ] as const)
      t.equal(view(['Forwarded', field]).ip, ip, field.slice(0, 60))
  },
)

t.test('R03: the field that proxies write can be named, and then no other is read', async (t) => {
  const all = ['X-Forwarded-For', '192.0.2.1', 'Forwarded', 'for=192.0.2.2', 'X-Real-IP', '192.0.2.3']
  t.equal(view(all).ip, '192.0.2.1')
  t.equal(view(all.slice(2)).ip, '192.0.2.2')
  t.equal(view(all, { ...TRUST, addressField: 'forwarded' }).ip, '192.0.2.2')
  t.equal(view(all, { ...TRUST, addressField: 'x-real-ip' }).ip, '192.0.2.3')
  t.equal(view(all.slice(2), { ...TRUST, addressField: 'x-forwarded-for' }).ip, '10.0.0.1')
})

t.test('R03: scheme and host are those of the client’s own way', async (t) => {
  const one = view([
    'X-Forwarded-For',
    '203.0.113.9',
    'X-Forwarded-Proto',
    'HTTPS',
    'X-Forwarded-Host',
    'a.example',
  ])
  t.match(one, { proto: 'https', host: 'a.example' })
  const two = view([
    'X-Forwarded-For',
    '6.6.6.6, 203.0.113.9, 10.0.0.2',
    'X-Forwarded-Proto',
    'gopher, https, http',
  ])
  t.equal(two.proto, 'https')
  const forwarded = view([
    'Forwarded',
    'for=6.6.6.6;proto=http, for=203.0.113.9;proto=https;host="b.example:8443"',
  ])
  t.match(forwarded, { proto: 'https', host: 'b.example:8443' })
  t.match(view(['X-Forwarded-For', '203.0.113.9', 'X-Forwarded-Host', 'a/b']), { proto: 'http', host: 'gw' })
})

t.test('R03: networks of IPv4 in IPv6 are the IPv4 networks', async (t) => {
  t.equal(plainNetwork('::ffff:10.0.0.0/104'), '10.0.0.0/8')
  t.equal(plainNetwork('::FFFF:a00:1'), '10.0.0.1')
  t.equal(plainNetwork('::ffff:0:0/96'), '0.0.0.0/0')
  t.equal(plainNetwork('2001:db8::/32'), '2001:db8::/32')
  for (const network of ['::ffff:10.0.0.0/104', '::ffff:0:0/96', '::/0'])
    t.equal(networkProblem(network), null)
  for (const network of ['::ffff:10.0.0.0/8', '10.0.0.1:80', '[::1]', '[::1]:80', 'fe80::1%eth0/64'])
    t.type(networkProblem(network), 'string', network)
  t.match(networkProblem('::ffff:10.0.0.0/8'), 'write 10.0.0.0/8')
})

for (const hasPlainPath of [true, false]) {
  t.test(
    `E6: a key that is bound to a network serves its client and no stranger, plain ${hasPlainPath}`,
    async (t) => {
      const trust = { ...TRUST, trustedProxies: compileNetworks(['127.0.0.0/8']) }
      const gateway = await startGateway(t, { trust, listener: { hasPlainPath } })
      gateway.directory.key(gateway.key, { networkList: ['203.0.113.0/24', '127.0.0.0/8'] })
      const ask = async (address: string): Promise<number> => {
        const client = await gateway.client()
        client.send(gateway.head('GET /r/x HTTP/1.1', `X-Forwarded-For: ${address}`))
        const answer = client.message()
        const isUpstream = await Promise.race([
          gateway.upstream.request().then(({ wire }) => {
            wire.send('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n')
            return true
          }),
          answer.then(() => false),
        ])
        const { status } = await answer
        t.equal(isUpstream, status === 200)
        return status
      }
      for (const address of ['203.0.113.7:51008', '::FFFF:CB00:7107', '[::ffff:203.0.113.7]:1'])
        t.equal(await ask(address), 200, address)
      gateway.upstream.stop()
      for (const address of ['unknown', '_x', 'garbage', '', '198.51.100.1:1', '203.0.113.7, -'])
        t.equal(await ask(address), 401, address)
      const broken = await gateway.client()
      broken.send('BROKEN\r\n\r\n')
      t.equal((await broken.message()).status, 400)
      const seen = gateway.entries.map(({ clientIp }) => clientIp)
      t.same(seen.slice(0, 3), ['203.0.113.7', '203.0.113.7', '203.0.113.7'])
      t.same(seen.slice(3), ['', '', '', '', '198.51.100.1', '', ''])
    },
  )
}
