import t from 'tap'
import type { Route } from '../../model/route.ts'
import { startGateway } from '../../test/gateway.ts'
import { rulesOf, testRule } from '../../test/rules/rules.ts'

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi'
const npm: Partial<Route> = { name: 'npm', kind: 'npm', path: '/npm/' }
const generic: Partial<Route> = { name: 'files', kind: 'generic', path: '/files/' }
const images: Partial<Route> = { name: 'images', kind: 'oci', path: '/v2/' }
const open: Partial<Route> = { name: 'open', kind: 'npm', path: '/open/', auth: 'public' }
const LEFT_PAD = '/npm/left-pad/-/left-pad-1.3.0.tgz'

t.test('a file that a rule denies is 403 with the reason, and asks nothing of the upstream', async (t) => {
  const gateway = await startGateway(t, { routes: [npm] })
  const denied = testRule('pkg:npm/left-pad@1.3.0', { reason: 'It steals tokens', reference: 'GHSA-1234' })
  gateway.directory.rules = rulesOf(denied)
  const client = await gateway.client()
  const words = `Blocked: npm/left-pad@1.3.0: It steals tokens (GHSA-1234). Rule ${denied.id}.`
  const entry = {
    outcome: 'blocked',
    reason: 'rule',
    ruleId: denied.id,
    ruleAction: 'deny',
    upstream: '',
  } as const
  client.send(gateway.head(`GET ${LEFT_PAD} HTTP/1.1`))
  const plain = await client.message()
  t.equal(plain.startLine, `HTTP/1.1 403 ${words}`)
  t.match(JSON.parse(plain.body), { error: words, detail: words })
  client.send(gateway.head(`GET ${LEFT_PAD}?x=1 HTTP/1.1`, 'Range: bytes=0-1'))
  t.match((await client.message()).startLine, /^HTTP\/1\.1 403 /, 'a part of it')
  client.send(gateway.head('GET /npm/left-pad%2F-/left%2dpad-1.3.0.tgz HTTP/1.1'))
  t.match((await client.message()).startLine, /^HTTP\/1\.1 403 /, 'written otherwise')
  client.send(gateway.head('GET /npm/left-pad/-/left-pad-1.3.1.tgz HTTP/1.1'))
  const { wire } = await gateway.upstream.request()
  wire.send(OK)
  t.match((await client.message()).startLine, / 200 /, 'another version')
  client.send(gateway.head('GET /npm/left-pad HTTP/1.1'))
  const index = await gateway.upstream.request()
  index.wire.send(OK)
  t.match((await client.message()).startLine, / 200 /, 'its list of versions is not filtered')
  t.equal(gateway.counters.ruled.deny, 3)
  const passed = { outcome: 'forwarded', ruleId: '', ruleAction: '' } as const
  await gateway.finish(t, [entry, entry, entry, passed, passed])
})

const SPELLINGS: readonly (readonly [route: Partial<Route>, rule: string, paths: readonly string[]])[] = [
  [
    npm,
    'pkg:npm/left-pad@1.3.0',
    [
      `${LEFT_PAD}/`,
      `${LEFT_PAD};x`,
      `${LEFT_PAD}%3b`,
      `${LEFT_PAD}%3Fx`,
      `${LEFT_PAD}%20`,
      `${LEFT_PAD}.`,
      '/npm/left-pad;x=1/-/left-pad-1.3.0.tgz?a=b',
      '/npm/left-pad/./-/left-pad-1.3.0.tgz',
      '/npm/left%252dpad/-/left-pad-1.3.0.tgz',
      '/npm/./left-pad/-/left-pad-1.3.0.tgz/',
    ],
  ],
  [
    npm,
    'pkg:npm/%40acme/base',
    ['/npm/@acme%252fbase/-/base-1.0.0.tgz', '/npm/@acme%2fbase/-/base-1.0.0.tgz/'],
  ],
  [
    { name: 'maven', kind: 'maven', path: '/maven/' },
    'pkg:maven/com.example/a@1.0',
    [
      '/maven/com;x/example/a/1.0/a-1.0.jar',
      '/maven/com/example/a/1.0;x/a-1.0.jar',
      '/maven/com/example/a/./1.0/a-1.0.jar',
      '/maven/com%2fexample/a/1.0/a-1.0.jar',
      '/maven/com/example/a/1.0/a-1.0.jar/',
    ],
  ],
  [
    { name: 'pypi', kind: 'pypi', path: '/pypi/' },
    'pkg:pypi/Flask.Login@0.6.3',
    ['/pypi/packages/flask_login-0.6.3-py3-none-any.whl/', '/pypi/packages/Flask_Login-0.6.3.tar.gz;x'],
  ],
  [
    { name: 'nuget', kind: 'nuget', path: '/nuget/' },
    'pkg:nuget/Newtonsoft.Json@13.0.1',
    [
      '/nuget/api/v2/package/Newtonsoft.Json/13.0.1/',
      '/nuget/api/V2/Package/newtonsoft.json/13.0.1',
      '/nuget/v3-flatcontainer/newtonsoft.json/13.0.1/newtonsoft.json.13.0.1.nupkg/',
    ],
  ],
  [
    images,
    'pkg:oci/nginx@1.27?repository_url=upstream.test/library/nginx',
    [
      '/v2/library/nginx/manifests/1.27?ns=other.example',
      '/v2/library%2fnginx/manifests/1.27',
      '/v2/library/nginx/manifests/1.27/',
    ],
  ],
]

