import t, { type Test } from 'tap'
import { mintKey } from '../../model/api-key.ts'
import type { Route } from '../../model/route.ts'
import { startGateway, testRoute, type TestGateway } from '../../test/gateway.ts'
import type { Message } from '../../test/wire.ts'

const D = `sha256:${'a'.repeat(64)}`
const E = `sha256%3A${'a'.repeat(64)}`
const images: Partial<Route> = { name: 'images', kind: 'oci', path: '/v2/images/' }
const other: Partial<Route> = { name: 'other', kind: 'oci', path: '/v2/other/' }
const hidden: Partial<Route> = { name: 'hidden', kind: 'oci', path: '/v2/images/hidden/' }
const open: Partial<Route> = { name: 'open', kind: 'oci', path: '/v2/open/', auth: 'public' }
const mirror: Partial<Route> = { name: 'mirror', kind: 'oci', path: '/v2/', host: 'mirror.example.com' }
const trust = { trustedProxies: null, publicProto: null, publicHost: null, isLoopback: true }
const ACCEPTED = 'HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n'

/** A gateway whose routes lead to a path of a registry. */
async function start(t: Test, routes: readonly Partial<Route>[], path = '/v2/'): Promise<TestGateway> {
  const gateway = await startGateway(t, { trust })
  const { upstream } = testRoute(gateway.upstream.port)
  gateway.setRoutes(routes.map((route) => testRoute(0, { upstream: { ...upstream, path }, ...route })))
  return gateway
}

interface Asked {
  readonly path: string
  readonly credential?: string
  readonly host?: string
  readonly method?: string
  /** Further fields. */
  readonly fields?: string
  readonly body?: string
}

/** What the upstream sees of a request. */
async function seen(gateway: TestGateway, asked: Asked): Promise<Message> {
  const { path, host = 'gw', method = 'POST', fields = '', body = '' } = asked
  const { credential = `Bearer ${gateway.key.text}` } = asked
  const authorization = credential === '' ? '' : `Authorization: ${credential}\r\n`
  const client = await gateway.client()
  client.send(
    `${method} ${path} HTTP/1.1\r\nHost: ${host}\r\n${authorization}${fields}Content-Length: ${body.length}\r\n\r\n${body}`,
  )
  const { wire, message } = await gateway.upstream.request()
  wire.send(ACCEPTED)
  await client.message()
  return message
}

async function queryOf(gateway: TestGateway, asked: Asked): Promise<string> {
  const { startLine } = await seen(gateway, asked)
  return startLine.split(' ')[1]?.split('/uploads/')[1] ?? startLine
}

/** Queries that clients send, and what becomes of them at a route `/v2/images/` with a key that may all. */
const QUERIES: readonly (readonly [name: string, query: string, sent: string])[] = [
  ['an upload that mounts nothing', '', ''],
  ['another parameter', '?digest=x', '?digest=x'],
  ['as docker writes it', `?from=images%2Fbase&mount=${E}`, `?from=base&mount=${E}`],
  ['as containerd and skopeo write it', `?mount=${D}&from=images/team/base`, `?mount=${E}&from=team%2Fbase`],
  ['names of parameters in octets', `?m%6funt=${D}&fro%6D=images/base`, `?mount=${E}&from=base`],
  ['between others', `?a=1&mount=${D}&b=2&from=images/base&c`, `?a=1&mount=${E}&b=2&from=base&c`],
  ['by semicolons', `?mount=${D};from=images/base`, `?mount=${E}&from=base`],
  ['of another route', `?mount=${D}&from=other/base&a=1`, '?a=1'],
  ['of a route within', `?mount=${D}&from=images/hidden/base`, ''],
  ['of no route', `?mount=${D}&from=base`, ''],
  ['of the route itself', `?mount=${D}&from=images`, ''],
  ['from nowhere', `?mount=${D}`, ''],
  ['from an empty name', `?mount=${D}&from=`, ''],
  ['without a digest', '?from=images/base', ''],
  ['of what is no digest', '?mount=x%26from%3Dother&from=images/base', ''],
  ['from twice', `?mount=${D}&from=images/base&from=other/base`, ''],
  ['from twice, spelled apart', `?mount=${D}&from=images/base&%66rom=other/base`, ''],
  ['from twice, by a semicolon', `?mount=${D}&from=images/base;from=other/base`, ''],
  ['mount twice', `?mount=${D}&mount=${D}&from=images/base`, ''],
  ['in capitals', `?mount=${D}&From=other/base`, ''],
  ['in capitals beside', `?mount=${D}&from=images/base&FROM=other/base`, ''],
  ['as a list', `?mount=${D}&from=images/base&from[]=other/base`, ''],
  ['behind a space', `?mount=${D}&from=images/base&+from=other/base`, ''],
  ['encoded twice', `?mount=${D}&from=images/base&%2566rom=other/base`, ''],
  ['from a path', `?mount=${D}&from=images/../other/base`, ''],
  ['from a path in octets', `?mount=${D}&from=images/%2e%2e/other/base`, ''],
  ['from a name in octets twice', `?mount=${D}&from=images/b%2561se`, ''],
  ['from a name in capitals', `?mount=${D}&from=images/Base`, ''],
  ['names that only begin so', '?mounted=1&from_here=2', '?mounted=1&from_here=2'],
]

