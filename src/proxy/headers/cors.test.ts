import t from 'tap'
import { readRoutes } from '../../config/routes.ts'
import { startGateway } from '../../test/gateway.ts'

const ORIGIN = 'https://app.example.com'
const BASE = { name: 'r', kind: 'generic', path: '/r/', upstream: 'http://u.example/' }

function rulesOf(cors: object) {
  const { routes, problems } = readRoutes([{ ...BASE, cors }])
  t.same(problems, [])
  const [route] = routes
  if (route === undefined) throw new Error('no route')
  return route.rules
}

for (const hasPlainPath of [true, false]) {
  t.test(`R05: a page of an allowed origin uses a key route (plain: ${hasPlainPath})`, async (t) => {
    const rules = rulesOf({ origins: [ORIGIN], maxAge: '5m' })
    const gateway = await startGateway(t, { listener: { hasPlainPath }, routes: [{ rules }] })
    const client = await gateway.client()
    const ask = async (origin: string) => {
      client.send(
        `OPTIONS /r/x HTTP/1.1\r\nHost: gw\r\nOrigin: ${origin}\r\nAccess-Control-Request-Method: POST\r\nAccess-Control-Request-Headers: authorization\r\n\r\n`,
      )
      return client.message()
    }
    const preflight = await ask(ORIGIN)
    t.equal(preflight.status, 204, 'without a key')
    t.equal(preflight.field('access-control-allow-origin'), ORIGIN)
    t.match(preflight.field('access-control-allow-methods'), 'POST')
    t.match(preflight.field('access-control-allow-headers'), 'Authorization')
    t.equal(preflight.field('access-control-max-age'), '300')
    t.match(preflight.field('vary'), 'Origin')
    for (const other of ['https://evil.example', 'null', `${ORIGIN}.evil.example`, 'http://app.example.com'])
      t.equal((await ask(other)).field('access-control-allow-origin'), null, other)
    t.equal(gateway.upstream.all.length, 0)

    client.send(`GET /r/x HTTP/1.1\r\nHost: gw\r\nOrigin: ${ORIGIN}\r\n\r\n`)
    const refused = await client.message()
    t.equal(refused.status, 401)
    t.equal(refused.field('access-control-allow-origin'), ORIGIN, 'the page may read why')
    t.equal(refused.field('vary'), 'Origin')

    client.send(gateway.head('GET /r/x HTTP/1.1', `Origin: ${ORIGIN}`))
    const { wire } = await gateway.upstream.request()
    wire.send(
      'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nAccess-Control-Allow-Origin: *\r\nVary: Accept-Encoding\r\n\r\nok',
    )
    const response = await client.message()
    const allowed = response.fields.filter(([name]) => name === 'access-control-allow-origin')
    t.same(allowed, [['access-control-allow-origin', ORIGIN]], "the route's word, once")
    t.same(
      response.fields.filter(([name]) => name === 'vary').map(([, value]) => value),
      ['Accept-Encoding', 'Origin'],
    )
    t.match(response.field('access-control-expose-headers'), 'X-Request-Id')
    const answered = { status: 204, outcome: 'answered' } as const
    await gateway.finish(t, [
      ...Array.from({ length: 5 }, () => answered),
      { status: 401, reason: 'missing_key' },
      { status: 200 },
    ])
  })
}

t.test('R05: an OPTIONS that is no preflight, and a route without cors, are as before', async (t) => {
  const gateway = await startGateway(t, {
    routes: [{}, { name: 's', path: '/s/', rules: rulesOf({ origins: ['*'] }) }],
  })
  const client = await gateway.client()
  for (const line of ['OPTIONS /r/x HTTP/1.1', 'OPTIONS /s/x HTTP/1.1']) {
    const preflight = line.includes('/r/') ? 'Access-Control-Request-Method: GET\r\n' : ''
    client.send(`${line}\r\nHost: gw\r\nOrigin: ${ORIGIN}\r\n${preflight}\r\n`)
    t.equal((await client.message()).status, 401, line)
  }
  await gateway.finish(t, [{ status: 401 }, { status: 401 }])
})

t.test('R05: cors is complete, or refused by its field', async (t) => {
  for (const cors of [
    {},
    { origins: [] },
    { origins: ['app.example.com'] },
    { origins: ['https://app.example.com/'] },
    { origins: ['https://app.example.com:443'] },
    { origins: ['https://App.example.com'] },
    { origins: ['*'], credentials: true },
    { origins: ['null'], credentials: true },
    { origins: [ORIGIN], methods: ['*'] },
    { origins: [ORIGIN], headers: ['a b'] },
    { origins: [ORIGIN], maxAge: '2d' },
    { origins: [ORIGIN], nosuch: 1 },
  ]) {
    const { problems } = readRoutes([{ ...BASE, cors }])
    t.equal(problems.length, 1, JSON.stringify(cors))
    t.match(problems[0], /\.cors/)
  }
  t.match(rulesOf({ origins: ['*', 'null'] }).cors, { credentials: false, maxAgeSeconds: 600 })
})
