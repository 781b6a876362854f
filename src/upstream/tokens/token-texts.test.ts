import fc from 'fast-check'
import t from 'tap'
import { routeOf } from '../../config/routes.ts'
import { Flights } from './flights.ts'
import { Recent } from './recent.ts'
import { expectedScope, registryRoot } from './scope.ts'
import { issuedToken } from './token-answer.ts'
import { tokenRequest } from './token-request.ts'

const LOGIN = `Basic ${Buffer.from('u:p').toString('base64')}`

t.test('a path tells which scope a registry will want', async (t) => {
  for (const [method, path, scope] of [
    ['GET', '/v2/', ''],
    ['GET', '/v2/_catalog?n=5', 'registry:catalog:*'],
    ['GET', '/v2/a/manifests/latest', 'repository:a:pull'],
    ['HEAD', '/prefix/v2/a/b/blobs/sha256:0', 'repository:a/b:pull'],
    ['GET', '/v2/a/tags/list?n=1', 'repository:a:pull'],
    ['GET', '/v2/a/referrers/sha256:0', 'repository:a:pull'],
    ['GET', '/v2/a/blobs/tags/list', 'repository:a/blobs:pull'],
    ['PUT', '/v2/a/manifests/1', 'repository:a:pull,push'],
    ['POST', '/v2/a/blobs/uploads/', 'repository:a:pull,push'],
    ['POST', '/v2/a/blobs/uploads/?mount=x&from=b%2Fc', 'repository:a:pull,push repository:b/c:pull'],
    ['POST', '/v2/a/blobs/uploads/?mount=x&from=a', 'repository:a:pull,push'],
    ['POST', '/v2/a/blobs/uploads/?from=A B', 'repository:a:pull,push'],
    ['PATCH', '/v2/a/blobs/uploads/0f', 'repository:a:pull,push'],
    ['DELETE', '/v2/a/manifests/1', 'repository:a:delete'],
    ['GET', '/v2/A/manifests/1', null],
    ['GET', '/v2/a%20b/manifests/1', null],
    ['GET', '/v2/a/else', null],
    ['GET', '/a?b=/v2/a/manifests/1', null],
    ['GET', '/else', null],
  ] as const)
    t.equal(expectedScope(method, path), scope, `${method} ${path}`)
  t.equal(registryRoot('/prefix/v2/a/v2/b'), '/prefix/v2/')
  t.equal(registryRoot('/a?/v2/'), null)
})

t.test('a token is read from either member, and its life is not believed beyond reason', async (t) => {
  for (const [body, expected] of [
    ['{"token":"a"}', { token: 'a', lifeMs: 60_000 }],
    ['{"access_token":"b","token":""}', { token: 'b', lifeMs: 60_000 }],
    ['{"token":"a","access_token":"b","expires_in":300}', { token: 'a', lifeMs: 300_000 }],
    ['{"token":"a","expires_in":"300"}', { token: 'a', lifeMs: 60_000 }],
    ['{"token":"a","expires_in":-5}', { token: 'a', lifeMs: 0 }],
    ['{"token":"a","expires_in":1e300}', { token: 'a', lifeMs: 86_400_000 }],
    ['{"token":"a b"}', null],
    ['{"token":"\\u00e4"}', null],
    ['null', null],
    ['"a"', null],
    ['', null],
  ] as const)
    t.same(issuedToken(body), expected, body)
  fc.assert(fc.property(fc.json(), (body) => issuedToken(body) === null))
})

t.test('credentials go to the own origin and to listed hosts, and to nobody else', async (t) => {
  const route = routeOf({
    name: 'hub',
    kind: 'oci',
    path: '/v2/hub/',
    upstream: 'https://registry.example.com/v2/',
    upstreamAuth: { basic: { user: 'u', password: 'p' } },
    upstreamTokens: { hosts: ['auth.example.com', '*.tokens.example.com', 'http://10.0.0.1:5001'] },
    headers: { set: { 'X-Own': 'secret' } },
  })
  const rules = route.upstreamTokens ?? { hosts: [] }
  const ask = (realm: string) =>
    tokenRequest(route, rules, 'https://registry.example.com', { realm, service: 'a b', scope: 'x y' })
  for (const [realm, standing] of [
    ['https://registry.example.com/token', 'upstream'],
    ['https://REGISTRY.example.com:443/token', 'upstream'],
    ['https://auth.example.com/token', 'sibling'],
    ['https://a.tokens.example.com/token', 'sibling'],
    ['http://10.0.0.1:5001/token', 'sibling'],
    ['https://registry.example.com:8443/token', 'stranger'],
    ['https://auth.example.com:8443/token', 'stranger'],
    ['https://tokens.example.com/token', 'stranger'],
    ['https://registry.example.com.evil.example/token', 'stranger'],
  ] as const) {
    const request = ask(realm)
    t.equal(request?.standing, standing, realm)
    t.equal(request?.headers.includes(LOGIN), standing !== 'stranger', realm)
    t.equal(request?.headers.includes('secret'), standing === 'upstream', realm)
    t.equal(request?.path, '/token?service=a+b&scope=x&scope=y')
  }
  for (const realm of [
    'http://registry.example.com/token',
    'http://auth.example.com/token',
    'https://u:p@registry.example.com/token',
    'https:registry.example.com',
    '//registry.example.com/token',
    'file:///etc/passwd',
  ])
    t.equal(ask(realm), null, realm)
})

t.test('a realm at any of the route’s addresses is the upstream’s own', async (t) => {
  const route = routeOf({
    name: 'images',
    kind: 'oci',
    path: '/v2/images/',
    upstream: ['http://10.0.0.1:5000/v2/', 'http://10.0.0.2:5000/v2/'],
    upstreamAuth: { basic: { user: 'u', password: 'p' } },
  })
  const rules = route.upstreamTokens ?? { hosts: [] }
  const at = (host: string) =>
    tokenRequest(route, rules, 'http://10.0.0.1:5000', {
      realm: `http://${host}/token`,
      service: '',
      scope: '',
    })
  for (const host of ['10.0.0.1:5000', '10.0.0.2:5000'])
    t.match(at(host), { standing: 'upstream', origin: 'http://10.0.0.1:5000' }, host)
  t.equal(at('10.0.0.3:5000'), null, 'a stranger without TLS')
})

t.test('what was not used for longest is forgotten first, by number and by size', async (t) => {
  const recent = new Recent<number>({ maxEntries: 2, maxSize: 12 })
  recent.set('a', 1, 1)
  recent.set('b', 2, 1)
  t.equal(recent.get('a'), 1)
  recent.set('c', 3, 1)
  t.same(
    ['a', 'b', 'c'].map((key) => recent.get(key)),
    [1, undefined, 3],
  )
  recent.set('d', 4, 10)
  t.same(
    ['a', 'c', 'd'].map((key) => recent.get(key)),
    [undefined, undefined, 4],
  )
  recent.set('e', 5, 100)
  t.equal(recent.get('e'), undefined, 'larger than all that may be kept')
  recent.set('d', 6, 1)
  t.equal(recent.get('d'), 6)
})

t.test('a flight that cannot begin keeps nobody waiting', async (t) => {
  const flights = new Flights<number>()
  const heard: number[] = []
  t.throws(() =>
    flights.join(
      'a',
      () => {
        throw new Error('broken')
      },
      (value) => heard.push(value),
    ),
  )
  flights.join(
    'a',
    (done) => done(1),
    (value) => heard.push(value),
  )
  t.same(heard, [1])
})
