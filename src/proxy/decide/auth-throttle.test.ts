import t from 'tap'
import { mintKey } from '../../model/api-key.ts'
import { compileNetworks } from '../../model/network.ts'
import { startGateway, type TestGateway } from '../../test/gateway.ts'
import type { Wire } from '../../test/wire.ts'

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'
/** Slow enough that nothing comes back while a test runs. */
const FAILURES = { perMinute: 1, burst: 5, maxSources: 100 }
const TRUST = { trustedProxies: compileNetworks(['127.0.0.1']), publicProto: null, publicHost: null }

/** Both ways in which a request is read. */
const WAYS = {
  'plain request': (...fields: string[]) => head('GET /r/x HTTP/1.1', ...fields),
  "request of Node's parser": (...fields: string[]) =>
    `${head('POST /r/x HTTP/1.1', 'Transfer-Encoding: chunked', ...fields)}0\r\n\r\n`,
} as const

function head(...lines: string[]): string {
  return `${lines.join('\r\n')}\r\nHost: gw\r\n\r\n`
}

function bearer(key: string): string {
  return `Authorization: Bearer ${key}`
}

async function statusOf(client: Wire, request: string): Promise<number> {
  client.send(request)
  return (await client.message()).status
}

/** A request with the good key of `gateway` goes through. */
async function isServed(gateway: TestGateway, client: Wire, request: string): Promise<boolean> {
  client.send(request)
  ;(await gateway.upstream.request()).wire.send(OK)
  return (await client.message()).status === 200
}

for (const [way, request] of Object.entries(WAYS)) {
  t.test(`E5: after 300 wrong keys a valid one from the same address is served: ${way}`, async (t) => {
    const gateway = await startGateway(t, { failures: FAILURES })
    const client = await gateway.client()
    const statuses: number[] = []
    for (let i = 0; i < 300; i++) {
      const text = i % 2 === 0 ? mintKey().text : 'garbage'
      statuses.push(await statusOf(client, request(bearer(text))))
    }
    t.same(statuses.slice(0, 5), [401, 401, 401, 401, 401])
    t.same(new Set(statuses.slice(5)), new Set([429]))
    t.ok(await isServed(gateway, client, request(bearer(gateway.key.text))))
    t.equal(await statusOf(client, request(bearer('garbage'))), 429)
    t.equal(await statusOf(client, request()), 401, 'who presents nothing is asked for credentials')
    await gateway.quiet()
    t.equal(gateway.limiter.stats.refusals.auth_throttled, 296)
    t.match(gateway.entries.at(-2), {
      outcome: 'rate_limited',
      reason: 'auth_throttled',
      tenant: '',
      keyId: '',
    })
  })

  t.test(`E5: requests without credentials are never counted: ${way}`, async (t) => {
    const gateway = await startGateway(t, { failures: FAILURES })
    const client = await gateway.client()
    for (let i = 0; i < 50; i++) {
      client.send(request())
      const answer = await client.message()
      if (answer.status !== 401 || answer.field('www-authenticate') === undefined)
        t.fail(`answered ${answer.status}`)
    }
    t.equal(gateway.limiter.stats.buckets, 0)
    t.equal(await statusOf(client, request(bearer('garbage'))), 401, 'the first wrong one')
  })

  t.test(`E5: beyond the bound a revoked or expired key runs up nobody's usage: ${way}`, async (t) => {
    const gateway = await startGateway(t, { failures: FAILURES })
    const revoked = mintKey()
    const expired = mintKey()
    gateway.directory.key(revoked, { isRevoked: true })
    gateway.directory.key(expired, { expiresAtMs: 1 })
    const client = await gateway.client()
    for (let i = 0; i < 40; i++) {
      client.send(request(bearer(i % 2 === 0 ? revoked.text : expired.text)))
      const answer = await client.message()
      if (i < 5) continue
      if (i === 5) {
        t.equal(answer.status, 429)
        t.equal(answer.field('retry-after'), '60')
        t.equal(answer.field('ratelimit-policy'), '"auth-throttled";q=5;w=300')
        t.match(JSON.parse(answer.body), { detail: /valid ones are served\. Retry in 60 s\./ })
      }
      t.notMatch(answer.body, /revoked|expired/)
    }
    await gateway.quiet()
    t.equal(gateway.entries.filter(({ tenant }) => tenant === 'acme').length, 5)
    const rest = gateway.entries.slice(5)
    t.equal(rest.length, 35)
    for (const entry of rest)
      t.match(entry, {
        tenant: '',
        keyId: '',
        outcome: 'rate_limited',
        reason: 'auth_throttled',
        status: 429,
      })
  })
}

