import { once } from 'node:events'
import { connect } from 'node:net'
import t, { type Test } from 'tap'
import { askPort, EMPTY_QUERIES, makeAdmin, startAdmin } from '../test/admin.ts'

const TOKEN = 'a-token-of-sufficient-length'

function isProblem(
  t: Test,
  reply: { headers: Record<string, unknown>; json(): Record<string, unknown>; status: number },
) {
  t.equal(reply.headers['content-type'], 'application/problem+json')
  t.match(reply.json(), { status: reply.status, title: String })
}

t.test('/healthz says ok while alive and 503 with reasons when not', async (t) => {
  let healthy = true
  const reasons = [{ code: 'writer_stuck', detail: 'the writer has not moved for 60 s' }]
  const { ask } = await startAdmin(t, { health: () => ({ healthy, reasons: healthy ? [] : reasons }) })
  const alive = await ask('/healthz')
  t.match(alive, {
    status: 200,
    text: 'ok\n',
    headers: { 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' },
  })
  healthy = false
  const stuck = await ask('/healthz')
  t.equal(stuck.status, 503)
  t.strictSame(stuck.json(), { healthy, reasons })
})

t.test('/readyz is 200, or 503 with reasons', async (t) => {
  let ready = false
  const reasons = [{ code: 'no_snapshot', detail: 'tenants and keys have not been loaded' }]
  const { ask } = await startAdmin(t, { readiness: () => ({ ready, reasons: ready ? [] : reasons }) })
  const unready = await ask('/readyz')
  t.equal(unready.status, 503)
  t.strictSame(unready.json(), { ready: false, reasons })
  ready = true
  t.match(await ask('/readyz'), { status: 200, text: '{"ready":true,"reasons":[]}\n' })
})

t.test('/metrics passes on what the metrics say, and the overview has the live numbers', async (t) => {
  const { ask } = await startAdmin(t)
  t.match(await ask('/metrics'), {
    status: 200,
    text: 'up 1\n',
    headers: { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' },
  })
  const overview = (await ask('/api/overview')).json()
  t.match(overview, { ready: true, version: '1.2.3', requests: { total: 0, byOutcome: { forwarded: 0 } } })
  t.match(overview, { accessLog: { writerMode: 'idle' }, directory: { ageMs: null } })
})

t.test('/metrics is written as its scraper asks', async (t) => {
  const { ask } = await startAdmin(t, {
    metrics: async (accept) => ({ contentType: 'text/x-asked', body: `${accept}\n` }),
  })
  const accept = 'application/openmetrics-text;version=1.0.0'
  t.match(await ask('/metrics', { headers: { accept } }), {
    text: `${accept}\n`,
    headers: { 'content-type': 'text/x-asked' },
  })
  t.match(await ask('/metrics'), { text: '\n' })
})

t.test('HEAD is answered as GET without the body', async (t) => {
  const { ask } = await startAdmin(t)
  t.match(await ask('/healthz', { method: 'HEAD' }), {
    status: 200,
    text: '',
    headers: { 'content-length': '3' },
  })
})

t.test('unknown paths and odd targets are 404, other methods 405, both as problems', async (t) => {
  const { ask } = await startAdmin(t)
  for (const path of [
    '/nope',
    '/api',
    '/healthz/',
    '//healthz',
    '/%68ealthz',
    '/__proto__',
    'http://x/healthz',
    '/api/keys',
  ]) {
    const reply = await ask(path)
    t.equal(reply.status, 404, path)
    isProblem(t, reply)
  }
  const body = Buffer.alloc(256 * 1024)
  for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS', 'TRACE']) {
    const reply = await ask('/api/tenants', method === 'POST' ? { method, body } : { method })
    t.equal(reply.status, 405, method)
    t.equal(reply.headers['allow'], 'GET, HEAD')
    isProblem(t, reply)
  }
})

t.test('with a token everything but probes and the page needs it', async (t) => {
  const { ask } = await startAdmin(t, { token: TOKEN })
  for (const path of ['/healthz', '/readyz', '/']) t.equal((await ask(path)).status, 200, path)
  for (const path of ['/metrics', '/api/overview', '/api/tenants', '/api/entries', '/api/usage', '/nope']) {
    const refused = [
      undefined,
      '',
      'Bearer',
      `Bearer ${TOKEN}x`,
      `Bearer ${TOKEN.slice(0, -1)}`,
      `Basic ${TOKEN}`,
      `Bearer ${TOKEN} x`,
      TOKEN,
    ]
    for (const authorization of refused) {
      const reply = await ask(path, authorization === undefined ? {} : { headers: { authorization } })
      t.equal(reply.status, 401, `${path} with ${authorization}`)
      t.match(reply.headers['www-authenticate'], /^Bearer realm=/)
      isProblem(t, reply)
    }
  }
  for (const authorization of [`Bearer ${TOKEN}`, `bearer  ${TOKEN}`]) {
    t.equal((await ask('/metrics', { headers: { authorization } })).status, 200)
    t.equal((await ask('/nope', { headers: { authorization } })).status, 404)
  }
  t.equal(
    (await ask('/metrics', { headers: { host: 'gateway.example.com', authorization: `Bearer ${TOKEN}` } }))
      .status,
    200,
  )
})

t.test('without a token a name that was rebound to loopback gets nothing', async (t) => {
  const { ask } = await startAdmin(t)
  for (const host of [
    'evil.example.com',
    'localhost.evil.example.com:9090',
    '127.0.0.1.evil.example.com',
    '[::1]x',
    'a:b:c',
  ]) {
    for (const path of ['/', '/healthz', '/api/tenants']) {
      const reply = await ask(path, { headers: { host } })
      t.equal(reply.status, 403, `${host}${path}`)
      isProblem(t, reply)
    }
  }
  for (const host of [
    'localhost',
    'LOCALHOST:9090',
    '127.0.0.1',
    '127.0.0.1:80',
    '[::1]:9090',
    '192.0.2.1',
  ]) {
    t.equal((await ask('/api/tenants', { headers: { host } })).status, 200, host)
  }
})

t.test('without a token a page of another origin gets nothing', async (t) => {
  const { ask, port } = await startAdmin(t)
  const host = `127.0.0.1:${port}`
  for (const origin of [
    'http://evil.example.com',
    'null',
    `http://127.0.0.1:${port + 1}`,
    `http://${host}.evil.example.com`,
  ]) {
    t.equal((await ask('/api/tenants', { headers: { host, origin } })).status, 403, origin)
  }
  t.equal((await ask('/api/tenants', { headers: { host, origin: `http://${host}` } })).status, 200)
})

t.test('a database that is away is 503, named once in the log, and nothing internal is told', async (t) => {
  const refuse = async (): Promise<never> => {
    throw Object.assign(new Error('connect ECONNREFUSED 10.1.2.3:5432'), { code: 'ECONNREFUSED' })
  }
  const { ask, logged } = await startAdmin(t, {
    queries: { ...EMPTY_QUERIES, tenants: refuse, entries: refuse },
  })
  for (const path of ['/api/tenants', '/api/entries', '/api/tenants']) {
    const reply = await ask(path)
    t.equal(reply.status, 503)
    t.equal(reply.headers['retry-after'], '5')
    t.notMatch(reply.text, '10.1.2.3')
    isProblem(t, reply)
  }
  t.equal(logged.length, 1)
  t.equal((await ask('/healthz')).status, 200)
})

t.test('a failure nobody thought of is 500 without its message', async (t) => {
  const { ask, logged } = await startAdmin(t, {
    metrics: () => Promise.reject(new Error('column "secret" does not exist')),
  })
  const reply = await ask('/metrics')
  t.equal(reply.status, 500)
  t.notMatch(reply.text, 'secret')
  isProblem(t, reply)
  t.match(logged[0], 'does not exist')
})

t.test('a query that takes too long, by the database or by us, is 503 and says what to do', async (t) => {
  const cancelled = Object.assign(new Error('canceling statement due to statement timeout'), {
    code: '57014',
  })
  const { ask } = await startAdmin(t, {
    queryTimeoutMs: 20,
    queries: {
      ...EMPTY_QUERIES,
      tenants: () => new Promise(() => {}),
      entries: () => Promise.reject(cancelled),
    },
  })
  for (const path of ['/api/tenants', '/api/entries']) {
    const reply = await ask(path)
    t.match(reply, { status: 503, text: /too long.*shorter time/ })
    isProblem(t, reply)
  }
})

t.test('an API that could not be loaded is loaded by a later request', async (t) => {
  let attempts = 0
  const { ask } = await startAdmin(t, {
    loadApi: async () => {
      if (++attempts === 1) throw new Error('out of descriptors')
      return async (_request, response) => void response.writeHead(204).end()
    },
  })
  t.equal((await ask('/api/v1/meta')).status, 500)
  t.equal((await ask('/api/v1/meta')).status, 204)
  t.equal((await ask('/api/v1/meta')).status, 204)
  t.equal(attempts, 2)
})

t.test('malformed and oversized requests get a problem and the connection is closed', async (t) => {
  const { port } = await startAdmin(t)
  const cases: [string, number][] = [
    ['nonsense\r\n\r\n', 400],
    [`GET / HTTP/1.1\r\nHost: x\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`, 431],
  ]
  for (const [text, status] of cases) {
    const socket = connect(port, '127.0.0.1')
    let answer = ''
    socket.on('data', (chunk) => (answer += chunk.toString()))
    socket.write(text)
    await once(socket, 'close')
    t.match(answer, new RegExp(`^HTTP/1.1 ${status} .*application/problem\\+json.*"status":${status}`, 's'))
  }
})

t.test('more connections than the bound are closed at once, and the others go on', async (t) => {
  const { port } = await startAdmin(t)
  const sockets = Array.from({ length: 256 }, () => connect(port, '127.0.0.1'))
  t.teardown(() => sockets.forEach((socket) => socket.destroy()))
  await Promise.all(sockets.map((socket) => once(socket, 'connect')))
  const one = connect(port, '127.0.0.1')
  await once(one, 'close')
  const [first] = sockets
  first?.write('GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n')
  t.match(String(await (first && once(first, 'data'))), 'HTTP/1.1 200 OK')
})

t.test('an occupied port is one clear error', async (t) => {
  const { port } = await startAdmin(t)
  const { listener } = makeAdmin(t, { port })
  await t.rejects(listener.start(), {
    code: 'WAYBILL_ADMIN_LISTEN',
    message: `admin listener cannot listen on 127.0.0.1:${port} (options admin.host, admin.port): the port is in use`,
    cause: { code: 'EADDRINUSE' },
  })
  t.equal(listener.close(), listener.close(), 'closing twice is one closing')
})

t.test('close lets a request under way end and then nothing is accepted', async (t) => {
  let release = (): void => {}
  const entered = new Promise<void>((enter) => {
    release = enter
  })
  let answer = (_rows: readonly never[]): void => {}
  const rows = new Promise<readonly never[]>((resolve) => {
    answer = resolve
  })
  const { listener, ask, port } = await startAdmin(t, {
    queries: { ...EMPTY_QUERIES, tenants: () => (release(), rows) },
  })
  const pending = ask('/api/tenants')
  await entered
  const closed = listener.close()
  answer([])
  t.equal((await pending).status, 200)
  await closed
  await t.rejects(askPort(port, '/healthz'), { code: 'ECONNREFUSED' })
})

t.test('close cuts off a request that does not end', async (t) => {
  let entered = (): void => {}
  const isIn = new Promise<void>((resolve) => {
    entered = resolve
  })
  const { listener, ask } = await startAdmin(t, {
    queries: { ...EMPTY_QUERIES, tenants: () => (entered(), new Promise(() => {})) },
  })
  const pending = ask('/api/tenants')
  await isIn
  const rejected = t.rejects(pending, { code: 'ECONNRESET' })
  await listener.close()
  await rejected
})
