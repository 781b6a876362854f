import t from 'tap'
import { mintKey } from '../model/api-key.ts'
import { startGateway, type TestGateway } from '../test/gateway.ts'
import { until, type Wire } from '../test/wire.ts'

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'
const EVIL = 'HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil'

function tenantHead(gateway: TestGateway, slug: string): (startLine: string, ...fields: string[]) => string {
  const key = mintKey()
  gateway.directory.tenant(slug)
  gateway.directory.key(key, { tenant: slug })
  return (startLine, ...fields) =>
    `${[startLine, 'Host: gw', `X-Api-Key: ${key.text}`, ...fields].join('\r\n')}\r\n\r\n`
}

async function ask(
  gateway: TestGateway,
  head: string,
  answer: string,
): Promise<{ client: Wire; wire: Wire }> {
  const client = await gateway.client()
  client.send(head)
  const { wire } = await gateway.upstream.request()
  wire.send(answer)
  await client.message({ isHead: head.startsWith('HEAD') })
  return { client, wire }
}

for (const [what, start, answer] of [
  ['HEAD', 'HEAD /r/x HTTP/1.1', 'HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n'],
  ['HEAD in chunks', 'HEAD /r/x HTTP/1.1', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n'],
  ['304', 'GET /r/x HTTP/1.1', 'HTTP/1.1 304 Not Modified\r\nContent-Length: 4\r\n\r\n'],
  ['204', 'GET /r/x HTTP/1.1', 'HTTP/1.1 204 No Content\r\n\r\n'],
  ['a length', 'GET /r/x HTTP/1.1', OK],
  [
    'chunks',
    'GET /r/x HTTP/1.1',
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n',
  ],
] as const) {
  for (const maxConnections of [1, 16]) {
    t.test(
      `E3: what comes late after ${what} is no other tenant's answer, ${maxConnections} at most`,
      async (t) => {
        const gateway = await startGateway(t, { routes: [{ maxConnections }] })
        const beta = tenantHead(gateway, 'beta')
        const { wire } = await ask(gateway, gateway.head(start), answer)
        const client = await gateway.client()
        client.send(beta('GET /r/beta HTTP/1.1'))
        const second = await gateway.upstream.request()
        t.not(second.wire, wire, 'another connection')
        wire.send(EVIL)
        second.wire.send(OK)
        t.equal((await client.message()).body, 'ok')
      },
    )
  }
}

t.test(
  'E3: a tenant goes on with its own connection at once, another with one that has rested',
  async (t) => {
    const pool = { maxAgeMs: 60_000, restMs: 0, slowAfterMs: 5000, slowBytesPerSecond: 0 }
    const gateway = await startGateway(t, { pool })
    const beta = tenantHead(gateway, 'beta')
    const { wire } = await ask(gateway, gateway.head('GET /r/x HTTP/1.1'), OK)
    t.equal((await ask(gateway, gateway.head('GET /r/x HTTP/1.1'), OK)).wire, wire)
    t.equal((await ask(gateway, beta('GET /r/x HTTP/1.1'), OK)).wire, wire, 'rested')
    wire.send(EVIL)
    await until(() => gateway.pools.stats[0]?.idle === 0, 'the connection to be given up')
    const next = await ask(gateway, gateway.head('GET /r/x HTTP/1.1'), OK)
    t.not(
      (await ask(gateway, beta('GET /r/x HTTP/1.1'), OK)).wire,
      next.wire,
      'and this upstream is trusted no more',
    )
  },
)

t.test('E3: many tenants in turn cost no connection each', async (t) => {
  const gateway = await startGateway(t, { routes: [{ maxConnections: 2 }] })
  const heads = Array.from({ length: 20 }, (_, i) => tenantHead(gateway, `t${i}`))
  const startedTick = performance.now()
  for (let round = 0; round < 10; round++) {
    for (const head of heads) await ask(gateway, head('GET /r/x HTTP/1.1'), OK)
  }
  const bound = 32 + (32 * (performance.now() - startedTick + 500)) / 1000 + 2
  const opened = gateway.upstream.all.length
  t.ok(opened <= bound, `${opened} connections, ${bound} at most`)
})

for (const [what, fields, answer] of [
  ['NTLM asked', ['Authorization: NTLM TlRMTVNTUAAB'], OK],
  ['ntlm asked, in small letters', ['Authorization: ntlm TlRMTVNTUAAB'], OK],
  ['Negotiate asked', ['Authorization: Negotiate YIIZ'], OK],
  ['Negotiate and a tab', ['Authorization: Negotiate\tYIIZ'], OK],
  ['NTLM offered', [], 'HTTP/1.1 401 No\r\nWWW-Authenticate: NTLM\r\nContent-Length: 0\r\n\r\n'],
  [
    'NTLM in a list',
    [],
    'HTTP/1.1 401 No\r\nwww-authenticate: Basic realm="x", NTLM\r\nContent-Length: 0\r\n\r\n',
  ],
  [
    'Negotiate continued',
    [],
    'HTTP/1.1 200 OK\r\nWWW-Authenticate: Negotiate oYG2\r\nContent-Length: 0\r\n\r\n',
  ],
  ['Persistent-Auth', [], 'HTTP/1.1 200 OK\r\nPersistent-Auth: true\r\nContent-Length: 0\r\n\r\n'],
] as const) {
  t.test(`R13: a connection that was authenticated serves nobody else: ${what}`, async (t) => {
    const gateway = await startGateway(t)
    const alpha = tenantHead(gateway, 'alpha')
    const { wire } = await ask(gateway, alpha('GET /r/x HTTP/1.1', ...fields), answer)
    await until(() => wire.hasEnded || wire.isClosed, 'the connection to end')
    const again = await ask(gateway, alpha('GET /r/x HTTP/1.1'), OK)
    t.not(again.wire, wire)
    t.equal((await ask(gateway, alpha('GET /r/x HTTP/1.1'), OK)).wire, again.wire, 'others are kept')
  })
}

t.test('R08: a kept connection is renewed at its age', async (t) => {
  const pool = { maxAgeMs: 150, restMs: 0, slowAfterMs: 5000, slowBytesPerSecond: 0 }
  const gateway = await startGateway(t, { pool })
  const { wire } = await ask(gateway, gateway.head('GET /r/x HTTP/1.1'), OK)
  const startedTick = performance.now()
  let last = wire
  await until(() => performance.now() - startedTick > 160, 'its age')
  last = (await ask(gateway, gateway.head('GET /r/x HTTP/1.1'), OK)).wire
  t.not(last, wire)
  await until(() => wire.isClosed || wire.hasEnded, 'the old one to end')
})

t.test(
  'E7: a tenant whose name makes another host of the upstream is refused with an outcome of its own',
  async (t) => {
    const { port } = new URL('http://x:1')
    t.equal(port, '1')
    for (const [slug, origin] of [
      ['2130706433', 'http://{tenant}'],
      ['2130706433', 'http://{tenant}:80'],
      ['0x7f', 'http://{tenant}.1'],
      ['127', 'http://{tenant}.1'],
      ['017700000001', 'http://{tenant}'],
      ['254', 'http://169.254.169.{tenant}'],
      ['xn--a', 'http://{tenant}.example'],
      ['xn--a', 'https://{tenant}'],
      ['localhost', 'http://{tenant}'],
      ['localhost', 'http://{tenant}:8080'],
    ] as const) {
      const upstream = { origin, path: '/', authorization: null }
      const gateway = await startGateway(t, { routes: [{ upstream }] })
      const head = tenantHead(gateway, slug)
      for (const fields of [[], ['Connection: Upgrade', 'Upgrade: websocket']]) {
        const client = await gateway.client()
        client.send(head('GET /r/x HTTP/1.1', ...fields))
        t.equal((await client.message()).status, 502, `${slug} in ${origin}`)
      }
      const refused = { outcome: 'upstream_invalid', status: 502 } as const
      await gateway.finish(t, [refused, refused])
    }
  },
)

t.test('E7: a name that stays what it is reaches its upstream', async (t) => {
  const gateway = await startGateway(t)
  const { port } = gateway.upstream
  const upstream = { origin: `http://127.0.0.{tenant}:${port}`, path: '/', authorization: null }
  gateway.setRoutes(gateway.handler.routes.routes.map((route) => ({ ...route, upstream })))
  const { client } = await ask(gateway, tenantHead(gateway, '1')('GET /r/x HTTP/1.1'), OK)
  t.notOk(client.isClosed)
})

t.test('R23: the upstream is told the Host that the client asked for, or a fixed one', async (t) => {
  for (const [upstreamHost, expected] of [
    ['pass', 'bucket.example:8443'],
    ['s3.example.com', 's3.example.com'],
    [null, null],
  ] as const) {
    const gateway = await startGateway(t)
    gateway.setRoutes(
      gateway.handler.routes.routes.map((route) => ({
        ...route,
        upstream: { ...route.upstream, upstreamHost },
      })),
    )
    for (const fields of [[], ['Connection: Upgrade', 'Upgrade: websocket']]) {
      const client = await gateway.client()
      const head = gateway.head('GET /r/x HTTP/1.1', ...fields)
      client.send(head.replace('Host: gw', 'Host: bucket.example:8443'))
      const { wire, message } = await gateway.upstream.request()
      t.equal(message.field('host'), expected ?? `127.0.0.1:${gateway.upstream.port}`)
      t.equal(message.fields.filter(([name]) => name === 'host').length, 1)
      wire.send(OK)
      await client.message()
    }
  }
})
