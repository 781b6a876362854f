import t from 'tap'
import { mintKey } from '../model/api-key.ts'
import type { KeyGrant } from '../model/grant.ts'
import type { Reason } from '../model/outcome.ts'
import { startGateway } from './test-gateway.ts'

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'

function request(...fields: string[]): string {
  return `${['GET /r/x HTTP/1.1', 'Host: gw', ...fields].join('\r\n')}\r\n\r\n`
}

void t.test(
  'whatever is wrong with a key, the client sees the same 401, and the entry says why',
  async (t) => {
    const gateway = await startGateway(t)
    const { directory } = gateway
    directory.tenant('asleep', { state: 'suspended' })
    directory.tenant('gone', { state: 'deleted' })
    const made = (changes: Parameters<typeof directory.key>[1]): string => {
      const minted = mintKey()
      directory.key(minted, changes ?? {})
      return minted.text
    }
    const cases: readonly (readonly [
      string | null,
      Reason,
      'unauthenticated' | 'tenant_suspended',
      string,
    ])[] = [
      [null, 'missing_key', 'unauthenticated', ''],
      ['garbage', 'malformed_key', 'unauthenticated', ''],
      [mintKey().text, 'unknown_key', 'unauthenticated', ''],
      [made({ expiresAtMs: Date.now() - 1 }), 'expired_key', 'unauthenticated', 'acme'],
      [made({ isRevoked: true }), 'revoked_key', 'unauthenticated', 'acme'],
      [made({ networkList: ['192.0.2.0/24'] }), 'network', 'unauthenticated', 'acme'],
      [made({ tenant: 'asleep' }), 'suspended', 'tenant_suspended', 'asleep'],
      [made({ tenant: 'gone' }), 'deleted', 'unauthenticated', 'gone'],
      [made({ tenant: 'nobody' }), 'deleted', 'unauthenticated', 'nobody'],
    ]
    const client = await gateway.client()
    const seen = new Set<string>()
    for (const [key] of cases) {
      client.send(key === null ? request() : request(`Authorization: Bearer ${key}`))
      const response = await client.message()
      t.equal(response.status, 401)
      t.match(response.field('www-authenticate') ?? '', /^Basic realm="Waybill".*, Bearer/)
      const id = response.field('x-request-id') ?? ''
      seen.add(
        (response.head + response.body)
          .replaceAll(id, 'ID')
          .replace(/date: .*/i, '')
          .replace(/content-length: \d+/i, ''),
      )
    }
    t.equal(seen.size, 1, 'not a byte tells them apart')
    t.same(directory.uses, [])
    t.equal(gateway.upstream.all.length, 0)
    await gateway.finish(
      t,
      cases.map(([, reason, outcome, tenant]) => ({ reason, outcome, tenant, status: 401 })),
    )
  },
)

void t.test('malformed keys by the thousand never cause a look-up', async (t) => {
  const gateway = await startGateway(t)
  const client = await gateway.client()
  const { text } = gateway.key
  const last = text.at(-1) === 'a' ? 'b' : 'a'
  const malformed = [
    '',
    'x',
    text.slice(1),
    `${text}x`,
    text.slice(0, -1) + last,
    text.toUpperCase(),
    `${text.slice(0, 20)}\xe9${text.slice(21)}`,
  ]
  for (let i = 0; i < 1000; i++) malformed.push(`wb_${i.toString().padStart(12, '0')}_${'A'.repeat(38)}`)
  client.send(malformed.map((key) => request(`X-Api-Key: ${key}`)).join(''))
  for (let i = 0; i < malformed.length; i++) t.equal((await client.message()).status, 401)
  t.same(gateway.directory.lookups, [])
  await gateway.finish(
    t,
    malformed.map(() => ({ status: 401 })),
  )
})

void t.test('two different keys are refused, the same key twice is one', async (t) => {
  const gateway = await startGateway(t)
  const client = await gateway.client()
  client.send(request(`X-Api-Key: ${gateway.key.text}`, `Authorization: Bearer ${mintKey().text}`))
  t.equal((await client.message()).status, 401)
  client.send(request(`X-Api-Key: ${gateway.key.text}`, `X-Api-Key: ${gateway.key.text}`))
  t.equal((await client.message()).status, 400)
  await gateway.finish(t, [
    { status: 401, reason: 'several_credentials' },
    { status: 400, reason: 'framing' },
  ])
})

