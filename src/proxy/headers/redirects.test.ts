import t from 'tap'
import { localAddress } from '../../upstream/addresses/route-addresses.ts'
import { startGateway } from '../../test/gateway.ts'

const ELSEWHERE = {
  repository: null,
  named: null,
  told: 'gw',
  publicBase: '',
  files: [],
  source: null,
  isRouted: () => false,
}
const AT = { ...ELSEWHERE, origin: 'http://127.0.0.1:19444', base: '/', prefix: '/files/', asked: '/builds' }
const DEEP = {
  ...ELSEWHERE,
  origin: 'https://repo.example.com',
  base: '/repository/npm/',
  prefix: '/npm/',
  asked: '/repository/npm/x',
}

t.test('G2: redirects of the upstream to itself come back through the route', async (t) => {
  for (const [address, local] of [
    ['/builds/', '/files/builds/'],
    ['/builds/?a=1#f', '/files/builds/?a=1#f'],
    ['http://127.0.0.1:19444/other', '/files/other'],
    ['HTTP://127.0.0.1:19444/other', '/files/other'],
    ['http://127.0.0.1:19444', '/files/'],
    ['http://127.0.0.1:19444?x', '/files/?x'],
    ['//127.0.0.1:19444/x', '/files/x'],
    ['/', '/files/'],
  ] as const)
    t.equal(localAddress(address, AT), local, address)
  for (const [address, local] of [
    ['/repository/npm/y', '/npm/y'],
    ['/repository/npm', '/npm'],
    ['/repository/npm?x', '/npm?x'],
    ['https://repo.example.com/repository/npm/y', '/npm/y'],
    ['https://repo.example.com:443/repository/npm/y', '/npm/y'],
  ] as const)
    t.equal(localAddress(address, DEEP), local, address)
  t.equal(localAddress('/files/x', { ...AT, asked: '/x' }), '/files/x', 'an upstream that knows the prefix')
  t.equal(localAddress('/files/', { ...AT, asked: '/files' }), '/files/files/', 'a folder of that name')
})

t.test('G2: all other addresses are left alone', async (t) => {
  for (const address of [
    'https://127.0.0.1:19444/x',
    'http://127.0.0.1/x',
    'http://127.0.0.1:194440/x',
    'http://u@127.0.0.1:19444/x',
    'http://127.0.0.1:19444.evil.example/x',
    'https://elsewhere.example/x',
    '//elsewhere.example/x',
    'builds/',
    '?page=2',
    '/../x',
    '/a/./b',
    'http://127.0.0.1:19444//evil.example/',
    'mailto:a@b',
    '',
  ])
    t.equal(localAddress(address, AT), address, address)
  for (const address of ['/login', '/repository/npmx', 'https://repo.example.com/login'])
    t.equal(localAddress(address, DEEP), address, address)
})

t.test('G2: a client stays with the gateway', async (t) => {
  const gateway = await startGateway(t)
  const client = await gateway.client()
  const redirected = async (...fields: string[]) => {
    client.send(gateway.head('GET /r/builds HTTP/1.1'))
    const { wire } = await gateway.upstream.request()
    wire.send(`HTTP/1.1 301 Moved Permanently\r\nContent-Length: 0\r\n${fields.join('\r\n')}\r\n\r\n`)
    return client.message()
  }
  t.equal((await redirected('Location: /builds/')).field('location'), '/r/builds/')
  const own = `http://127.0.0.1:${gateway.upstream.port}/other`
  const both = await redirected(`Location: ${own}`, `Content-Location: ${own}`)
  t.equal(both.field('location'), '/r/other')
  t.equal(both.field('content-location'), '/r/other')
  t.equal((await redirected('Location: https://cdn.example/x')).field('location'), 'https://cdn.example/x')
  await gateway.finish(t, [{ status: 301 }, { status: 301 }, { status: 301 }])
})

t.test('G2: an upstream is known by every name that it has been told', async (t) => {
  const named = { ...AT, named: 'repo.example.com' }
  for (const [address, local] of [
    ['http://repo.example.com/x', '/files/x'],
    ['http://repo.example.com:80/x?a', '/files/x?a'],
    ['https://REPO.example.com/x', '/files/x'],
    ['//repo.example.com/x', '/files/x'],
    ['https://repo.example.com/builds', 'https://repo.example.com/builds'], // TLS, or nothing
    ['http://repo.example.com:81/x', 'http://repo.example.com:81/x'],
    ['http://other.example.com/x', 'http://other.example.com/x'],
    ['http://u@repo.example.com/x', 'http://u@repo.example.com/x'],
  ] as const)
    t.equal(localAddress(address, named), local, address)
  t.equal(localAddress('http://repo.example.com/repository/npm/y', DEEP), '/npm/y', 'TLS ends in front of it')
  t.equal(localAddress('http://repo.example.com:8080/y', DEEP), 'http://repo.example.com:8080/y')
  const told = {
    ...AT,
    told: 'gw.example:8443',
    isRouted: (path: string) => path.startsWith('/files/') || path.startsWith('/app/'),
  }
  for (const [address, local] of [
    ['https://gw.example:8443/other/', '/files/other/'],
    ['http://gw.example:8443/other/?x', '/files/other/?x'],
    ['https://gw.example:8443/files/other', 'https://gw.example:8443/files/other'],
    ['https://gw.example:8443/app/back', 'https://gw.example:8443/app/back'],
    ['https://gw.example/other/', 'https://gw.example/other/'],
  ] as const)
    t.equal(localAddress(address, told), local, address)
})

