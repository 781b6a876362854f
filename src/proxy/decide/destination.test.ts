import t from 'tap'
import { DEFAULT_RULES } from '../../model/route-rules.ts'
import { startGateway } from '../../test/gateway.ts'

const CREATED = 'HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n'

for (const method of ['MOVE', 'COPY']) {
  t.test(`E1: where a ${method} goes to is decided like where it comes from`, async (t) => {
    const gateway = await startGateway(t, {
      routes: [
        { path: '/dav/' },
        { name: 'private', path: '/dav/private/' },
        { name: 'other', path: '/other/' },
        { name: 'api', path: '/api/', rules: { ...DEFAULT_RULES, paths: 'verbatim' } },
      ],
    })
    const [dav, ...rest] = gateway.handler.routes.routes.toSorted((a, b) =>
      a.name === 'r' ? -1 : b.name === 'r' ? 1 : 0,
    )
    if (dav === undefined) throw new Error('no route')
    gateway.setRoutes([{ ...dav, upstream: { ...dav.upstream, path: '/files/{tenant}/' } }, ...rest])
    const client = await gateway.client()
    const send = (...destinations: string[]): void =>
      client.send(
        gateway.head(`${method} /dav/x HTTP/1.1`, ...destinations.map((to) => `Destination: ${to}`)),
      )
    for (const [to, at] of [
      ['/dav/y', '/files/acme/y'],
      ['http://gw/dav/a%20b/y', '/files/acme/a%20b/y'],
      ['https://GW:8443/dav/y/', '/files/acme/y/'],
      ['/d%61v/y', '/files/acme/y'],
    ] as const) {
      send(to)
      const { wire, message } = await gateway.upstream.request()
      t.equal(message.startLine, `${method} /files/acme/x HTTP/1.1`)
      t.same(
        message.fields.filter(([name]) => name === 'destination'),
        [['destination', at]],
        to,
      )
      wire.send(CREATED)
      t.equal((await client.message()).status, 201)
    }
    for (const [to, status] of [
      ['/dav/private/y', 403],
      ['http://gw/dav/private/y', 403],
      ['/dav/./private/y', 400],
      ['/dav/%70rivate/y', 400],
      ['/dav/../private', 400],
      ['/dav/x/%2e%2e/private/y', 400],
      ['/other/y', 403],
      ['/files/globex/y', 403],
      [`http://127.0.0.1:${gateway.upstream.port}/files/globex/y`, 400],
      ['//127.0.0.1/files/globex/y', 400],
      ['http://u@gw/dav/y', 400],
      ['private/y', 400],
      ['../private/y', 400],
      ['/dav/y?z', 400],
      ['', 400],
    ] as const) {
      send(to)
      t.equal((await client.message()).status, status, to)
    }
    send('/dav/y', '/dav/private/y')
    t.equal((await client.message()).status, 400, 'two of them')
    client.send(
      gateway.head(
        'POST /dav/x HTTP/1.1',
        `X-HTTP-Method-Override: ${method}`,
        'Destination: /dav/private/y',
      ),
    )
    t.equal((await client.message()).status, 403, 'by another name')
    t.equal(gateway.upstream.all.length, 1)
  })
}

t.test('a field Destination of another method is what it is', async (t) => {
  const gateway = await startGateway(t)
  const client = await gateway.client()
  client.send(gateway.head('PUT /r/x HTTP/1.1', 'Destination: queue 1'))
  const { wire, message } = await gateway.upstream.request()
  t.equal(message.field('destination'), 'queue 1')
  wire.send(CREATED)
  await client.message()
  await gateway.finish(t, [{ status: 201 }])
})