t.test('an upload mounts what is of its route, by the upstream’s name, and nothing else', async (t) => {
  const gateway = await start(t, [images, other, hidden])
  for (const [name, query, sent] of QUERIES)
    t.equal(await queryOf(gateway, { path: `/v2/images/app/blobs/uploads/${query}` }), sent, name)
  t.equal(
    await queryOf(gateway, { path: `/v2/images/app/blobs/upload%73/?mount=${D}&from=other/x` }),
    'POST /v2/app/blobs/upload%73/ HTTP/1.1',
    'whatever the path is spelled like',
  )
  await gateway.finish(t, [
    ...QUERIES.map(([, query]) => ({ path: `/v2/images/app/blobs/uploads/${query}` })),
    {},
  ])
})

t.test('a key that may not read mounts nothing, and a token what it may pull', async (t) => {
  const gateway = await start(t, [images, open])
  const writer = mintKey()
  gateway.directory.key(writer, { scopeList: ['images:write'] })
  const path = `/v2/images/app/blobs/uploads/?mount=${D}&from=images/base`
  t.equal(await queryOf(gateway, { path, credential: `Bearer ${writer.text}` }), '')
  const tokenFor = async (scopes: string): Promise<string> => {
    const client = await gateway.client()
    const basic = `Basic ${btoa(`me:${gateway.key.text}`)}`
    client.send(`GET /v2/token?${scopes} HTTP/1.1\r\nHost: gw\r\nAuthorization: ${basic}\r\n\r\n`)
    return (JSON.parse((await client.message()).body) as { token: string }).token
  }
  const push = 'scope=repository:images/app:pull,push'
  t.equal(await queryOf(gateway, { path, credential: `Bearer ${await tokenFor(push)}` }), '')
  const both = await tokenFor(`${push}&scope=repository:images/base:pull`)
  t.equal(await queryOf(gateway, { path, credential: `Bearer ${both}` }), `?mount=${E}&from=base`)
  const pushes = await tokenFor(`${push}&scope=repository:images/base:push`)
  t.equal(await queryOf(gateway, { path, credential: `Bearer ${pushes}` }), '')
  const public_ = `/v2/open/app/blobs/uploads/?mount=${D}&from=`
  t.equal(await queryOf(gateway, { path: `${public_}open/base`, credential: '' }), `?mount=${E}&from=base`)
  t.equal(await queryOf(gateway, { path: `${public_}images/base`, credential: '' }), '')
  await gateway.finish(
    t,
    Array.from({ length: 9 }, () => ({})),
  )
})

t.test('names are those of the place that the route leads to', async (t) => {
  for (const [path, name] of [
    ['/v2/', 'base'],
    ['/v2/team/', 'team%2Fbase'],
    ['/docker/local/v2/', 'base'],
    ['/docker/local/v2/team/', 'team%2Fbase'],
    ['/v2/team/v2/', 'team%2Fv2%2Fbase'],
    ['/v2/{tenant}/', 'acme%2Fbase'],
  ] as const) {
    const gateway = await start(t, [images], path)
    const asked = `/v2/images/app/blobs/uploads/?mount=${D}&from=images/base`
    t.equal(await queryOf(gateway, { path: asked }), `?mount=${E}&from=${name}`, path)
    await gateway.finish(t, [{ path: asked }])
  }
})

t.test('a route with a host of its own has the names that its clients use', async (t) => {
  const gateway = await start(t, [images, mirror])
  const path = `/v2/library/app/blobs/uploads/?mount=${D}&from=`
  const host = 'mirror.example.com'
  t.equal(await queryOf(gateway, { path: `${path}library/base`, host }), `?mount=${E}&from=library%2Fbase`)
  t.equal(
    await queryOf(gateway, { path: `${path}images/base`, host }),
    `?mount=${E}&from=images%2Fbase`,
    'also where another route has them elsewhere',
  )
  await gateway.finish(t, [{ route: 'mirror' }, { route: 'mirror' }])
})

t.test('no body of an upload is a form, which a registry would read like its query', async (t) => {
  const gateway = await start(t, [images, {}])
  const path = '/v2/images/app/blobs/uploads/'
  const body = `mount=${D}&from=other/base`
  const form = 'Content-Type: application/x-www-form-urlencoded'
  for (const fields of [
    `${form}\r\n`,
    'Content-Type: Multipart/Form-Data; boundary=x\r\n',
    `Content-Type: text/plain\r\n${form}\r\n`,
  ]) {
    const message = await seen(gateway, { path, fields, body })
    t.same(
      message.fields.filter(([name]) => name === 'content-type').map(([, value]) => value),
      ['application/octet-stream'],
    )
    t.equal(message.body, body)
  }
  t.equal((await seen(gateway, { path, body })).field('content-type'), null)
  const fields = 'Content-Type: application/vnd.oci.image.manifest.v1+json\r\n'
  const manifest = await seen(gateway, { path: '/v2/images/app/manifests/1', method: 'PUT', fields, body })
  t.equal(manifest.field('content-type'), 'application/vnd.oci.image.manifest.v1+json')
  const generic = await seen(gateway, { path: `/r/blobs/uploads/?${body}`, fields: `${form}\r\n`, body })
  t.equal(generic.field('content-type'), 'application/x-www-form-urlencoded', 'of registries')
  t.match(generic.startLine, body)
  await gateway.finish(
    t,
    Array.from({ length: 6 }, () => ({})),
  )
})
