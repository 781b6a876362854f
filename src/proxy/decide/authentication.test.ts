import t from 'tap'
import { mintKey } from '../../model/api-key.ts'
import type { KeyGrant } from '../../model/grant.ts'
import { compileNetworks } from '../../model/network.ts'
import type { Reason } from '../../model/outcome.ts'
import { startGateway } from '../../test/gateway.ts'

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'

function request(...fields: string[]): string {
  return `${['GET /r/x HTTP/1.1', 'Host: gw', ...fields].join('\r\n')}\r\n\r\n`
}

t.test('G9: a stranger learns nothing, who has the whole secret is told what is wrong with it', async (t) => {
  const gateway = await startGateway(t)
  const { directory } = gateway
  directory.tenant('asleep', { state: 'suspended' })
  directory.tenant('gone', { state: 'deleted' })
  const made = (changes: Parameters<typeof directory.key>[1]): string => {
    const minted = mintKey()
    directory.key(minted, changes ?? {})
    return minted.text
  }
  const cases: readonly (readonly [string | null, Reason, 'unauthenticated' | 'tenant_suspended', string])[] =
    [
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
  const told: Partial<Record<Reason, string>> = {
    expired_key: ' expired on ',
    revoked_key: ' has been revoked.',
    network: ' may not be used from 127.0.0.1.',
    suspended: ' is suspended.',
    deleted: ' no longer exists.',
  }
  for (const [key, reason] of cases) {
    client.send(key === null ? request() : request(`Authorization: Bearer ${key}`))
    const response = await client.message()
    t.equal(response.status, 401)
    t.match(response.field('www-authenticate') ?? '', /^Basic realm="Waybill".*, Bearer/)
    const id = response.field('x-request-id') ?? ''
    t.match(response.body, told[reason] ?? 'The key that was sent is not valid')
    if (told[reason] !== undefined) continue
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
})

t.test('E4: each form of a credential is one grammar that matches as a whole', async (t) => {
  const gateway = await startGateway(t)
  const client = await gateway.client()
  const { text } = gateway.key
  const base64 = (pair: string): string => Buffer.from(pair, 'latin1').toString('base64')
  const right = base64(`me:${text}`)
  const padded = base64(`m:${text}`) // ends in =
  const refused = [
    `Basic ${base64(text)}`, // no colon: RFC 7617 §2
    `Basic\t${right}`,
    `Basic ${right}!`,
    `Basic "${right}"`,
    `Basic ${right.slice(0, 8)} ${right.slice(8)}`,
    `Basic ${padded.replace(/=+$/, '')}`,
    `Basic ${padded}=`,
    `Basic ${base64(`me\r:${text}`)}`,
    `Basic ${base64(`me:${text}`).replaceAll('=', '')}, Basic ${right}`,
    `Bearer\t${text}`,
    `Bearer ${text},`,
    `Bearer "${text}"`,
    `Bearer ${text} x`,
    `${text},`,
    `"${text}"`,
  ]
  for (const value of refused) {
    client.send(request(`Authorization: ${value}`))
    t.equal((await client.message()).status, 401, value.replaceAll(text, 'KEY'))
  }
  // Bits of the last character that say nothing: RFC 4648 §3.5.
  const loose = base64(`ab:${text}`).replace(/(.)(=+)$/, (_, last: string, pad: string) => {
    const digits = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'
    return `${digits[digits.indexOf(last) + 1] ?? ''}${pad}`
  })
  if (loose.endsWith('=')) {
    client.send(request(`Authorization: Basic ${loose}`))
    t.equal((await client.message()).status, 401, 'not canonical')
  }
  for (const value of [
    `Basic ${right}`,
    `bAsIc  ${right}`,
    `Basic ${base64(`${text}:`)}`,
    `Bearer ${text}`,
    text,
  ]) {
    client.send(request(`Authorization: ${value}`))
    ;(await gateway.upstream.request()).wire.send(OK)
    t.equal((await client.message()).status, 200)
  }
})

t.test('E4: a key reaches no upstream and no entry, in whichever field, path or spelling', async (t) => {
  const gateway = await startGateway(t, { routes: [{}, { name: 'p', path: '/p/', auth: 'public' }] })
  const client = await gateway.client()
  const { text } = gateway.key
  const secret = text.slice(16)
  const encoded = Buffer.from(text).toString('hex').replaceAll(/../g, '%$&')
  const spellings = [text, text.replaceAll('_', '%5F'), text.replaceAll('_', '%255f'), encoded]
  const pair = Buffer.from(`${text}:any`).toString('base64')
  const lines = [
    ...spellings.map((key) => `Cookie: a=1; k=${key}`),
    ...spellings.map((key) => `Referer: http://h/?x=${key}`),
    `Authorization: Basic ${pair}`,
    `Authorization: Basic\t${pair}`,
    `Authorization: x${pair}`,
    `Private-Token: ${text}`,
  ]
  for (const [i, line] of lines.entries()) {
    const key = spellings[i % spellings.length] ?? ''
    client.send(`GET /p/${key}/x?q=${key}&keep=1 HTTP/1.1\r\nHost: gw\r\n${line}\r\n\r\n`)
    const { wire, message } = await gateway.upstream.request()
    const head = decodeURIComponent(decodeURIComponent(message.head.replaceAll(/%(?![0-9a-f]{2})/gi, '')))
    t.notMatch(head, secret, line.slice(0, 20))
    t.notMatch(head, pair)
    t.match(head, 'keep=1')
    wire.send(OK)
    await client.message()
  }
  t.equal(gateway.entries.length >= lines.length - 1, true)
  for (const { path } of gateway.entries) t.notMatch(decodeURIComponent(decodeURIComponent(path)), secret)
})

t.test('E4: a key is known by its value in names, hosts, hops and base64 as well', async (t) => {
  const trust = { trustedProxies: compileNetworks(['127.0.0.1']), publicProto: null, publicHost: null }
  const pass = { upstream: { origin: '', path: '/', authorization: null, upstreamHost: 'pass' } }
  const gateway = await startGateway(t, { trust, routes: [{ name: 'p', path: '/p/', auth: 'public' }] })
  const [route] = gateway.handler.routes.routes
  if (route === undefined) throw new Error('no route')
  gateway.setRoutes([{ ...route, upstream: { ...pass.upstream, origin: route.upstream.origin } }])
  const client = await gateway.client()
  const { text } = gateway.key
  // Whatever stands before it shifts its base64 by up to two octets.
  const pairs = ['', 'a:', 'ab:', 'docker:', '{"username":"me","password":"'].flatMap((before) =>
    (['base64', 'base64url'] as const).map((coding) => Buffer.from(`${before}${text}"}`).toString(coding)),
  )
  const hides = (shown: string): boolean =>
    !shown.includes(text.slice(16)) && pairs.every((pair) => !shown.includes(pair.slice(4, -6)))
  const request = (path: string, ...lines: string[]): string =>
    `${[`GET ${path} HTTP/1.1`, ...lines].join('\r\n')}\r\n\r\n`
  const served = [
    request('/p/x', 'Host: gw', `${text}: 1`),
    request('/p/x', 'Host: gw', `Via: 1.1 ${text}, 1.0 other`),
    request('/p/x', 'Host: gw', `X-Forwarded-Host: ${text}`),
    request('/p/x', 'Host: gw', `Forwarded: for=203.0.113.7;host=${text}`),
    ...pairs.flatMap((pair) => [
      request('/p/x', 'Host: gw', `X-Registry-Auth: ${pair}`),
      request('/p/x', 'Host: gw', `Cookie: a=b; auth="${pair}"`),
      request('/p/x', 'Host: gw', `X-Request-Id: ${pair}`),
      request(`/p/${encodeURIComponent(pair)}/x?basic=${encodeURIComponent(pair)}&keep=1`, 'Host: gw'),
    ]),
  ]
  for (const head of served) {
    client.send(head)
    const { wire, message } = await gateway.upstream.request()
    t.ok(hides(message.head), `${head}\nupstream: ${message.head}`)
    wire.send(OK)
    const answer = await client.message()
    t.equal(answer.status, 200)
    t.ok(hides(answer.head), `answer to ${head}`)
  }
  for (const host of [text, `${text}.example.com`, `${text}:443`, text.replaceAll('_', '%5f')]) {
    client.send(request('/p/x', `Host: ${host}`))
    t.equal((await client.message()).status, 400, 'a key is no host')
  }
  await gateway.quiet()
  t.equal(gateway.entries.length, served.length + 4)
  for (const entry of gateway.entries) t.ok(hides(JSON.stringify(entry)), JSON.stringify(entry))
})

t.test('E4: what only looks like base64 of a key passes as it came', async (t) => {
  const gateway = await startGateway(t, { routes: [{ name: 'p', path: '/p/', auth: 'public' }] })
  const client = await gateway.client()
  for (const value of [
    `d2Jf${'A'.repeat(80)}`,
    'diX3Yl'.repeat(20),
    Buffer.from('wb_short').toString('base64').repeat(9),
  ]) {
    client.send(`GET /p/${value}?q=${value} HTTP/1.1\r\nHost: gw\r\nX-Value: ${value}\r\n\r\n`)
    const { wire, message } = await gateway.upstream.request()
    t.equal(message.field('x-value'), value)
    t.equal(message.startLine, `GET /${value}?q=${value} HTTP/1.1`)
    wire.send(OK)
    await client.message()
  }
  await gateway.finish(t, [{ status: 200 }, { status: 200 }, { status: 200 }])
})

t.test('malformed keys by the thousand never cause a look-up', async (t) => {
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

t.test('two different keys are refused, the same key twice is one', async (t) => {
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

t.test('scopes decide by route and by reading or writing', async (t) => {
  const gateway = await startGateway(t, { routes: [{}, { name: 'other', path: '/o/' }] })
  const reader = mintKey()
  gateway.directory.key(reader, { scopeList: ['r:read'] })
  const client = await gateway.client()
  const ask = async (line: string, status: number): Promise<void> => {
    client.send(`${line} HTTP/1.1\r\nHost: gw\r\nX-Api-Key: ${reader.text}\r\n\r\n`)
    if (status === 200) (await gateway.upstream.request()).wire.send(OK)
    const response = await client.message({ isHead: line.startsWith('HEAD') })
    t.equal(response.status, status, line)
    if (status === 403) t.match(response.body, /needs the scope [a-z]+:(?:read|write), which the key /)
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

t.test('a key works from its networks only, as the trusted proxies see the client', async (t) => {
  const gateway = await startGateway(t)
  const key: Partial<KeyGrant> & { networkList: string[] } = { networkList: ['127.0.0.0/8', '::1'] }
  gateway.directory.key(gateway.key, key)
  const client = await gateway.client()
  client.send(gateway.head('GET /r/x HTTP/1.1', 'X-Forwarded-For: 192.0.2.1'))
  ;(await gateway.upstream.request()).wire.send(OK)
  t.equal((await client.message()).status, 200)
  await gateway.finish(t, [{ status: 200 }])
})

t.test('without a snapshot the answer is 503, never 401; a public route needs none', async (t) => {
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

t.test('a refused rate is answered with when to come back', async (t) => {
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

t.test('secrets in a query are masked in the entry', async (t) => {
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
