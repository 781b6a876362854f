import t, { type Test } from 'tap'
import type { FollowRules } from '../../model/upstream/follow-rules.ts'
import { startGateway, testRoute, type TestGateway } from '../../test/gateway.ts'
import { RawUpstream } from '../../test/wire.ts'
import { followRedirects } from './follow-redirects.ts'

const GET = 'GET /r/x HTTP/1.1'
const REFUSED = { outcome: 'upstream_reset', reason: 'redirects', status: 502 } as const

interface Parts {
  readonly gateway: TestGateway
  readonly blobs: RawUpstream
}

/** A gateway that follows its upstream's redirects to a store of blobs. */
async function start(t: Test, more: Partial<FollowRules> = {}): Promise<Parts> {
  const blobs = await RawUpstream.start()
  t.teardown(() => blobs.stop())
  const gateway = await startGateway(t, { interceptors: [followRedirects] })
  const hosts = [{ protocol: 'http:', name: '127.0.0.1', port: String(blobs.port) }] as const
  const route = testRoute(gateway.upstream.port)
  gateway.setRoutes([
    {
      ...route,
      upstream: { ...route.upstream, authorization: 'Bearer upstream-secret' },
      followRedirects: { hosts, maxHops: 3, others: 'pass', ...more },
    },
  ])
  return { gateway, blobs }
}

/** The next request to `from` is redirected. */
async function redirect(from: RawUpstream, location: string, body = '') {
  const { wire, message } = await from.request()
  wire.send(
    `HTTP/1.1 307 Temporary Redirect\r\nLocation: ${location}\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
  )
  return message
}

t.test(
  'a redirect to a listed host is followed without what is secret, and the client sees the last answer',
  async (t) => {
    const { gateway, blobs } = await start(t)
    const client = await gateway.client()
    const at = `http://127.0.0.1:${blobs.port}`
    client.send(gateway.head(GET, 'Range: bytes=0-1', 'If-Range: "e"', 'Cookie: a=secret'))
    const first = await redirect(gateway.upstream, `${at}/blob?sig=1#f`, 'moved')
    t.equal(first.field('authorization'), 'Bearer upstream-secret')
    const { wire, message } = await blobs.request()
    t.equal(message.startLine, 'GET /blob?sig=1 HTTP/1.1')
    t.equal(message.field('host'), `127.0.0.1:${blobs.port}`)
    t.equal(message.field('range'), 'bytes=0-1')
    t.equal(message.field('if-range'), '"e"')
    t.notMatch(message.head, /secret/)
    t.notMatch(message.head, gateway.key.text)
    wire.send(
      'HTTP/1.1 206 Partial Content\r\nContent-Length: 2\r\nSet-Cookie: a=b\r\nContent-Location: /blob\r\n\r\nok',
    )
    const answer = await client.message()
    t.equal(answer.status, 206)
    t.equal(answer.body, 'ok')
    t.equal(answer.field('set-cookie'), null)
    t.equal(answer.field('content-location'), `${at}/blob`)
    await gateway.finish(t, [
      { status: 206, bytesSent: 2, upstream: `127.0.0.1:${blobs.port}`, path: '/r/x' },
    ])
  },
)

t.test('circles and long ways end in 502, and a challenge of a store is not for the client', async (t) => {
  const { gateway, blobs } = await start(t)
  const client = await gateway.client()
  const at = `http://127.0.0.1:${blobs.port}`
  client.send(gateway.head(GET))
  await redirect(gateway.upstream, `${at}/a`)
  await redirect(blobs, '/b')
  await redirect(blobs, '/a')
  t.match((await client.message()).status, 502)
  client.send(gateway.head(GET))
  await redirect(gateway.upstream, `${at}/1`)
  await redirect(blobs, '/2')
  await redirect(blobs, '/3')
  await redirect(blobs, '/4')
  t.match((await client.message()).status, 502)
  client.send(gateway.head(GET))
  await redirect(gateway.upstream, `${at}/1`)
  const { wire } = await blobs.request()
  wire.send('HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n')
  const refused = await client.message()
  t.equal(refused.status, 502)
  t.equal(refused.field('www-authenticate'), null)
  await gateway.finish(t, [REFUSED, REFUSED, { reason: 'upstream_auth', status: 502 }])
})

t.test('all other redirects are handed through, or refused where the route says so', async (t) => {
  const { gateway, blobs } = await start(t)
  const client = await gateway.client()
  const at = `http://127.0.0.1:${blobs.port}`
  for (const location of [
    'https://elsewhere.example/x',
    `https://127.0.0.1:${blobs.port}/x`,
    `http://u:p@127.0.0.1:${blobs.port}/x`,
    'http://169.254.169.254/latest/',
    'ftp://127.0.0.1/x',
  ]) {
    client.send(gateway.head(GET))
    await redirect(gateway.upstream, location)
    t.equal((await client.message()).field('location'), location)
  }
  client.send(gateway.head(GET))
  await redirect(gateway.upstream, '/other')
  t.equal((await client.message()).field('location'), '/r/other')
  client.send(gateway.head('POST /r/x HTTP/1.1', 'Content-Length: 0'))
  await redirect(gateway.upstream, `${at}/x`)
  t.equal((await client.message()).status, 307, 'what writes is not followed')
  t.equal(blobs.all.length, 0)
  const [route] = gateway.handler.routes.routes
  if (route?.followRedirects === null || route === undefined) throw new Error('no rules')
  gateway.setRoutes([{ ...route, followRedirects: { ...route.followRedirects, others: 'refuse' } }])
  client.send(gateway.head(GET))
  await redirect(gateway.upstream, 'https://elsewhere.example/x')
  t.equal((await client.message()).status, 502)
  client.send(gateway.head(GET))
  await redirect(gateway.upstream, '/other')
  t.equal((await client.message()).field('location'), '/r/other')
  await gateway.quiet()
})

t.test('a client that leaves, and a host that fails, end what is under way', async (t) => {
  const { gateway, blobs } = await start(t)
  const at = `http://127.0.0.1:${blobs.port}`
  const leaving = await gateway.client()
  leaving.send(gateway.head(GET))
  await redirect(gateway.upstream, `${at}/x`)
  const { wire } = await blobs.request()
  leaving.reset()
  await wire.closed()
  const client = await gateway.client()
  client.send(gateway.head(GET))
  await redirect(gateway.upstream, `${at}/x`)
  ;(await blobs.request()).wire.reset()
  t.equal((await client.message()).status, 502)
  await gateway.finish(t, [{ outcome: 'client_closed' }, { outcome: 'upstream_reset', status: 502 }])
})
