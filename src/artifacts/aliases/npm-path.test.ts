import t from 'tap'
import { startGateway, testRoute } from '../../test/gateway.ts'
import { npmPath } from './npm-path.ts'

const OLD = 'repository/npm-all/'

t.test("a lock file's address by the upstream's own path leads to the file", async (t) => {
  const route = testRoute(1, { kind: 'npm', path: '/npm/' })
  const at = (path: string, base = `/${OLD}`): string =>
    npmPath({ ...route, upstream: { ...route.upstream, path: base } }, path)
  for (const [path, shown] of [
    [`/npm/${OLD}left-pad/-/left-pad-1.0.0.tgz`, '/npm/left-pad/-/left-pad-1.0.0.tgz'],
    [`/npm/${OLD}@s/left-pad/-/left-pad-1.0.0.tgz`, '/npm/@s/left-pad/-/left-pad-1.0.0.tgz'],
    [`/npm/${OLD}left-pad`, null],
    [`/npm/${OLD}-/-/x`, null],
    ['/npm/left-pad/-/left-pad-1.0.0.tgz', null],
    ['/npm', null],
  ] as const)
    t.equal(at(path), shown ?? path, path)
  for (const base of ['/', '/@s/', '/{tenant}/'])
    t.equal(at('/npm/@s/x/-/x-1.tgz', base), '/npm/@s/x/-/x-1.tgz', base)
})

t.test('it is asked for by its path at the upstream, and recorded by that at the gateway', async (t) => {
  const gateway = await startGateway(t, { routes: [{ kind: 'npm', path: '/npm/', name: 'npm' }] })
  const [route] = gateway.handler.routes.routes
  if (route === undefined) throw new Error('no route')
  gateway.setRoutes([{ ...route, upstream: { ...route.upstream, path: `/${OLD}` } }])
  const client = await gateway.client()
  client.send(gateway.head(`GET /npm/${OLD}left-pad/-/left-pad-1.0.0.tgz?a=b HTTP/1.1`))
  const { wire, message } = await gateway.upstream.request()
  t.equal(message.startLine, `GET /${OLD}left-pad/-/left-pad-1.0.0.tgz?a=b HTTP/1.1`)
  wire.send('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n')
  t.equal((await client.message()).status, 200)
  await gateway.finish(t, [{ status: 200, path: '/npm/left-pad/-/left-pad-1.0.0.tgz?a=b' }])
})
