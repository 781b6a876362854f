import t, { type Test } from 'tap'
import type { Route } from '../../model/route.ts'
import { startGateway, testRoute, type TestGateway } from '../../test/gateway.ts'

const images: Partial<Route> = { name: 'images', kind: 'oci', path: '/v2/images/' }
const other: Partial<Route> = { name: 'other', kind: 'oci', path: '/v2/other/' }
const everything: Partial<Route> = { name: 'all', kind: 'oci', path: '/v2/' }

async function start(t: Test, routes: readonly Partial<Route>[], path: string): Promise<TestGateway> {
  const gateway = await startGateway(t, { routes: [] })
  const { upstream } = testRoute(gateway.upstream.port)
  gateway.setRoutes(routes.map((route) => testRoute(0, { upstream: { ...upstream, path }, ...route })))
  return gateway
}

interface Case {
  readonly asked: string
  readonly status: number
  /** As the registry writes it; `{own}` stands for its origin, `{told}` for the one that the gateway told it. */
  readonly field: string
  readonly shown: string
}

/** What clients are shown, at routes that lead to a path of a registry. */
async function check(t: Test, path: string, routes: Partial<Route>[], cases: readonly Case[]): Promise<void> {
  const gateway = await start(t, routes, path)
  const client = await gateway.client()
  const own = `http://127.0.0.1:${gateway.upstream.port}`
  for (const { asked, status, field, shown } of cases) {
    client.send(gateway.head(`${asked} HTTP/1.1`, 'Content-Length: 0'))
    const { wire } = await gateway.upstream.request()
    const sent = field.replace('{own}', own).replace('{told}', 'http://gw')
    wire.send(`HTTP/1.1 ${status} X\r\nContent-Length: 0\r\n${sent}\r\n\r\n`)
    const name = field.slice(0, field.indexOf(':')).toLowerCase()
    t.equal((await client.message()).field(name), shown, `${asked}: ${field}`)
  }
  await gateway.finish(
    t,
    cases.map(({ status }) => ({ status })),
  )
}

const POST = 'POST /v2/images/app/blobs/uploads/'
const PUT = 'PUT /v2/images/app/blobs/uploads/u?digest=sha256:a'

t.test('uploads, mounts, manifests and lists of a registry come back through its route', (t) =>
  check(
    t,
    '/v2/',
    [images, other],
    [
      {
        asked: POST,
        status: 202,
        field: 'Location: {own}/v2/app/blobs/uploads/u?_state=x%3D',
        shown: '/v2/images/app/blobs/uploads/u?_state=x%3D',
      },
      {
        asked: POST,
        status: 202,
        field: 'Location: {told}/v2/app/blobs/uploads/u?_state=x',
        shown: '/v2/images/app/blobs/uploads/u?_state=x',
      },
      {
        asked: POST,
        status: 202,
        field: 'Location: /v2/app/blobs/uploads/u',
        shown: '/v2/images/app/blobs/uploads/u',
      },
      { asked: POST, status: 202, field: 'Location: u?_state=x', shown: 'u?_state=x' },
      { asked: POST, status: 202, field: 'Location: ../uploads/u', shown: '../uploads/u' },
      {
        asked: `${POST}?mount=sha256:${'a'.repeat(64)}&from=images/base`,
        status: 201,
        field: 'Location: /v2/app/blobs/sha256:a',
        shown: '/v2/images/app/blobs/sha256:a',
      },
      {
        asked: PUT,
        status: 201,
        field: 'Location: {told}/v2/app/blobs/sha256:a',
        shown: '/v2/images/app/blobs/sha256:a',
      },
      {
        asked: 'PUT /v2/images/app/manifests/1',
        status: 201,
        field: 'Location: {told}/v2/app/manifests/sha256:a',
        shown: '/v2/images/app/manifests/sha256:a',
      },
      {
        asked: 'GET /v2/images/app/blobs/sha256:a',
        status: 307,
        field: 'Location: {own}/v2/app/blobs/sha256:b',
        shown: '/v2/images/app/blobs/sha256:b',
      },
      {
        asked: 'GET /v2/images/app/blobs/sha256:a',
        status: 307,
        field: 'Location: https://store.example.com/x?sign=y',
        shown: 'https://store.example.com/x?sign=y',
      },
      {
        asked: 'GET /v2/images/_catalog?n=2',
        status: 200,
        field: 'Link: </v2/_catalog?last=b&n=2>; rel="next"',
        shown: '</v2/images/_catalog?last=b&n=2>; rel="next"',
      },
      {
        asked: 'GET /v2/images/app/tags/list?n=2',
        status: 200,
        field: 'Link: </v2/app/tags/list?last=b&n=2>; rel="next"',
        shown: '</v2/images/app/tags/list?last=b&n=2>; rel="next"',
      },
      {
        asked: 'GET /v2/images/app/tags/list?n=2',
        status: 200,
        field: 'Link: <{told}/v2/app/tags/list?last=b&n=2>; rel="next"',
        shown: '</v2/images/app/tags/list?last=b&n=2>; rel="next"',
      },
    ],
  ),
)