t.test('G2: a client stays with the gateway wherever an address stands', async (t) => {
  const gateway = await startGateway(t, { routes: [{}, { name: 'other', path: '/other/' }] })
  const route = gateway.handler.routes.routes.find(({ name }) => name === 'r')
  if (route === undefined) throw new Error('no route')
  const own = `http://127.0.0.1:${gateway.upstream.port}`
  const client = await gateway.client()
  const answered = async (field: string): Promise<string | null> => {
    client.send(gateway.head('GET /r/builds HTTP/1.1'))
    const { wire } = await gateway.upstream.request()
    wire.send(`HTTP/1.1 200 OK\r\nContent-Length: 0\r\n${field}\r\n\r\n`)
    return (await client.message()).field(field.slice(0, field.indexOf(':')).toLowerCase())
  }
  for (const [field, shown] of [
    [`Refresh: 0; url=${own}/next`, '0; url=/r/next'],
    ["Refresh: 5;URL='/next'", "5;URL='/r/next'"],
    ['Refresh: 5', '5'],
    ['Refresh: 5; url=next', '5; url=next'],
    ['Refresh: 5; url=https://cdn.example/', '5; url=https://cdn.example/'],
    [
      `Link: </v2/tags?last=b>; rel="next", <${own}/a>;rel=preload,<https://x.example/y>; rel=me`,
      '</r/v2/tags?last=b>; rel="next", </r/a>;rel=preload,<https://x.example/y>; rel=me',
    ],
    ['Link: </a,b>; title="</c>"', '</r/a,b>; title="</c>"'],
    ['Location: http://gw/next', '/r/next'],
    ['Location: https://gw/r/next', 'https://gw/r/next'],
    ['Location: http://gw/other/next', 'http://gw/other/next'],
  ] as const)
    t.equal(await answered(field), shown, field)
  const handed = { ...route.upstream, upstreamHost: 'repo.example.com' }
  gateway.setRoutes([{ ...route, upstream: handed }])
  t.equal(await answered('Location: https://repo.example.com/next'), '/r/next')
  gateway.setRoutes([{ ...route, upstream: handed, rules: { ...route.rules, rewriteRedirects: false } }])
  t.equal(await answered('Link: </a>; rel=next'), '</a>; rel=next')
  await gateway.quiet()
  t.same(new Set(gateway.entries.map(({ status }) => status)), new Set([200]))
})

t.test('behind a front that takes a base path away, redirects have it', async (t) => {
  const gateway = await startGateway(t, {
    trust: { trustedProxies: null, publicProto: 'https', publicHost: 'gw.example:8443', publicBase: '/base' },
    routes: [{}, { name: 'other', path: '/other/' }],
  })
  const own = `http://127.0.0.1:${gateway.upstream.port}`
  const client = await gateway.client()
  for (const [address, shown] of [
    ['/next', '/base/r/next'],
    [`${own}/next?x#y`, '/base/r/next?x#y'],
    ['/base/r/next', '/base/r/next'],
    ['https://gw.example:8443/next', '/base/r/next'],
    ['https://gw.example:8443/base/other/next', 'https://gw.example:8443/base/other/next'],
    ['https://elsewhere.example/next', 'https://elsewhere.example/next'],
  ] as const) {
    client.send(gateway.head('GET /r/builds HTTP/1.1'))
    const { wire, message } = await gateway.upstream.request()
    t.equal(message.field('x-forwarded-prefix'), '/base/r')
    t.equal(message.field('x-forwarded-host'), 'gw.example:8443')
    wire.send(
      `HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: ${address}\r\nLink: <${address}>; rel=a\r\n\r\n`,
    )
    const answer = await client.message()
    t.equal(answer.field('location'), shown)
    t.equal(answer.field('link'), `<${shown}>; rel=a`)
  }
  client.send(
    gateway.head('COPY /r/a HTTP/1.1', 'Destination: https://gw.example:8443/base/r/b', 'Content-Length: 0'),
  )
  const { wire, message } = await gateway.upstream.request()
  t.equal(message.field('destination'), '/b')
  wire.send('HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n')
  t.equal((await client.message()).status, 201)
  await gateway.quiet()
})
