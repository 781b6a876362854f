import t from 'tap'
import { mintKey } from '../../model/api-key.ts'
import { compileNetworks } from '../../model/network.ts'
import { DEFAULT_RULES } from '../../model/route-rules.ts'
import { startGateway } from '../../test/gateway.ts'

const GET = 'GET /r/x HTTP/1.1'
const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'

t.test('hop-by-hop fields and what Connection names stay on their hop, both ways', async (t) => {
  const gateway = await startGateway(t)
  const client = await gateway.client()
  client.send(
    gateway.head(
      GET,
      'Connection: keep-alive, X-Named, X-Forwarded-For, Host, Content-Length, Authorization, Via',
      'X-Named: secret',
      'Keep-Alive: timeout=5',
      'Proxy-Connection: keep-alive',
      'Proxy-Authorization: Basic eDp5',
      'TE: trailers, deflate',
      'Trailer: X-T',
      'HTTP2-Settings: AAA',
      'X-Kept: yes',
    ),
  )
  const { wire, message } = await gateway.upstream.request()
  for (const name of [
    'x-named',
    'keep-alive',
    'proxy-connection',
    'proxy-authorization',
    'trailer',
    'http2-settings',
    'upgrade',
  ])
    t.equal(message.field(name), null, name)
  t.equal(message.field('te'), 'trailers')
  t.equal(message.field('x-kept'), 'yes')
  t.equal(message.field('x-forwarded-for'), '127.0.0.1', "the gateway's own fields stay")
  t.equal(message.field('via'), '1.1 waybill-test')
  wire.send(
    'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: keep-alive, X-Named, Content-Length\r\nX-Named: secret\r\nKeep-Alive: timeout=5\r\n' +
      'Proxy-Connection: x\r\nProxy-Authenticate: Basic\r\nUpgrade: h2c\r\nTE: x\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nX-Kept: yes\r\n\r\nok',
  )
  const response = await client.message()
  for (const name of ['x-named', 'proxy-connection', 'proxy-authenticate', 'upgrade', 'te'])
    t.equal(response.field(name), null, name)
  t.equal(response.field('x-kept'), 'yes')
  t.equal(response.field('content-length'), '2')
  t.same(
    response.fields.filter(([name]) => name === 'set-cookie').map(([, value]) => value),
    ['a=1', 'b=2'],
  )
  t.ok(response.field('x-request-id'))
  await gateway.finish(t, [{ status: 200 }])
})

t.test('forwarding and identity fields of a stranger are replaced, underscores do not help', async (t) => {
  const gateway = await startGateway(t)
  const client = await gateway.client()
  client.send(
    gateway.head(
      GET,
      'X-Forwarded-For: 1.2.3.4',
      'X_Forwarded_For: 1.2.3.4',
      'X-Forwarded-Proto: https',
      'X-Forwarded-Host: evil',
      'X-Forwarded-Port: 1',
      'X-Forwarded-Prefix: /evil',
      'X-Forwarded-Server: evil',
      'X-Real-IP: 1.2.3.4',
      'Forwarded: for=1.2.3.4',
      'X.Forwarded.For: 1.2.3.4',
      'X-Forwarded-Ssl: evil',
      'X-Forwarded: evil',
      'x_forwarded-anything: evil',
      'Proxy: http://evil',
      'X-Original-URL: /evil',
      'X_Original_URL: /evil',
      'X-Rewrite-URL: /evil',
      'X-Client-IP: 1.2.3.4',
      'True-Client-IP: 1.2.3.4',
      'CF-Connecting-IP: 1.2.3.4',
      'Fastly-Client-IP: 1.2.3.4',
      'X-Cluster-Client-IP: 1.2.3.4',
      'X-Original-Host: evil',
      'X-Host: evil',
      'X-Remote-User: evil',
      'X-Waybill-Tenant: other',
      'X_Waybill_Tenant: other',
      'x-waybill_key-id: other',
    ),
  )
  const { wire, message } = await gateway.upstream.request()
  t.notMatch(message.head, /1\.2\.3\.4|evil|other/)
  t.equal(message.field('x-forwarded-for'), '127.0.0.1')
  t.equal(message.field('x-forwarded-proto'), 'http')
  t.equal(message.field('x-forwarded-host'), 'gw')
  t.equal(message.field('x-forwarded-prefix'), '/r')
  t.equal(message.field('forwarded'), 'for=127.0.0.1;proto=http;host="gw"')
  wire.send(OK)
  await client.message()
  await gateway.finish(t, [{ status: 200, clientIp: '127.0.0.1', host: 'gw' }])
})