void t.test('scopes decide by route and by reading or writing', async (t) => {
  const gateway = await startGateway(t, { routes: [{}, { name: 'other', path: '/o/' }] })
  const reader = mintKey()
  gateway.directory.key(reader, { scopeList: ['r:read'] })
  const client = await gateway.client()
  const ask = async (line: string, status: number): Promise<void> => {
    client.send(`${line} HTTP/1.1\r\nHost: gw\r\nX-Api-Key: ${reader.text}\r\n\r\n`)
    if (status === 200) (await gateway.upstream.request()).wire.send(OK)
    const response = await client.message({ isHead: line.startsWith('HEAD') })
    t.equal(response.status, status, line)
    if (status === 403) t.match(response.body, 'none of its scopes permits')
  }
  for (const method of ['GET', 'HEAD', 'OPTIONS']) await ask(`${method} /r/x`, 200)
  for (const method of ['POST', 'PUT', 'DELETE', 'PATCH', 'MKCOL']) await ask(`${method} /r/x`, 403)
  await ask('GET /o/x', 403)
  const refused = {
    outcome: 'forbidden',
    reason: 'scope',
    status: 403,
    tenant: 'acme',
    keyId: reader.id,
  } as const
  await gateway.finish(t, [
    { status: 200 },
    { status: 200 },
    { status: 200 },
    ...Array.from({ length: 6 }, () => refused),
  ])
})

void t.test('a key works from its networks only, as the trusted proxies see the client', async (t) => {
  const gateway = await startGateway(t)
  const key: Partial<KeyGrant> & { networkList: string[] } = { networkList: ['127.0.0.0/8', '::1'] }
  gateway.directory.key(gateway.key, key)
  const client = await gateway.client()
  client.send(gateway.head('GET /r/x HTTP/1.1', 'X-Forwarded-For: 192.0.2.1'))
  ;(await gateway.upstream.request()).wire.send(OK)
  t.equal((await client.message()).status, 200)
  await gateway.finish(t, [{ status: 200 }])
})

void t.test('without a snapshot the answer is 503, never 401; a public route needs none', async (t) => {
  const gateway = await startGateway(t, { routes: [{}, { name: 'p', path: '/p/', auth: 'public' }] })
  gateway.directory.snapshot = null
  const client = await gateway.client()
  client.send(gateway.head('GET /r/x HTTP/1.1'))
  const response = await client.message()
  t.equal(response.status, 503)
  t.match(response.body, 'have not been loaded')
  client.send('GET /p/x HTTP/1.1\r\nHost: gw\r\n\r\n')
  ;(await gateway.upstream.request()).wire.send(OK)
  t.equal((await client.message()).status, 200)
  await gateway.finish(t, [
    { outcome: 'not_ready', reason: 'no_snapshot', status: 503 },
    { status: 200, tenant: '' },
  ])
})

void t.test('a refused rate is answered with when to come back', async (t) => {
  const gateway = await startGateway(t)
  gateway.directory.tenant('acme', { rateLimit: { perSecond: 0.5, burst: 2 }, version: 2 })
  const client = await gateway.client()
  for (let i = 0; i < 2; i++) {
    client.send(gateway.head('GET /r/x HTTP/1.1'))
    ;(await gateway.upstream.request()).wire.send(OK)
    t.equal((await client.message()).status, 200)
  }
  client.send(gateway.head('GET /r/x HTTP/1.1'))
  const response = await client.message()
  t.equal(response.status, 429)
  t.equal(response.field('retry-after'), '2')
  t.equal(response.field('ratelimit-policy'), '"tenant-rate";q=2;w=4')
  t.equal(response.field('ratelimit'), '"tenant-rate";r=0;t=2')
  t.equal(gateway.upstream.all.length, 1)
  await gateway.finish(t, [
    { status: 200 },
    { status: 200 },
    { outcome: 'rate_limited', reason: 'tenant_rate', status: 429 },
  ])
})

void t.test('secrets in a query are masked in the entry', async (t) => {
  const gateway = await startGateway(t)
  const client = await gateway.client()
  client.send(
    gateway.head(
      `GET /r/${gateway.key.text}/x?token=abc&api_key=def&q=1&X-Amz-Signature=ghi HTTP/1.1`,
      `User-Agent: agent ${gateway.key.text}`,
    ),
  )
  ;(await gateway.upstream.request()).wire.send(OK)
  await client.message()
  await gateway.finish(t, [
    { path: `/r/wb_${gateway.key.id}_***/x?token=***&api_key=***&q=1&X-Amz-Signature=***` },
  ])
})
