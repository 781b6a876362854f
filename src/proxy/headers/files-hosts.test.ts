import t, { type Test } from 'tap'
import type { Route } from '../../model/route.ts'
import { startGateway, type TestGateway } from '../../test/gateway.ts'
import { RawUpstream } from '../../test/wire.ts'

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'
const SECRETS = {
  authorization: 'Bearer upstream-secret',
  set: ['X-Repository-Key', 'repository-secret'],
} as const

interface Parts {
  readonly gateway: TestGateway
  readonly files: RawUpstream
  readonly name: string
}

/** A gateway with a files host beside its upstream, which gets the route's secrets unless `auth` says otherwise. */
async function startWithFiles(t: Test, auth: boolean, more: Partial<Route> = {}): Promise<Parts> {
  const files = await RawUpstream.start()
  t.teardown(() => files.stop())
  const name = `127.0.0.1:${files.port}`
  const gateway = await startGateway(t)
  const [route] = gateway.handler.routes.routes
  if (route === undefined) throw new Error('no route')
  gateway.setRoutes([
    {
      ...route,
      upstream: { ...route.upstream, authorization: SECRETS.authorization, upstreamHost: 'repo.example.com' },
      rules: { ...route.rules, headers: { set: SECRETS.set, removed: ['x-repository-key'] } },
      files: [{ origin: `http://${name}`, host: name, path: '/packages/', auth }],
      ...more,
    },
  ])
  return { gateway, files, name }
}

t.test('a files host is asked without anything that is for the upstream or of the client', async (t) => {
  const { gateway, files, name } = await startWithFiles(t, false)
  const client = await gateway.client()
  client.send(
    gateway.head(
      `GET /r/~/${name}/packages/a.whl?v=1 HTTP/1.1`,
      'Range: bytes=0-1',
      'If-Range: "e"',
      'Accept: */*',
      'User-Agent: pip/23',
      'Cookie: session=client-secret',
      'Private-Token: client-secret',
      'X-Repository-Key: client-secret',
      'X-Forwarded-For: 10.0.0.1',
      'X-Amz-Security-Token: client-secret',
      'X-Ms-Blob-Type: BlockBlob',
    ),
  )
  const { wire, message } = await files.request()
  t.equal(message.startLine, 'GET /packages/a.whl?v=1 HTTP/1.1')
  t.equal(message.field('host'), name)
  t.notMatch(message.head, /secret/i)
  t.notMatch(message.head, gateway.key.text)
  const names = message.fields.map(([field]) => field).toSorted()
  t.same(
    names,
    'accept connection host if-range range traceparent user-agent via x-ms-blob-type x-request-id'.split(' '),
  )
  wire.send('HTTP/1.1 206 Partial Content\r\nContent-Length: 2\r\nContent-Range: bytes 0-1/9\r\n\r\nok')
  const answer = await client.message()
  t.equal(answer.status, 206)
  t.equal(answer.body, 'ok')
  client.send(gateway.head('GET /r/x HTTP/1.1'))
  const own = await gateway.upstream.request()
  t.equal(own.message.field('authorization'), SECRETS.authorization)
  own.wire.send(OK)
  await client.message()
  await gateway.finish(t, [
    { status: 206, upstream: name, path: `/r/~/${name}/packages/a.whl?v=1`, route: 'r', bytesSent: 2 },
    { status: 200, upstream: `127.0.0.1:${gateway.upstream.port}` },
  ])
})

t.test('a files host with auth: true is asked as the upstream is, by its own name', async (t) => {
  const { gateway, files, name } = await startWithFiles(t, true)
  const client = await gateway.client()
  client.send(gateway.head(`GET /r/~/${name}/packages/a HTTP/1.1`, 'Cookie: a=b'))
  const { wire, message } = await files.request()
  t.equal(message.field('host'), name)
  t.equal(message.field('authorization'), SECRETS.authorization)
  t.equal(message.field('x-repository-key'), 'repository-secret')
  t.equal(message.field('cookie'), 'a=b')
  t.equal(message.field('x-forwarded-prefix'), `/r/~/${name}`)
  wire.send(OK)
  await client.message()
  await gateway.finish(t, [{ status: 200, upstream: name }])
})