t.test(
  'no client says for itself who a proxy has authenticated, by which certificate or scheme',
  async (t) => {
    const gateway = await startGateway(t)
    const client = await gateway.client()
    const names = [
      ...'Client-Cert Client-Cert-Chain X-SSL-Client-Verify SSL_CLIENT_S_DN X-SSL-Client-Cert X-ARR-ClientCert'.split(
        ' ',
      ),
      ...'Remote-Groups X-Remote-Group X-Remote-Extra-Scopes X_Remote_Extra_a X-Webauth-Role X-Authenticated-UserId'.split(
        ' ',
      ),
      ...'X-Auth-Request-Email X_Auth_Request_Groups X-Authentik-Username X-Consumer-Username X-MS-Client-Principal'.split(
        ' ',
      ),
      ...'X-Scheme X-Url-Scheme Front-End-Https X-Original-Path X-Override-URL X.Rewrite.URI Remote-Addr'.split(
        ' ',
      ),
    ]
    client.send(
      gateway.head(GET, ...names.map((name) => `${name}: evil`), 'X-Remote: kept', 'X-Auth-User: kept'),
    )
    const { wire, message } = await gateway.upstream.request()
    t.notMatch(message.head, /evil/)
    t.equal(message.field('x-remote'), 'kept')
    t.equal(message.field('x-auth-user'), 'kept', 'what clients of an API send themselves')
    wire.send(OK)
    await client.message()
    await gateway.finish(t, [{ status: 200 }])
  },
)

t.test('a trusted proxy is believed, from the right and no further than it can know', async (t) => {
  const trust = {
    trustedProxies: compileNetworks(['127.0.0.0/8', '10.0.0.0/8']),
    publicProto: null,
    publicHost: null,
  }
  const gateway = await startGateway(t, { trust })
  const client = await gateway.client()
  client.send(
    gateway.head(
      GET,
      'X-Forwarded-For: 6.6.6.6, 203.0.113.9',
      'X-Forwarded-For: 10.0.0.7',
      'X-Forwarded-Proto: https',
      'X-Forwarded-Host: public.example',
    ),
  )
  const { wire, message } = await gateway.upstream.request()
  t.equal(message.field('x-forwarded-for'), '203.0.113.9, 10.0.0.7, 127.0.0.1')
  t.equal(message.field('x-forwarded-proto'), 'https')
  t.equal(message.field('x-forwarded-host'), 'public.example')
  wire.send(OK)
  await client.message()
  client.send(
    gateway.head(
      GET,
      'X-Forwarded-For: 203.0.113.9, not-an-address',
      'X-Forwarded-Proto: gopher',
      'X-Forwarded-Host: a/b',
    ),
  )
  const second = await gateway.upstream.request()
  t.equal(second.message.field('x-forwarded-for'), 'unknown, 127.0.0.1')
  t.equal(second.message.field('x-forwarded-proto'), 'http')
  t.equal(second.message.field('x-forwarded-host'), 'gw')
  second.wire.send(OK)
  await client.message()
  await gateway.finish(t, [{ clientIp: '203.0.113.9', host: 'public.example' }, { clientIp: '' }])
})

t.test('header bytes pass exactly, both ways: obs-text, 3,000 fields, __proto__', async (t) => {
  const gateway = await startGateway(t, { listener: { maxHeaderBytes: 131_072 } })
  const client = await gateway.client()
  const many = Array.from({ length: 3000 }, (_, i) => `X-${i}: ${i}`)
  client.send(
    gateway.head(GET, 'X-Latin: caf\xe9 \x80\xff', '__proto__: polluted', 'constructor: x', ...many),
  )
  const { wire, message } = await gateway.upstream.request()
  t.equal(message.field('x-latin'), 'caf\xe9 \x80\xff')
  t.equal(message.field('__proto__'), 'polluted')
  t.equal(message.field('x-2999'), '2999')
  wire.send(
    `HTTP/1.1 200 Tr\u00e8s bien\r\nContent-Length: 2\r\nX-Latin: caf\xe9 \x80\xff\r\n__proto__: polluted\r\n${many.slice(0, 2500).join('\r\n')}\r\n\r\nok`,
  )
  const response = await client.message()
  t.equal(response.field('x-latin'), 'caf\xe9 \x80\xff')
  t.equal(response.field('__proto__'), 'polluted')
  t.equal(response.field('x-2499'), '2499')
  t.equal(response.body, 'ok')
  t.equal(({} as Record<string, unknown>)['polluted'], undefined)
  await gateway.finish(t, [{ status: 200 }])
})

