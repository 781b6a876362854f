import { createHmac } from 'node:crypto'
import t, { type Test } from 'tap'
import type { Route } from '../../model/route.ts'
import { startGateway, type TestGateway } from '../../test/gateway.ts'
import type { Message } from '../../test/wire.ts'

const SECRET = 'the secret of the sender'
const BODY = '{"ref":"refs/heads/main"}'

function hookRoute(changes: Partial<Route> = {}): Partial<Route> {
  const signature = {
    tenant: 'signing',
    scheme: 'github',
    secrets: [SECRET],
    toleranceMs: 300_000,
    hmac: null,
    tokenHeader: null,
  } as const
  return { kind: 'integration', auth: 'signature', signature, maxBodyBytes: 1000, ...changes }
}

async function hooks(
  t: Test,
  options: Parameters<typeof startGateway>[1] = {},
  tenant: Parameters<TestGateway['directory']['tenant']>[1] = {},
): Promise<TestGateway> {
  const gateway = await startGateway(t, { routes: [hookRoute()], ...options })
  gateway.directory.tenant('signing', tenant)
  return gateway
}

const sign = (body: string, secret = SECRET): string =>
  `X-Hub-Signature-256: sha256=${createHmac('sha256', secret).update(body).digest('hex')}`

type Style = 'whole' | 'late' | 'chunked'

async function post(
  gateway: TestGateway,
  body: string,
  fields: readonly string[],
  options: { style?: Style; passes?: boolean } = {},
): Promise<{ asked: Message | null; got: Message }> {
  const { style = 'whole', passes = false } = options
  const client = await gateway.client()
  const length = style === 'chunked' ? 'Transfer-Encoding: chunked' : `Content-Length: ${body.length}`
  const head = ['POST /r/hook?x=1 HTTP/1.1', 'Host: gw', ...fields, length].join('\r\n')
  const sent = style === 'chunked' ? `${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n` : body
  if (style === 'whole') client.send(`${head}\r\n\r\n${sent}`)
  else {
    client.send(`${head}\r\n\r\n`)
    await new Promise((resolve) => setImmediate(resolve))
    client.send(sent)
  }
  if (!passes) return { asked: null, got: await client.message() }
  const { wire, message } = await gateway.upstream.request()
  wire.send('HTTP/1.1 202 Accepted\r\nContent-Length: 2\r\n\r\nok')
  return { asked: message, got: await client.message() }
}

t.test('what is signed reaches the receiver as it came, whole, late or in chunks', async (t) => {
  const gateway = await hooks(t)
  const signature = sign(BODY)
  for (const style of ['whole', 'late', 'chunked'] as const) {
    const { asked, got } = await post(gateway, BODY, [signature, 'X-GitHub-Event: push'], {
      style,
      passes: true,
    })
    t.equal(got.status, 202, style)
    t.equal(asked?.body, BODY)
    t.equal(asked?.field('content-length'), String(BODY.length))
    t.equal(asked?.field('transfer-encoding'), null)
    t.equal(asked?.field('x-hub-signature-256'), signature.slice('X-Hub-Signature-256: '.length))
    t.equal(asked?.field('x-github-event'), 'push')
  }
  const entry = {
    tenant: 'signing',
    keyId: '',
    status: 202,
    outcome: 'forwarded' as const,
    bytesReceived: BODY.length,
  }
  await gateway.finish(t, [entry, entry, entry])
})

t.test('what is not signed reaches nobody, is nobody’s, and is one entry', async (t) => {
  const gateway = await hooks(t)
  const wrong = [
    ['missing_signature', []],
    ['wrong_signature', [sign(`${BODY} `)]],
    ['wrong_signature', [sign(BODY, 'another secret')]],
    ['malformed_signature', ['X-Hub-Signature-256: sha1=00']],
    ['malformed_signature', [sign(BODY), sign(BODY)]],
    ['missing_signature', [`Authorization: Bearer ${gateway.key.text}`]],
  ] as const
  for (const [reason, fields] of wrong)
    for (const style of ['whole', 'late', 'chunked'] as const) {
      const { got } = await post(gateway, BODY, fields, { style })
      t.equal(got.status, 401, `${reason} ${style}`)
      t.notMatch(got.body, SECRET)
    }
  const entries = wrong.flatMap(([reason]) =>
    Array.from({ length: 3 }, () => ({
      tenant: '',
      status: 401,
      outcome: 'unauthenticated' as const,
      reason,
    })),
  )
  await gateway.finish(t, entries)
})

t.test('a body that is longer than the route takes is not held', async (t) => {
  const gateway = await hooks(t)
  const long = 'x'.repeat(1001)
  for (const style of ['whole', 'late', 'chunked'] as const)
    t.equal((await post(gateway, long, [sign(long)], { style })).got.status, 413, style)
  const entry = { status: 413, outcome: 'body_too_large' as const, tenant: '' }
  await gateway.finish(t, [entry, entry, entry])
})

