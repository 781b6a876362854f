import t from 'tap'
import { DEFAULT_RULES } from '../model/route-rules.ts'
import { routeKeys, routeSchema } from './route-keys.ts'
import { readRoutes } from './routes.ts'

const BASE = { name: 'r', kind: 'generic', path: '/r/', upstream: 'http://u.example/base' }

function problemsOf(...routes: readonly object[]): readonly string[] {
  return readRoutes(routes.map((route) => Object.assign({}, BASE, route))).problems
}

t.test('a route is completed with its defaults', async (t) => {
  const { routes, problems } = readRoutes([BASE])
  t.same(problems, [])
  t.same(routes, [
    {
      name: 'r',
      kind: 'generic',
      path: '/r/',
      host: null,
      upstream: {
        origin: 'http://u.example',
        path: '/base/',
        authorization: null,
        hasLogin: false,
        upstreamHost: null,
        tls: null,
        allowLinkLocal: false,
      },
      auth: 'key',
      signature: null,
      delivery: null,
      files: [],
      followRedirects: null,
      upstreamTokens: null,
      rateLimit: null,
      maxBodyBytes: 5 * 1024 ** 3,
      connectTimeoutMs: 5000,
      headerTimeoutMs: 60_000,
      idleTimeoutMs: 60_000,
      maxConnections: 256,
      maxQueued: 1024,
      rules: DEFAULT_RULES,
      breaker: {
        failsOn: ['connect'],
        failureShare: 0.5,
        minAttempts: 20,
        windowMs: 10_000,
        openMs: 1000,
        maxOpenMs: 30_000,
      },
      ejection: {
        failures: 5,
        failsOn: ['connect', 'reset', 'timeout', 502, 503, 504],
        minMs: 10_000,
        maxMs: 300_000,
      },
      healthCheck: null,
      retries: null,
      upgradeIdleTimeoutMs: 3_600_000,
      upgradeMaxMs: 0,
    },
  ])
})

t.test('several upstreams are servers of the same things', async (t) => {
  const { routes } = readRoutes([{ ...BASE, upstream: ['http://a:1/b', 'http://b:2/b/'] }])
  t.match(routes[0]?.upstream, { origin: 'http://a:1', origins: ['http://a:1', 'http://b:2'], path: '/b/' })
  t.equal(readRoutes([{ ...BASE, upstream: ['http://a:1/'] }]).routes[0]?.upstream.origins, undefined)
  for (const [upstream, problem] of [
    [[], /expected array to have >=1 items/],
    [['http://a/', 'http://b/c/'], /same path/],
    [['http://a/', 'https://b/'], /same scheme/],
    [['http://a/', 'http://{tenant}.b/'], /must not hold \{tenant\}/],
    [['http://a/', 'http://a:80/'], /same address twice/],
    [['http://a/', 'ftp://b/'], /its address 2 must be an http/],
    [Array.from({ length: 17 }, (_, i) => `http://a${i}/`), /list of 1 to 16/],
  ] as const) {
    const problems = problemsOf({ upstream })
    t.equal(problems.length, 1)
    t.match(problems[0], problem)
  }
})