t.test('the key is gone upstream whichever way it was presented; other credentials pass', async (t) => {
  const gateway = await startGateway(t)
  const { text } = gateway.key
  const basic = (user: string, password: string): string =>
    Buffer.from(`${user}:${password}`).toString('base64')
  const presentations = [
    `Authorization: Bearer ${text}`,
    `authorization: bearer ${text}`,
    `Authorization: ${text}`,
    `Authorization: Basic ${basic('anybody', text)}`,
    `Authorization: Basic ${basic(text, '')}`,
    `X-Api-Key: ${text}`,
    `X-API-KEY: ${text}\r\nAuthorization: Bearer ${text}`,
  ]
  const client = await gateway.client()
  for (const presentation of presentations) {
    client.send(`GET /r/x?api_key=${text}&keep=1 HTTP/1.1\r\nHost: gw\r\n${presentation}\r\n\r\n`)
    const { wire, message } = await gateway.upstream.request()
    t.equal(message.field('authorization'), null, presentation)
    t.equal(message.field('x-api-key'), null)
    wire.send(OK)
    t.equal((await client.message()).status, 200)
  }
  client.send(
    `GET /r/x HTTP/1.1\r\nHost: gw\r\nX-Api-Key: ${text}\r\nAuthorization: Bearer upstream-token\r\n\r\n`,
  )
  const own = await gateway.upstream.request()
  t.equal(own.message.field('authorization'), 'Bearer upstream-token')
  own.wire.send(OK)
  await client.message()
  client.send(
    `GET /r/x HTTP/1.1\r\nHost: gw\r\nX-Api-Key: of-the-upstream\r\nAuthorization: Bearer ${text}\r\n\r\n`,
  )
  const other = await gateway.upstream.request()
  t.equal(other.message.field('x-api-key'), 'of-the-upstream')
  t.equal(other.message.field('authorization'), null)
  other.wire.send(OK)
  await client.message()
  await gateway.finish(
    t,
    Array.from({ length: presentations.length + 2 }, () => ({ status: 200, keyId: gateway.key.id })),
  )
})

t.test(
  "the route's own credentials replace the client's, on public routes a key is stripped as well",
  async (t) => {
    const gateway = await startGateway(t, { routes: [{}, { name: 'p', path: '/p/', auth: 'public' }] })
    gateway.setRoutes(
      gateway.handler.routes.routes.map((route) =>
        route.name === 'r'
          ? { ...route, upstream: { ...route.upstream, authorization: 'Bearer of-the-route' } }
          : route,
      ),
    )
    const client = await gateway.client()
    client.send(gateway.head(GET))
    const first = await gateway.upstream.request()
    t.equal(first.message.field('authorization'), 'Bearer of-the-route')
    first.wire.send(OK)
    await client.message()
    client.send(gateway.head('GET /p/x HTTP/1.1', `X-Api-Key: ${mintKey().text}`))
    const second = await gateway.upstream.request()
    t.notMatch(second.message.head, 'wb_')
    second.wire.send(OK)
    await client.message()
    client.send('GET /p/x HTTP/1.1\r\nHost: gw\r\nAuthorization: Basic eDp5\r\n\r\n')
    const third = await gateway.upstream.request()
    t.equal(third.message.field('authorization'), 'Basic eDp5')
    third.wire.send(OK)
    await client.message()
    await gateway.finish(t, [{ tenant: 'acme' }, { tenant: '', keyId: '' }, { tenant: '' }])
  },
)

t.test('request id and trace context are passed on when sound, and made when not', async (t) => {
  const gateway = await startGateway(t)
  const client = await gateway.client()
  const traceparent = `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`
  client.send(gateway.head(GET, 'X-Request-Id: abc-1', `traceparent: ${traceparent}`))
  const first = await gateway.upstream.request()
  t.equal(first.message.field('x-request-id'), 'abc-1')
  t.equal(first.message.field('traceparent'), traceparent)
  first.wire.send(OK)
  t.equal((await client.message()).field('x-request-id'), 'abc-1')
  client.send(gateway.head(GET, 'X-Request-Id: <script>', 'traceparent: 00-zz'))
  const second = await gateway.upstream.request()
  t.match(second.message.field('x-request-id') ?? '', /^[0-9a-z-]+$/)
  t.match(second.message.field('traceparent') ?? '', /^00-[0-9a-f]{32}-[0-9a-f]{16}-00$/)
  second.wire.send(OK)
  await client.message()
  await gateway.finish(t, [{ requestId: 'abc-1', traceId: 'a'.repeat(32) }, {}])
})

t.test('G10: a route sets and removes fields towards its upstream, whatever the client sends', async (t) => {
  const headers = {
    set: ['X-Api-Key', 'upstream-secret', 'X-Tier', 'gold'],
    removed: ['x-api-key', 'x-tier', 'cookie'],
  }
  const gateway = await startGateway(t, { routes: [{ rules: { ...DEFAULT_RULES, headers } }] })
  const client = await gateway.client()
  client.send(
    gateway.head(GET, 'Cookie: a=1', 'X_Tier: lead', 'x-tier: lead', 'X-Api-Key: mine', 'X-Kept: yes'),
  )
  const { wire, message } = await gateway.upstream.request()
  t.same(
    message.fields.filter(([name]) => /key|tier|cookie|kept/.test(name)),
    [
      ['x-kept', 'yes'],
      ['x-api-key', 'upstream-secret'],
      ['x-tier', 'gold'],
    ],
  )
  wire.send(OK)
  await client.message()
  await gateway.finish(t, [{ status: 200 }])
})