t.test('a host that is not listed, or another part of one that is, is not fetched', async (t) => {
  const { gateway, files, name } = await startWithFiles(t, false)
  const client = await gateway.client()
  const asked = [
    '/r/~/files.example.test/packages/a',
    `/r/~/${name}/other/a`,
    `/r/~/${name}`,
    '/r/~/',
    '/r/~/169.254.169.254/latest/meta-data/',
    `/r/%7e/${name}/other`,
    `/r/~/127.0.0.1:1/packages/a`,
  ]
  for (const path of asked) {
    client.send(gateway.head(`GET ${path} HTTP/1.1`))
    const answer = await client.message()
    t.equal(answer.status, 404, path)
    t.match(answer.body, /fetches no files from this host/)
  }
  client.send(gateway.head(`GET /r/~/${name}/packages/%2e%2e/other HTTP/1.1`))
  t.equal((await client.message()).status, 400)
  client.send('GET /r/~/files.example.test/a HTTP/1.1\r\nHost: gw\r\n\r\n')
  t.equal((await client.message()).status, 401, 'a stranger does not learn which are listed')
  t.equal(files.all.length + gateway.upstream.all.length, 0)
  await gateway.finish(t, [
    ...asked.map(() => ({ outcome: 'no_route', reason: 'files_host', route: 'r' }) as const),
    { reason: 'path' },
    { status: 401 },
  ])
})

t.test('on a route without files hosts such a path is one of the upstream', async (t) => {
  const { gateway, name } = await startWithFiles(t, false, { files: [] })
  const client = await gateway.client()
  client.send(gateway.head(`GET /r/~/${name}/x HTTP/1.1`))
  const { wire, message } = await gateway.upstream.request()
  t.equal(message.startLine, `GET /~/${name}/x HTTP/1.1`)
  wire.send(OK)
  await client.message()
  await gateway.finish(t, [{ status: 200 }])
})

t.test('redirects to and of a files host come back through the gateway', async (t) => {
  const { gateway, files, name } = await startWithFiles(t, false)
  const client = await gateway.client()
  const own = `127.0.0.1:${gateway.upstream.port}`
  for (const [from, path, location, shown] of [
    ['upstream', '/r/a', `http://${name}/packages/a.whl?x#y`, `/r/~/${name}/packages/a.whl?x#y`],
    ['upstream', '/r/a', `//${name}/packages/a.whl`, `/r/~/${name}/packages/a.whl`],
    ['upstream', '/r/a', `http://${name}/other/a`, `http://${name}/other/a`],
    ['upstream', '/r/a', `https://${name}/packages/a`, `https://${name}/packages/a`],
    ['files', `/r/~/${name}/packages/a`, '/packages/b', `/r/~/${name}/packages/b`],
    ['files', `/r/~/${name}/packages/a`, `http://${name}/packages/b`, `/r/~/${name}/packages/b`],
    ['files', `/r/~/${name}/packages/a`, '/other', `http://${name}/other`],
    ['files', `/r/~/${name}/packages/a`, 'b', 'b'],
    ['files', `/r/~/${name}/packages/a`, `http://${own}/b`, '/r/b'],
    ['files', `/r/~/${name}/packages/a`, 'https://elsewhere.example/x', 'https://elsewhere.example/x'],
  ] as const) {
    client.send(gateway.head(`GET ${path} HTTP/1.1`))
    const { wire } = await (from === 'files' ? files : gateway.upstream).request()
    wire.send(`HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: ${location}\r\n\r\n`)
    t.equal((await client.message()).field('location'), shown, `${from}: ${location}`)
  }
  await gateway.quiet()
})

t.test(
  "an upstream that refuses the gateway's own login is the gateway's fault, not the key's",
  async (t) => {
    const { gateway, files, name } = await startWithFiles(t, false)
    const client = await gateway.client()
    const challenge =
      'HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm="theirs"\r\nContent-Length: 0\r\n\r\n'
    const [route] = gateway.handler.routes.routes
    if (route === undefined) throw new Error('no route')
    gateway.setRoutes([{ ...route, upstream: { ...route.upstream, hasLogin: true } }])
    for (const [path, upstream] of [
      ['/r/x', gateway.upstream],
      [`/r/~/${name}/packages/a`, files],
    ] as const) {
      client.send(gateway.head(`GET ${path} HTTP/1.1`))
      ;(await upstream.request()).wire.send(challenge)
      const answer = await client.message()
      t.equal(answer.status, 502)
      t.equal(answer.field('www-authenticate'), null)
      t.match(answer.body, /refused the gateway's own credentials/)
    }
    gateway.setRoutes([{ ...route, upstream: { ...route.upstream, authorization: null } }])
    client.send(gateway.head('GET /r/x HTTP/1.1'))
    ;(await gateway.upstream.request()).wire.send(challenge)
    t.equal(
      (await client.message()).field('www-authenticate'),
      'Basic realm="theirs"',
      'of a client of its own',
    )
    const refused = { outcome: 'upstream_refused', reason: 'upstream_auth', status: 502 } as const
    await gateway.finish(t, [refused, refused, { status: 401, outcome: 'forwarded' }])
  },
)