t.test('limits of the tenant hold for what is signed, and are not used up by what is not', async (t) => {
  const gateway = await hooks(t, {}, { rateLimit: { perSecond: 0.001, burst: 1 } })
  for (let i = 0; i < 3; i++) t.equal((await post(gateway, BODY, [sign('x')])).got.status, 401)
  t.equal((await post(gateway, BODY, [sign(BODY)], { passes: true })).got.status, 202)
  const { got } = await post(gateway, BODY, [sign(BODY)])
  t.equal(got.status, 429)
  t.match(got.field('retry-after'), /^\d+$/)
  const none = { status: 401, tenant: '' }
  await gateway.finish(t, [
    none,
    none,
    none,
    { status: 202, tenant: 'signing' },
    { status: 429, tenant: 'signing', reason: 'tenant_rate' as const },
  ])
})

t.test('a suspended or unknown tenant takes nothing', async (t) => {
  const gateway = await hooks(t, {}, { state: 'suspended' })
  t.equal((await post(gateway, BODY, [sign(BODY)])).got.status, 401)
  gateway.directory.tenant('signing', { state: 'deleted' })
  t.equal((await post(gateway, BODY, [sign(BODY)])).got.status, 401)
  await gateway.finish(t, [
    { status: 401, reason: 'suspended' as const, tenant: '' },
    { status: 401, reason: 'deleted' as const, tenant: '' },
  ])
})

t.test('who tries many signatures is told no more; one that is right passes', async (t) => {
  const gateway = await hooks(t, { failures: { perMinute: 1, burst: 2, maxSources: 10 } })
  const statuses: number[] = []
  for (let i = 0; i < 4; i++) statuses.push((await post(gateway, BODY, [sign(String(i))])).got.status)
  t.same(statuses, [401, 401, 429, 429])
  t.equal((await post(gateway, BODY, [sign(BODY)], { passes: true })).got.status, 202)
  await gateway.finish(t, [
    { status: 401 },
    { status: 401 },
    { status: 429, reason: 'auth_throttled' as const },
    { status: 429, reason: 'auth_throttled' as const },
    { status: 202 },
  ])
})

t.test('what the head alone tells is answered before the body', async (t) => {
  const signature = {
    tenant: 'signing',
    scheme: 'gitlab',
    secrets: [SECRET],
    toleranceMs: 1,
    hmac: null,
  } as const
  const token = hookRoute({ path: '/g/', name: 'g', signature: { ...signature, tokenHeader: null } })
  const gateway = await hooks(t, { routes: [hookRoute(), token] })
  const begin = async (path: string, ...fields: string[]) => {
    const client = await gateway.client()
    client.send(
      ['POST ' + path + ' HTTP/1.1', 'Host: gw', ...fields, 'Content-Length: 900'].join('\r\n') + '\r\n\r\n{',
    )
    return client
  }
  t.equal((await (await begin('/r/x')).message()).status, 401)
  t.equal((await (await begin('/r/x', 'X-Hub-Signature-256: x')).message()).status, 401)
  t.equal((await (await begin('/g/x', 'X-Gitlab-Token: wrong')).message()).status, 401)
  const client = await begin('/g/x', `X-Gitlab-Token: ${SECRET}`)
  client.send('x'.repeat(899))
  const { wire, message } = await gateway.upstream.request()
  t.equal(message.body.length, 900, 'streamed on')
  wire.send('HTTP/1.1 204 No Content\r\n\r\n')
  t.equal((await client.message()).status, 204)
  await gateway.finish(t, [
    { reason: 'missing_signature' },
    { reason: 'malformed_signature' },
    { reason: 'wrong_signature' },
    { status: 204, tenant: 'signing', bytesReceived: 900 },
  ])
})

t.test('what is under way ends when the tenant of its sender is suspended', async (t) => {
  const gateway = await hooks(t)
  const client = await gateway.client()
  client.send(
    `POST /r/hook HTTP/1.1\r\nHost: gw\r\n${sign(BODY)}\r\nContent-Length: ${BODY.length}\r\n\r\n${BODY}`,
  )
  const { wire } = await gateway.upstream.request()
  gateway.directory.tenant('signing', { state: 'suspended' })
  t.equal((await client.message()).status, 401)
  await wire.closed()
  await gateway.finish(t, [{ status: 401, reason: 'suspended' as const, tenant: 'signing' }])
})

t.test('a client that leaves in the middle of its signed body is an entry, and holds nothing', async (t) => {
  const gateway = await hooks(t)
  const client = await gateway.client()
  client.send(`POST /r/hook HTTP/1.1\r\nHost: gw\r\n${sign(BODY)}\r\nContent-Length: 500\r\n\r\n${BODY}`)
  await new Promise((resolve) => setImmediate(resolve))
  client.reset()
  await gateway.finish(t, [{ outcome: 'client_closed', tenant: '' }])
})
