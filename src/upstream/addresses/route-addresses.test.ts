import t from 'tap'
import { localAddress, RouteAddresses, type RoutePlace } from './route-addresses.ts'

const PLACE: RoutePlace = {
  origin: 'https://repo.example.com',
  base: '/repository/npm/',
  prefix: '/npm/',
  asked: '/repository/npm/left-pad',
  repository: null,
  named: null,
  told: 'gw.example.com:8443',
  publicBase: '/base',
  files: [],
  source: null,
  isRouted: (path) => path.startsWith('/npm/') || path.startsWith('/other/'),
}
const ADDRESSES = new RouteAddresses(PLACE, 'https://gw.example.com:8443')
const AT_GATEWAY = 'https://gw.example.com:8443/base/npm/'

t.test("the upstream's addresses in documents are absolute ones of the gateway", async (t) => {
  t.equal(ADDRESSES.routeAddress, AT_GATEWAY)
  for (const [address, shown] of [
    [
      'https://repo.example.com/repository/npm/left-pad/-/left-pad-1.0.0.tgz',
      `${AT_GATEWAY}left-pad/-/left-pad-1.0.0.tgz`,
    ],
    ['https://REPO.example.com:443/repository/npm/x?a=b#c', `${AT_GATEWAY}x?a=b#c`],
    ['http://repo.example.com/repository/npm/x', `${AT_GATEWAY}x`],
    ['//repo.example.com/repository/npm/x', `${AT_GATEWAY}x`],
    ['https://repo.example.com/repository/npm/', AT_GATEWAY],
    ['https://repo.example.com/repository/npm/left-pad', `${AT_GATEWAY}left-pad`],
    ['/repository/npm/x', '/base/npm/x'],
    ['https://gw.example.com:8443/repository/npm/x', `${AT_GATEWAY}x`],
    ['https://gw.example.com:8443/base/npm/x', 'https://gw.example.com:8443/base/npm/x'],
  ] as const) {
    t.equal(ADDRESSES.translate(address), shown, address)
    t.equal(ADDRESSES.isForeign(shown), false, shown)
  }
})

t.test('relative addresses stay, and those of strangers', async (t) => {
  for (const address of ['x', '../x', '?a', '#a', '', '/elsewhere', '/base/npm/x']) {
    t.equal(ADDRESSES.translate(address), address)
    t.equal(ADDRESSES.isForeign(address), false, address)
  }
  for (const address of [
    'https://elsewhere.example.com/x',
    '//elsewhere.example.com/x',
    'https://repo.example.com/other/x',
    'https://repo.example.com/repository/npm/../x',
    'https://repo.example.com.evil.example/repository/npm/x',
    'https://u:p@repo.example.com/repository/npm/x',
    'https://gw.example.com:84430/x',
    'javascript:alert(1)',
    'data:text/plain,x',
    'mailto:a@b',
    '\\\\evil.example/x',
  ]) {
    t.equal(ADDRESSES.translate(address), address)
    t.equal(ADDRESSES.isForeign(address), true, address)
  }
})

t.test('an upstream that TLS is in front of names itself by https', async (t) => {
  const addresses = new RouteAddresses(
    { ...PLACE, origin: 'http://10.0.0.1:4873', base: '/', named: 'repo.example.com', asked: '/left-pad' },
    'http://localhost:8080',
  )
  t.equal(addresses.translate('https://repo.example.com/left-pad'), 'http://localhost:8080/base/npm/left-pad')
})

t.test('addresses on files hosts lead through the route, wherever they stand', async (t) => {
  const host = { origin: 'https://files.example.com', host: 'files.example.com', path: '/p/', auth: false }
  const index = new RouteAddresses({ ...PLACE, files: [host] }, 'https://gw.example.com:8443')
  const source = { host, path: '/p/index.html' }
  const files = new RouteAddresses({ ...PLACE, files: [host], source }, 'https://gw.example.com:8443')
  for (const addresses of [index, files]) {
    for (const [address, shown] of [
      ['https://files.example.com/p/a.whl#sha256=1', `${AT_GATEWAY}~/files.example.com/p/a.whl#sha256=1`],
      ['//files.example.com/p/a', `${AT_GATEWAY}~/files.example.com/p/a`],
      ['https://files.example.com/q/a', 'https://files.example.com/q/a'],
      ['http://files.example.com/p/a', 'http://files.example.com/p/a'],
      ['https://repo.example.com/repository/npm/x', `${AT_GATEWAY}x`],
      ['a.whl', 'a.whl'],
      ['https://elsewhere.example.com/p/a', 'https://elsewhere.example.com/p/a'],
    ] as const)
      t.equal(addresses.translate(address), shown, address)
  }
  t.equal(files.translate('/p/b'), '/base/npm/~/files.example.com/p/b')
  t.equal(files.translate('/q/b'), 'https://files.example.com/q/b')
  t.equal(index.translate('/repository/npm/b'), '/base/npm/b')
  t.not(files.seed, index.seed)
})

t.test(
  'an upstream without TLS that writes its name with the scheme of the clients is known by it',
  async (t) => {
    const place = { ...PLACE, origin: 'http://127.0.0.1:4873' }
    const addresses = new RouteAddresses(place, 'https://gw.example.com:8443')
    t.equal(
      addresses.translate('https://127.0.0.1:4873/repository/npm/x/-/x-1.tgz'),
      `${AT_GATEWAY}x/-/x-1.tgz`,
    )
    const stranger = 'https://127.0.0.1/repository/npm/x'
    t.equal(addresses.translate(stranger), stranger, 'another port is another server')
    const named = new RouteAddresses(
      { ...PLACE, origin: 'http://repo.example.com' },
      'https://gw.example.com:8443',
    )
    t.equal(named.translate('https://repo.example.com/repository/npm/x'), `${AT_GATEWAY}x`)
    const redirect = 'https://127.0.0.1:4873/repository/npm/x'
    t.equal(localAddress(redirect, place), redirect, 'a redirect to TLS is meant')
  },
)