t.test('E5: WebSocket handshakes with wrong keys are counted alike', async (t) => {
  const gateway = await startGateway(t, { failures: { ...FAILURES, burst: 2 } })
  const fields = ['Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Version: 13']
  const handshake = head(
    'GET /r/x HTTP/1.1',
    ...fields,
    'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==',
    bearer('no'),
  )
  const statuses: number[] = []
  for (let i = 0; i < 4; i++) statuses.push(await statusOf(await gateway.client(), handshake))
  t.same(statuses, [401, 401, 429, 429])
})

t.test(
  'E5: an IPv4 address is one source, in IPv6 a /64 is; who is unknown is never throttled',
  async (t) => {
    const gateway = await startGateway(t, { failures: { ...FAILURES, burst: 1 }, trust: TRUST })
    const client = await gateway.client()
    const from = (address: string): Promise<number> =>
      statusOf(client, WAYS['plain request'](bearer('garbage'), `X-Forwarded-For: ${address}`))
    t.equal(await from('203.0.113.7'), 401)
    t.equal(await from('203.0.113.7'), 429)
    t.equal(await from('::ffff:203.0.113.7'), 429, 'the same address, written otherwise')
    t.equal(await from('203.0.113.8'), 401)
    t.equal(await from('2001:db8:1:2::1'), 401)
    t.equal(await from('2001:db8:1:2:ffff::9'), 429)
    t.equal(await from('2001:db8:1:3::1'), 401)
    for (let i = 0; i < 20; i++) t.equal(await from('unknown'), 401)
  },
)

t.test('E5: the wall clock does not matter to the throttle', async (t) => {
  let nowMs = Date.UTC(2026, 0, 1)
  const gateway = await startGateway(t, { failures: { ...FAILURES, burst: 1 }, now: () => nowMs })
  const client = await gateway.client()
  const request = WAYS['plain request'](bearer('garbage'))
  t.equal(await statusOf(client, request), 401)
  nowMs += 86_400_000
  t.equal(await statusOf(client, request), 429)
  nowMs -= 10 * 86_400_000
  t.equal(await statusOf(client, request), 429)
})

t.test(
  "E5: Maven's first requests, each without credentials, are no attack: 128 of 702 in one build",
  async (t) => {
    const gateway = await startGateway(t, { failures: FAILURES, routes: [{ kind: 'maven' }] })
    const client = await gateway.client()
    const request = WAYS['plain request']
    for (let i = 0; i < 702; i++) {
      if (i < 128) t.equal(await statusOf(client, request()), 401)
      else if (!(await isServed(gateway, client, request(bearer(gateway.key.text))))) t.fail('not served')
    }
    t.equal(gateway.limiter.stats.buckets, 0, 'nothing was counted')
    t.equal(gateway.limiter.stats.refusals.auth_throttled, 0)
  },
)

t.test(
  'a login is never answered 429: no rate holds for it, and a wrong key is wrong however often',
  async (t) => {
    const gateway = await startGateway(t, { failures: { ...FAILURES, burst: 2 } })
    gateway.directory.tenant('acme', { rateLimit: { perSecond: 0.01, burst: 1 }, maxConcurrency: 1 })
    const { handler } = gateway
    const open = handler.open.bind(handler)
    handler.open = (...args) => {
      const exchange = open(...args)
      exchange.isLogin = true
      return exchange
    }
    const client = await gateway.client()
    const request = WAYS['plain request']
    for (let i = 0; i < 10; i++) t.equal(await statusOf(client, request(bearer('garbage'))), 401)
    for (let i = 0; i < 10; i++) t.ok(await isServed(gateway, client, request(bearer(gateway.key.text))))
    await gateway.quiet()
    t.equal(gateway.limiter.stats.refusals.tenant_rate, 0)
    t.same(
      gateway.entries.slice(0, 4).map(({ reason }) => reason),
      ['malformed_key', 'malformed_key', 'auth_throttled', 'auth_throttled'],
    )
    t.equal(gateway.limiter.stats.inFlightTenants, 0)
  },
)