for (const [route, rule, paths] of SPELLINGS)
  t.test(`a denied file is denied in each way in which a server may read its path: ${rule}`, async (t) => {
    const packageOrigin = route.kind === 'oci' ? { packageOrigin: 'upstream.test' } : {}
    const gateway = await startGateway(t, { routes: [{ ...route, ...packageOrigin }] })
    gateway.directory.rules = rulesOf(testRule(rule))
    const client = await gateway.client()
    for (const path of paths) {
      client.send(gateway.head(`GET ${path} HTTP/1.1`))
      t.match((await client.message()).startLine, /^HTTP\/1\.1 403 Blocked: /, path)
    }
    await gateway.finish(
      t,
      paths.map(() => ({ outcome: 'blocked', reason: 'rule', ruleAction: 'deny' }) as const),
    )
  })

t.test('what a path may be read as lets pass what no reading of it is denied', async (t) => {
  const gateway = await startGateway(t, { routes: [npm] })
  const dry = testRule('pkg:npm/left-pad@1.3.0', { isDryRun: true })
  gateway.directory.rules = rulesOf(testRule('pkg:npm/left-pad@1.2.0'), dry)
  const client = await gateway.client()
  for (const path of ['/npm/@acme%2fleft-pad/-/left-pad-1.2.0.tgz?x', '/npm/left-pad/', `${LEFT_PAD}/`]) {
    client.send(gateway.head(`GET ${path} HTTP/1.1`))
    const { wire } = await gateway.upstream.request()
    wire.send(OK)
    t.match((await client.message()).startLine, / 200 /, path)
  }
  await gateway.finish(t, [
    { outcome: 'forwarded', ruleAction: '' },
    { outcome: 'forwarded', ruleAction: '' },
    { outcome: 'forwarded', ruleId: dry.id, ruleAction: 'would_deny' },
  ])
})

t.test('a rule that warns, lets pass or runs dry forwards, and the entry says so', async (t) => {
  const gateway = await startGateway(t, { routes: [npm] })
  const client = await gateway.client()
  const marks = [
    ['warn', testRule('pkg:npm/left-pad', { action: 'warn' })],
    ['would_deny', testRule('pkg:npm/left-pad', { isDryRun: true })],
    ['allow', testRule('pkg:npm/left-pad', { action: 'allow' })],
  ] as const
  for (const [, rule] of marks) {
    gateway.directory.rules = rulesOf(rule)
    client.send(gateway.head(`GET ${LEFT_PAD} HTTP/1.1`))
    const { wire } = await gateway.upstream.request()
    wire.send(OK)
    t.match((await client.message()).startLine, / 200 /)
  }
  await gateway.finish(
    t,
    marks.map(([mark, { id }]) => ({ outcome: 'forwarded', ruleId: id, ruleAction: mark }) as const),
  )
})

t.test('an image is denied by its tag: its manifest, and not those of others', async (t) => {
  const gateway = await startGateway(t, { routes: [images] })
  gateway.directory.rules = rulesOf(testRule('pkg:oci/nginx@1.27'))
  const client = await gateway.client()
  client.send(gateway.head('HEAD /v2/library/nginx/manifests/1.27 HTTP/1.1'))
  t.match((await client.message({ isHead: true })).startLine, / 403 /)
  client.send(gateway.head('GET /v2/library/nginx/manifests/1.28 HTTP/1.1'))
  const { wire } = await gateway.upstream.request()
  wire.send(OK)
  t.match((await client.message()).startLine, / 200 /)
  await gateway.finish(t, [{ outcome: 'blocked' }, { outcome: 'forwarded' }])
})

t.test(
  'a path that is too long to be identified passes no rule of its kind, and any other route',
  async (t) => {
    const gateway = await startGateway(t, { routes: [npm, generic] })
    gateway.directory.rules = rulesOf(testRule('pkg:npm/left-pad@1.3.0'))
    const client = await gateway.client()
    const long = `${'x/'.repeat(1100)}y.tgz`
    client.send(gateway.head(`GET /npm/${long} HTTP/1.1`))
    t.match((await client.message()).startLine, / 403 The path is too long/)
    client.send(gateway.head(`GET /files/${long} HTTP/1.1`))
    const { wire } = await gateway.upstream.request()
    wire.send(OK)
    t.match((await client.message()).startLine, / 200 /)
    await gateway.finish(t, [
      { outcome: 'blocked', reason: 'unidentified', ruleId: '' },
      { outcome: 'forwarded' },
    ])
  },
)

t.test(
  'while no rule was ever known, rules.whenUnknown: deny answers downloads 503, and all else not',
  async (t) => {
    const gateway = await startGateway(t, { routes: [open, generic] })
    gateway.directory.rules = null
    const client = await gateway.client()
    client.send('GET /open/left-pad/-/left-pad-1.3.0.tgz HTTP/1.1\r\nHost: gw\r\n\r\n')
    const refused = await client.message()
    t.match(refused.startLine, / 503 The rules for packages have not been loaded yet/)
    client.send('GET /open/left-pad HTTP/1.1\r\nHost: gw\r\n\r\n')
    const { wire } = await gateway.upstream.request()
    wire.send(OK)
    t.match((await client.message()).startLine, / 200 /)
    await gateway.finish(t, [{ outcome: 'not_ready', reason: 'no_rules' }, { outcome: 'forwarded' }])
  },
)
