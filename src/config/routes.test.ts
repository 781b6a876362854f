import t from 'tap'
import { DEFAULT_RULES } from '../model/route-rules.ts'
import { readRoutes } from './routes.ts'

const BASE = { name: 'r', kind: 'generic', path: '/r/', upstream: 'http://u.example/base' }

function problemsOf(...routes: readonly object[]): readonly string[] {
  return readRoutes(routes.map((route) => Object.assign({}, BASE, route))).problems
}

void t.test('a route is completed with its defaults', async (t) => {
  const { routes, problems } = readRoutes([BASE])
  t.same(problems, [])
  t.same(routes, [
    {
      name: 'r',
      kind: 'generic',
      path: '/r/',
      host: null,
      upstream: { origin: 'http://u.example', path: '/base/', authorization: null },
      auth: 'key',
      rateLimit: null,
      maxBodyBytes: 5 * 1024 ** 3,
      connectTimeoutMs: 5000,
      headerTimeoutMs: 60_000,
      idleTimeoutMs: 60_000,
      maxConnections: 256,
      maxQueued: 1024,
      rules: DEFAULT_RULES,
    },
  ])
})

void t.test('names, and places of host and path, are used once', async (t) => {
  t.match(problemsOf({}, { path: '/other/' }), ['routes: name "r" is used twice'])
  t.match(problemsOf({}, { name: 's' }), ['routes: host and path "/r/" is used twice'])
  t.same(problemsOf({}, { name: 's', host: 'h.example' }), [])
})

void t.test('upstreams are http or https, without credentials, query or link-local address', async (t) => {
  for (const upstream of [
    'ftp://x/',
    'u.example',
    '/path',
    '',
    'http://u:p@x/',
    'http://x/?q',
    'http://x/#f',
    'http://169.254.169.254/',
    'http://[fe80::1]/',
    'http://[::ffff:169.254.169.254]/',
    'http://2852039166/',
    'http://0xa9.254.169.254/',
    'http://x:99999/',
  ])
    t.equal(problemsOf({ upstream }).length, 1, upstream)
  t.same(problemsOf({ upstream: 'http://169.254.169.254/', allowLinkLocal: true }), [])
  t.same(problemsOf({ upstream: 'https://{tenant}.example/{tenant}/' }), [])
  t.equal(problemsOf({ upstream: 'https://{tenant}.example/', auth: 'public' }).length, 1)
})

void t.test('what is not allowed is refused with the field that holds it', async (t) => {
  for (const [change, field] of [
    [{ path: 'r/' }, '.path'],
    [{ path: '/r' }, '.path'],
    [{ path: '/a/../b/' }, '.path'],
    [{ path: '/a/./b/' }, '.path'],
    [{ path: '//' }, '.path'],
    [{ path: '/a%2fb/' }, '.path'],
    [{ host: 'h:80' }, '.host'],
    [{ auth: 'none' }, '.auth'],
    [{ rateLimit: { perSecond: 0, burst: 1 } }, '.rateLimit.perSecond'],
    [{ rateLimit: { perSecond: 1, burst: 1.5 } }, '.rateLimit.burst'],
    [{ rateLimit: { perSecond: 1 } }, '.rateLimit.burst'],
    [{ maxBodyBytes: '5 GB' }, '.maxBodyBytes'],
    [{ idleTimeoutMs: 'soon' }, '.idleTimeoutMs'],
    [{ maxConnections: 0 }, '.maxConnections'],
    [{ nosuch: 1 }, 'nosuch'],
    [{ upstreamAuth: { bearer: 'a', basic: { user: 'u', password: 'p' } } }, '.upstreamAuth'],
    [{ upstreamAuth: { bearer: 'a\r\nX-Injected: 1' } }, '.upstreamAuth'],
    [{ upstreamAuth: { basic: { user: 'a:b', password: 'p' } } }, '.upstreamAuth'],
  ] as const) {
    const found = problemsOf(change)
    t.equal(found.length, 1, JSON.stringify(change))
    t.match(found[0], field)
  }
  t.same(readRoutes({}).problems, ['routes: must be a list'])
  t.equal(readRoutes([null, 5, 'x']).problems.length, 3)
})

void t.test('credentials for the upstream take each of their forms', async (t) => {
  const authorization = (upstreamAuth: object): unknown =>
    readRoutes([{ ...BASE, upstreamAuth }]).routes[0]?.upstream.authorization
  t.equal(authorization({ bearer: 'abc' }), 'Bearer abc')
  t.equal(
    authorization({ basic: { user: 'u', password: 'p:é' } }),
    `Basic ${Buffer.from('u:p:é').toString('base64')}`,
  )
  t.equal(authorization({ authorization: 'Token x' }), 'Token x')
})

void t.test('R02: verbatim paths are refused where a narrower route lies below', async (t) => {
  const narrower = { name: 's', path: '/r/s/' }
  t.match(problemsOf({ paths: 'verbatim' }, narrower), [
    /\(r\)\.paths: verbatim cannot be: route s at \/r\/s\//,
  ])
  t.match(problemsOf({ paths: 'verbatim' }, { ...narrower, host: 'h.example' }), [/verbatim cannot be/])
  t.same(problemsOf({ paths: 'verbatim' }, { name: 's', path: '/s/' }), [])
  t.same(problemsOf({ paths: 'verbatim', host: 'a.example' }, { ...narrower, host: 'b.example' }), [])
  t.same(problemsOf({}, { ...narrower, paths: 'verbatim' }), [], 'the narrower one may be')
  t.match(problemsOf({ paths: 'loose' }), [/\.paths/])
})