t.test('images that are called like a route are the upstream’s all the same', (t) =>
  check(
    t,
    '/v2/',
    [images, other, everything],
    ['images/app', 'other/app', 'app'].flatMap((name) => {
      const shown = `/v2/images/${name}/blobs/sha256:a`
      const asked = `PUT /v2/images/${name}/blobs/uploads/u?digest=sha256:a`
      return ['', '{own}', '{told}'].map((origin) => ({
        asked,
        status: 201,
        field: `Location: ${origin}/v2/${name}/blobs/sha256:a`,
        shown,
      }))
    }),
  ),
)

t.test('a route may lead to a place that looks like one below itself', (t) =>
  check(
    t,
    '/v2/images/team/',
    [images],
    [
      {
        asked: POST,
        status: 202,
        field: 'Location: /v2/images/team/app/blobs/uploads/u',
        shown: '/v2/images/app/blobs/uploads/u',
      },
      {
        asked: PUT,
        status: 201,
        field: 'Location: /v2/images/team/app/blobs/sha256:a',
        shown: '/v2/images/app/blobs/sha256:a',
      },
      {
        asked: PUT,
        status: 201,
        field: 'Location: {told}/v2/images/team/app/blobs/sha256:a',
        shown: '/v2/images/app/blobs/sha256:a',
      },
      {
        asked: PUT,
        status: 201,
        field: 'Location: /v2/images/app/blobs/sha256:a',
        shown: '/v2/images/app/blobs/sha256:a',
      },
    ],
  ),
)

t.test('a registry below a path of its host, and one behind a route at /v2/', async (t) => {
  await check(
    t,
    '/docker/local/v2/',
    [images],
    [
      {
        asked: PUT,
        status: 201,
        field: 'Location: {own}/docker/local/v2/app/blobs/sha256:a',
        shown: '/v2/images/app/blobs/sha256:a',
      },
      {
        asked: PUT,
        status: 201,
        field: 'Location: /docker/local/v2/app/blobs/sha256:a',
        shown: '/v2/images/app/blobs/sha256:a',
      },
    ],
  )
  const host = { ...everything, host: 'gw' }
  const asked = 'PUT /v2/app/blobs/uploads/u?digest=sha256:a'
  await check(
    t,
    '/v2/',
    [host],
    [
      { asked, status: 201, field: 'Location: {own}/v2/app/blobs/sha256:a', shown: '/v2/app/blobs/sha256:a' },
      {
        asked,
        status: 201,
        field: 'Location: {told}/v2/app/blobs/sha256:a',
        shown: '/v2/app/blobs/sha256:a',
      },
      { asked, status: 201, field: 'Location: /v2/app/blobs/sha256:a', shown: '/v2/app/blobs/sha256:a' },
      {
        asked: 'GET /v2/_catalog?n=1',
        status: 200,
        field: 'Link: </v2/_catalog?n=1&last=a>; rel="next"',
        shown: '</v2/_catalog?n=1&last=a>; rel="next"',
      },
    ],
  )
})
