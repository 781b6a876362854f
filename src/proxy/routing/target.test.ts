import { array, assert, constantFrom, property } from 'fast-check'
import t from 'tap'
import { hostName, isUnambiguousPath, splitTarget } from './target.ts'
import { upstreamPath } from '../../model/upstream/upstream-place.ts'
import { RouteTable } from './route-table.ts'
import { testRoute } from '../../test/gateway.ts'

const ACCEPTED = [
  '/',
  '/a',
  '/a/',
  '/a/./b',
  '/a/.',
  '/a/...',
  '/a/.hidden',
  '/a/b..c',
  '/@s%2fn',
  '/@s%2Fn/-/n-1.tgz',
  '/a%20b',
  '/a%25b',
  '/a;v=1/b',
  '/a/%E2%82%AC',
  '/a/..b',
  '/a/%2ehidden',
]
const REFUSED = [
  '/..',
  '/a/..',
  '/a/../b',
  '/a/..;/b',
  '/a/..;x/b',
  '/a/.;/b',
  '/a/%2e%2e/b',
  '/a/%2E./b',
  '/a/.%2e',
  '/a/%2e',
  '/a/%2e/b',
  '/a//b',
  '//a',
  '/a\\b',
  '/a/%5c',
  '/a/%5C..',
  '/a/%00',
  '/a/%',
  '/a/%2',
  '/a/%zz',
  '/a/%2f',
  '/a/%2f%2f',
  '/%2fa',
  '/a%2f',
  '/a/x%2f..%2fy',
  '/a/x%2f..',
  '/a/..%2fb',
  '/a/%2e%2e%2fb',
  '/a%2f/b',
  '/a/b%2f%2fc',
  '/a/%2e%2e;x/b',
  '/a/x%2f..;y',
]

t.test('paths that mean the same to every reader pass', async (t) => {
  for (const path of ACCEPTED) t.ok(isUnambiguousPath(path), path)
})

t.test('paths that two readers could take differently are refused', async (t) => {
  for (const path of REFUSED) t.notOk(isUnambiguousPath(path), path)
})

/** What the most liberal reader makes of a path: decoded once, backslashes and parameters dropped, dots resolved. */
function resolved(path: string): string | null {
  let decoded: string
  try {
    decoded = decodeURIComponent(path)
  } catch {
    decoded = unescape(path)
  }
  const stack: string[] = []
  for (const raw of decoded.replaceAll('\\', '/').split('/')) {
    const segment = raw.split(';')[0] ?? ''
    if (segment === '' || segment === '.') continue
    if (segment !== '..') stack.push(segment)
    else if (stack.pop() === undefined) return null
  }
  return `/${stack.join('/')}`
}

t.test('no accepted path leaves its route, whoever decodes it', async () => {
  const route = testRoute(1, {
    path: '/r/',
    upstream: { origin: 'http://u', path: '/base/', authorization: null },
  })
  const table = new RouteTable([route])
  const pieces = constantFrom(
    '/',
    '.',
    '..',
    '%2e',
    '%2E',
    '%2f',
    '%2F',
    '%5c',
    '\\',
    ';',
    'a',
    'r',
    '%',
    '%25',
    '%252e',
    '%00',
    '~',
    '@',
    '2e',
    '?',
  )
  assert(
    property(array(pieces, { maxLength: 12 }), (parts) => {
      const target = splitTarget(`/r/${parts.join('')}`)
      if (target === null || !isUnambiguousPath(target.path)) return true
      const inside = resolved(target.path)
      if (inside === null || !(inside === '/r' || inside.startsWith('/r/'))) return false
      if (table.match('h', target.path) !== route) return false
      const upstream = resolved(upstreamPath(route, target.path, '', 'acme'))
      return upstream !== null && (upstream === '/base' || upstream.startsWith('/base/'))
    }),
    { numRuns: 20_000 },
  )
})

t.test('the longest path by whole segments wins, a host before none', async (t) => {
  const make = (name: string, path: string, host: string | null = null) => testRoute(1, { name, path, host })
  const table = new RouteTable([
    make('root', '/'),
    make('a', '/a/'),
    make('ab', '/a/b/'),
    make('a-host', '/a/', 'h.example'),
    make('root-host', '/', 'only.example'),
  ])
  for (const [host, path, name] of [
    ['x', '/', 'root'],
    ['x', '/other', 'root'],
    ['x', '/a', 'a'],
    ['x', '/a/', 'a'],
    ['x', '/ab', 'root'],
    ['x', '/a/b', 'ab'],
    ['x', '/a/b/c', 'ab'],
    ['x', '/a/bc', 'a'],
    ['x', '/A/', 'root'],
    ['h.example', '/a/x', 'a-host'],
    ['h.example', '/a/b/x', 'a-host'],
    ['only.example', '/a/x', 'root-host'],
    ['evil-h.example', '/a/x', 'a'],
  ] as const)
    t.equal(table.match(host, path)?.name, name, `${host} ${path}`)
  t.equal(new RouteTable([]).match('x', '/'), null)
})

t.test("the upstream path is the route's prefix replaced and nothing else", async (t) => {
  const route = testRoute(1, {
    upstream: { origin: 'http://u', path: '/base/{tenant}/', authorization: null },
  })
  t.equal(upstreamPath(route, '/r/a//b', '?q', 'acme'), '/base/acme/a//b?q')
  t.equal(upstreamPath(route, '/r/', '', 'acme'), '/base/acme/')
  t.equal(upstreamPath(route, '/r', '?q', 'acme'), '/base/acme?q')
  t.equal(upstreamPath(testRoute(1), '/r', '', 'acme'), '/')
})

t.test('hosts are told from what is none', async (t) => {
  for (const [field, name] of [
    ['Example.COM', 'example.com'],
    ['a:80', 'a'],
    ['a:', 'a'],
    ['[::1]:', '[::1]'],
    ['[::1]:80', '[::1]'],
    ['[::1]', '[::1]'],
    ['127.0.0.1', '127.0.0.1'],
    ['npm.example.com.', 'npm.example.com'],
    ['npm.example.com.:8080', 'npm.example.com'],
    ['my_host.example', 'my_host.example'],
    ['[2001:DB8:0:0::1]:80', '[2001:db8::1]'],
  ] as const)
    t.equal(hostName(field), name, `R14: ${field}`)
  for (const field of [
    '',
    '.',
    'a..',
    '[::1::2]',
    'a b',
    'a/b',
    'u@a',
    ':',
    'a:b',
    'a:1234567',
    '[::1',
    'é',
    'a,b',
    'a\tb',
  ])
    t.equal(hostName(field), null, field)
})

t.test('R14: one host before all below a name, and these before any', async (t) => {
  const make = (name: string, path: string, host: string | null) => testRoute(1, { name, path, host })
  const table = new RouteTable([
    make('any', '/', null),
    make('any-a', '/a/', null),
    make('wild', '/', '*.example.com'),
    make('wild-deep', '/', '*.eu.example.com'),
    make('exact', '/a/', 'x.example.com'),
  ])
  for (const [host, path, name] of [
    ['example.com', '/', 'any'],
    ['x.example.com', '/', 'wild'],
    ['x.example.com', '/a/', 'exact'],
    ['y.example.com', '/a/', 'wild'],
    ['a.b.example.com', '/', 'wild'],
    ['a.eu.example.com', '/a/', 'wild-deep'],
    ['evilexample.com', '/', 'any'],
    ['.example.com', '/', 'any'],
    ['other', '/a/', 'any-a'],
  ] as const)
    t.equal(table.match(host, path)?.name, name, `${host} ${path}`)
})