t.test('rules for upstreams that fail are checked', async (t) => {
  t.same(problemsOf({ breaker: { enabled: false }, healthCheck: { path: '/healthz' } }), [])
  for (const [keys, problem] of [
    [{ breaker: { openMs: '1m' } }, /breaker.maxOpenMs: must be at least openMs/],
    [{ breaker: { failsOn: [200] } }, /must be one of connect, reset, timeout, 5xx, 429, or 500 to 599/],
    [{ breaker: { failureShare: 0 } }, /failureShare/],
    [{ retries: { on: ['timeout'] } }, /retries.on: must not hold timeout/],
    [{ retries: { minMs: '1s' } }, /retries.maxMs: must be at least minMs/],
    [{ ejection: { minMs: '1h' } }, /ejection.maxMs: must be at least minMs/],
    [{ healthCheck: { path: 'healthz' } }, /healthCheck.path: must begin with \//],
    [
      { healthCheck: { path: '/' }, upstream: 'http://{tenant}.example/' },
      /healthCheck: needs an upstream without/,
    ],
  ] as const) {
    const problems = problemsOf(keys)
    t.equal(problems.length, 1)
    t.match(problems[0], problem)
  }
})

t.test('names, and places of host and path, are used once', async (t) => {
  t.match(problemsOf({}, { path: '/other/' }), ['routes: name "r" is used twice'])
  t.match(problemsOf({}, { name: 's' }), ['routes: host and path "/r/" is used twice'])
  t.same(problemsOf({}, { name: 's', host: 'h.example' }), [])
})

t.test('upstreams are http or https, without credentials, query or link-local address', async (t) => {
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

t.test('files hosts are URLs, each once, without credentials, query or link-local address', async (t) => {
  const { routes, problems } = readRoutes([
    {
      ...BASE,
      files: [
        'https://Files.example.com/packages',
        { url: 'http://cdn.example.com:8080', auth: true },
        'https://files.example.com/other/',
      ],
    },
  ])
  t.same(problems, [])
  const [route] = routes
  t.same(route?.files, [
    { origin: 'https://files.example.com', host: 'files.example.com', path: '/packages/', auth: false },
    { origin: 'http://cdn.example.com:8080', host: 'cdn.example.com:8080', path: '/', auth: true },
    { origin: 'https://files.example.com', host: 'files.example.com', path: '/other/', auth: false },
  ])
  for (const [files, field] of [
    ['https://files.example.com', '.files: '],
    [['files.example.com'], '.files.0: must be an https:// or http:// URL'],
    [['ftp://files.example.com'], '.files.0: must be'],
    [['https://u:p@files.example.com'], '.files.0: must not hold credentials'],
    [['https://files.example.com/?a'], '.files.0: must not hold a query'],
    [['https://169.254.169.254/'], '.files.0: is a link-local address'],
    [['http://2852039166/'], '.files.0: is a link-local address'],
    [['https://[::1]/'], '.files.0: must be a host name or an IPv4 address'],
    [[{ url: 'https://files.example.com', other: 1 }], '.files.0: '],
    [['https://a.example', 'https://a.example/'], '.files.1: a.example/ stands there twice'],
    [['https://a.example', 'http://a.example/b'], '.files.1: a.example stands there with both schemes'],
  ] as const) {
    const [problem = '', ...more] = problemsOf({ files })
    t.ok(problem.startsWith(`routes[0] (r)${field}`), problem)
    t.same(more, [])
  }
})

t.test('redirects are followed to hosts that are named', async (t) => {
  const { routes, problems } = readRoutes([
    {
      ...BASE,
      followRedirects: { hosts: ['Blob.example.com', '*.cdn.example.com:8443', 'http://127.0.0.1:80'] },
    },
  ])
  t.same(problems, [])
  t.same(routes[0]?.followRedirects, {
    hosts: [
      { protocol: 'https:', name: 'blob.example.com', port: '' },
      { protocol: 'https:', name: '*.cdn.example.com', port: '8443' },
      { protocol: 'http:', name: '127.0.0.1', port: '' },
    ],
    maxHops: 3,
    others: 'pass',
  })
  for (const host of [
    '*.com',
    '*',
    'ftp://x.example',
    'x.example/path',
    '169.254.169.254',
    'x:99999',
    '*.127.0.0.1',
  ])
    t.equal(problemsOf({ followRedirects: { hosts: [host] } }).length, 1, host)
  t.equal(problemsOf({ followRedirects: { hosts: ['x.example'], maxHops: 11 } }).length, 1)
})

t.test('registries have their tokens fetched, unless their clients log in by themselves', async (t) => {
  const basic = { basic: { user: 'u', password: 'p' } }
  const own = { hosts: [] }
  for (const [change, expected] of [
    [{ kind: 'oci' }, own],
    [{ kind: 'oci', upstreamTokens: 'none' }, null],
    [{ kind: 'oci', auth: 'public' }, null],
    [{ kind: 'oci', auth: 'public', upstreamTokens: own }, own],
    [{ kind: 'oci', auth: 'public', upstreamAuth: basic }, own],
    [{ kind: 'oci', upstreamAuth: { header: { name: 'X-Token', value: 's' } } }, own],
    [{ kind: 'oci', upstreamAuth: { bearer: 's' } }, null],
    [{ kind: 'generic', upstreamAuth: basic }, null],
    [
      { kind: 'generic', upstreamTokens: { hosts: ['auth.example.com'] } },
      { hosts: [{ protocol: 'https:', name: 'auth.example.com', port: '' }] },
    ],
  ] as const) {
    const { routes, problems } = readRoutes([
      { ...BASE, path: '/v2/r/', upstream: 'http://u.example/v2/', ...change },
    ])
    t.same(problems, [])
    t.same(routes[0]?.upstreamTokens, expected, JSON.stringify(change))
  }
  for (const change of [
    { upstreamTokens: own, upstreamAuth: { bearer: 's' } },
    { upstreamTokens: 'auto' },
    { upstreamTokens: { hosts: ['169.254.169.254'] } },
  ]) {
    const [problem = '', ...more] = problemsOf(change)
    t.ok(problem.startsWith('routes[0] (r).upstreamTokens: '), problem)
    t.same(more, [])
  }
})

t.test('what is not allowed is refused with the field that holds it', async (t) => {
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
    [{ upstreamHost: 'a b' }, '.upstreamHost'],
    [{ upstreamHost: 'a\r\nX: y' }, '.upstreamHost'],
    [{ tls: { minVersion: 'TLSv1.2' } }, '.tls: needs an https'],
    [
      { upstream: 'https://u.example/', tls: { ca: '/nosuch/ca.pem' } },
      '.tls.ca: /nosuch/ca.pem cannot be read',
    ],
    [{ upstream: 'https://u.example/', tls: { minVersion: 'TLSv1' } }, '.tls.minVersion'],
    [{ upstream: 'https://u.example/', tls: { passphrase: 'x' } }, 'passphrase'],
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

t.test('credentials for the upstream take each of their forms', async (t) => {
  const authorization = (upstreamAuth: object): unknown =>
    readRoutes([{ ...BASE, upstreamAuth }]).routes[0]?.upstream.authorization
  t.equal(authorization({ bearer: 'abc' }), 'Bearer abc')
  t.equal(
    authorization({ basic: { user: 'u', password: 'p:é' } }),
    `Basic ${Buffer.from('u:p:é').toString('base64')}`,
  )
  t.equal(authorization({ authorization: 'Token x' }), 'Token x')
})

t.test('R02: verbatim paths are refused where a narrower route lies below', async (t) => {
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

t.test('R14: a route takes hosts in every form that names have', async (t) => {
  const hostOf = (host: string): unknown => readRoutes([{ ...BASE, host }]).routes[0]?.host
  for (const [given, host] of [
    ['NPM.Example.com.', 'npm.example.com'],
    ['my_host.example', 'my_host.example'],
    ['*.example.com', '*.example.com'],
    ['b\u00fccher.example', 'xn--bcher-kva.example'],
    ['*.b\u00fccher.example', '*.xn--bcher-kva.example'],
    ['2001:db8:0::1', '[2001:db8::1]'],
    ['[::1]', '[::1]'],
  ] as const)
    t.equal(hostOf(given), host, given)
  for (const host of ['', '.', '*', '*.', 'a.*.b', 'a..b', '-a', 'a b', 'a:80', '[::1', '[x]', 'a/b'])
    t.match(problemsOf({ host }), [/\.host: must be a host name/], host)
})

t.test('fields towards the upstream: what no route may change is refused by its name', async (t) => {
  for (const name of [
    'Host',
    'Content-Length',
    'transfer_encoding',
    'TE',
    'X-Forwarded-For',
    'Via',
    'Authorization',
    'a b',
  ])
    t.equal(problemsOf({ headers: { set: { [name]: 'x' } } }).length, 1, name)
  for (const name of ['Host', 'Connection', 'X-Forwarded-Proto', ''])
    t.equal(problemsOf({ headers: { remove: [name] } }).length, 1, name)
  for (const value of ['a\r\nX: 1', ' a', 'a ', '\u00e9'])
    t.equal(problemsOf({ headers: { set: { 'X-A': value } } }).length, 1, value)
  t.same(
    readRoutes([{ ...BASE, headers: { set: { 'X-Api-Key': 'k' }, remove: ['Cookie'] } }]).routes[0]?.rules
      .headers,
    {
      set: ['X-Api-Key', 'k'],
      removed: ['x-api-key', 'cookie'],
    },
  )
})

t.test('G10: a field that cannot be set is told with the reason; none is set twice', async (t) => {
  for (const [set, problem] of [
    [{ 'Content-Length': '1' }, /headers\.set: Content-Length belongs to the connection/],
    [{ transfer_encoding: 'chunked' }, /headers\.set: transfer_encoding belongs to the connection/],
    [{ Host: 'x' }, /Host is made of the upstream/],
    [{ 'X-Forwarded-For': '1' }, /X-Forwarded-For is set, or taken away, by the gateway/],
    [{ Authorization: 'x' }, /Authorization is set by upstreamAuth/],
    [{ 'a b': 'x' }, /"a b" is no field name/],
    [{ 'X-A': '1', 'x-a': '2' }, /x-a is set twice/],
    [{ X_A: '1', 'X-A': '2' }, /X-A is set twice, as servers read names/],
  ] as const) {
    const found = problemsOf({ headers: { set } })
    t.equal(found.length, 1, JSON.stringify(set))
    t.match(found[0], problem)
  }
  t.same(problemsOf({ headers: { set: { 'X-A': '1', 'X-B': '' }, remove: ['x-a'] } }), [])
})

t.test('R24, R22: reads and places of secrets have one form each', async (t) => {
  const rules = { reads: ['PROPFIND', 'POST /*/_search', 'WebSocket'], redactPath: ['/bot{secret}/'] }
  t.match(readRoutes([{ ...BASE, ...rules }]).routes[0]?.rules.reads, [
    { method: 'PROPFIND', path: null },
    { method: 'POST', path: '/*/_search' },
    { method: 'WebSocket', path: null },
  ])
  for (const read of ['POST', 'DELETE', 'get', 'POST _search', 'POST /a?b', 'TRACE', ''])
    t.match(problemsOf({ reads: [read] }), [/\.reads\.0: must be WebSocket or a method/], read)
  for (const place of ['bot', '/bot', '/{x}', '/{secret', '/a b{secret}', '/[{secret}'])
    t.match(problemsOf({ redactPath: [place] }), [/\.redactPath\.0: must/], place)
})

t.test('E5: a rate of a public route is refused by name, since nobody would be held to it', async (t) => {
  const rateLimit = { perSecond: 1, burst: 1 }
  t.match(problemsOf({ auth: 'public', rateLimit }), [/\.rateLimit: needs auth: key/])
  t.same(problemsOf({ auth: 'key', rateLimit }), [])
})

t.test('each key of a route says what it does, what is allowed, and what holds without it', (t) => {
  const keys = routeKeys()
  const names = keys.map(({ name }) => name)
  t.same(
    names.filter((name) => !name.includes('.')),
    Object.keys(routeSchema.shape),
  )
  t.ok(names.includes('cors.origins') && names.includes('tls.ca'), 'those of its objects too')
  for (const { name, form, help, default: value, absent } of keys) {
    t.ok(form !== '' && help !== '', name)
    t.equal(value === null, absent !== null, `${name} has a default, or says what holds without one`)
  }
  t.end()
})

t.test(
  'a route of images lives below /v2/ on both sides, and what is wrong says what to write',
  async (t) => {
    const oci = { kind: 'oci', path: '/v2/images/', upstream: 'http://registry.example:5000/v2/' }
    t.same(problemsOf(oci), [])
    t.same(problemsOf({ ...oci, path: '/v2/team/images/', upstream: 'http://a.example/docker/local/v2' }), [])
    t.same(problemsOf({ ...oci, path: '/v2/', host: 'images.example.com' }), [])
    t.same(problemsOf({ ...oci, path: '/v2/' }), [])
    for (const path of ['/images/', '/', '/v2/Images/', '/v2/_catalog/', '/v2/a--/', '/registry/v2/'])
      t.match(problemsOf({ ...oci, path }), [/\(r\)\.path: .*write \/v2\/<name>\//], path)
    t.match(problemsOf({ ...oci, path: '/v2/token/' }), [/the gateway itself answers at \/v2\/token/])
    t.match(problemsOf({ ...oci, upstream: 'http://registry.example:5000/' }), [
      /upstream: .*write http:\/\/registry\.example:5000\/v2\/$/,
    ])
  },
)

t.test('a route whose senders sign says how, and whose the requests are', async (t) => {
  const signature = { scheme: 'github', secrets: ['a secret of a hook'] }
  const hook = { kind: 'integration', auth: 'signature', tenant: 'acme', signature }
  const { routes, problems } = readRoutes([{ ...BASE, ...hook }])
  t.same(problems, [])
  t.match(routes[0], {
    maxBodyBytes: 10 * 1024 * 1024,
    signature: { tenant: 'acme', scheme: 'github', toleranceMs: 300_000, hmac: null },
  })
  const wrong = (changes: object): readonly string[] =>
    readRoutes([{ ...BASE, ...hook, ...changes }]).problems
  t.match(wrong({ kind: 'generic' }), [/auth: signature needs kind: integration/])
  t.match(wrong({ tenant: undefined }), [/tenant: is required with auth: signature/])
  t.match(wrong({ signature: undefined }), [/signature: is required with auth: signature/])
  t.match(wrong({ auth: 'key' }), [/signature: needs auth: signature/, /tenant: needs auth: signature/])
  t.match(wrong({ maxBodyBytes: '33MiB' }), [/maxBodyBytes: must be at most 32768KiB/])
  t.match(wrong({ maxBodyBytes: '32MiB' }), [])
  t.match(wrong({ maxBodyBytes: '2MiB', signature: { ...signature, scheme: 'twilio' } }), [/at most 1024KiB/])
  t.match(wrong({ signature: { ...signature, scheme: 'sha' } }), [/signature.scheme: .*github/])
  t.match(wrong({ signature: { ...signature, secrets: [] } }), [/signature.secrets/])
  t.match(wrong({ signature: { ...signature, secrets: ['short'] } }), [/8 characters at least/])
  t.match(wrong({ signature: { ...signature, header: 'x-a' } }), [/header: is not taken with scheme: github/])
  t.match(wrong({ signature: { ...signature, scheme: 'hmac' } }), [/header: is required with scheme: hmac/])
  t.match(wrong({ signature: { ...signature, scheme: 'basic' } }), [/secrets: must be user:password/])
  t.match(wrong({ signature: { ...signature, scheme: 'gitlab' } }), [/printable ASCII without blanks/])
  t.match(wrong({ signature: { ...signature, scheme: 'standard-webhooks' } }), [/must be base64/])
  const short = { ...signature, scheme: 'standard-webhooks', secrets: ['whsec_A='] }
  t.match(wrong({ signature: short }), [/must have 24 bytes at least/])
  t.match(wrong({ signature: { ...signature, prefix: 'sha256=' } }), [
    /prefix and timestampHeader are not taken/,
  ])
})
