import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import t from 'tap'
import { assertExact } from '../harness/chaos.ts'
import { testDatabase } from '../harness/database.ts'
import { startGateway } from '../harness/gateway.ts'
import { startUpstream } from '../harness/upstream.ts'

const SLOW = 4
const CALM = 20

async function get(url: string, key: string): Promise<number> {
  const response = await fetch(url, { headers: { 'x-api-key': key } })
  await response.arrayBuffer()
  return response.status
}

t.test('F2: a tenant whose clients do not read holds up nobody else on its route', async (t) => {
  const db = await testDatabase(t)
  const upstream = await startUpstream(t)
  const route = { name: 'files', kind: 'generic', path: '/files/', upstream: upstream.url }
  const gateway = await startGateway(t, {
    databaseUrl: db.url,
    config: { routes: [{ ...route, maxConnections: SLOW }], upstreams: { slowAfterMs: 1000 }, workers: 1 },
  })
  const key = await gateway.mint({ tenant: 'acme', scopes: ['files:read'] })
  const calm = await gateway.mint({ tenant: 'calm', scopes: ['files:read'] })
  const { hostname, port } = new URL(gateway.proxyUrl)
  const slow: Socket[] = []
  for (let i = 0; i < SLOW; i++) {
    const socket = connect(Number(port), hostname)
    t.teardown(() => socket.destroy())
    slow.push(socket)
    socket.on('error', () => {})
    await once(socket, 'connect')
    socket.write(`GET /files/endless HTTP/1.1\r\nHost: w\r\nX-Api-Key: ${key}\r\n\r\n`)
    await once(socket, 'readable')
  }
  for (let i = 0; i < CALM; i++) t.equal(await get(`${gateway.proxyUrl}/files/ok`, calm), 200)
  for (const socket of slow) socket.destroy()
  const scene = { db, upstream, gateway, key, next: () => Promise.resolve(gateway) }
  await assertExact(t, scene, { forwarded: SLOW + CALM })
})

t.test('R07: names that no server answers hold up no other route', async (t) => {
  const db = await testDatabase(t)
  const upstream = await startUpstream(t)
  const dir = t.testdir({
    'names.mjs': `import dns from 'node:dns'
const real = dns.lookup
dns.lookup = (name, options, done) => {
  if (name === 'silent.test') setTimeout(() => done(new Error('too late'), []), 30_000).unref()
  else if (name === 'there.test') setImmediate(done, null, [{ address: '127.0.0.1', family: 4 }])
  else real(name, options, done)
}
`,
  })
  const route = { kind: 'generic', connectTimeoutMs: 1500 }
  const gateway = await startGateway(t, {
    databaseUrl: db.url,
    env: { NODE_OPTIONS: `--import=file://${join(dir, 'names.mjs')}` },
    config: {
      workers: 1,
      routes: [
        { ...route, name: 'silent', path: '/silent/', upstream: 'http://silent.test/' },
        { ...route, name: 'there', path: '/there/', upstream: `http://there.test:${upstream.port}/` },
      ],
    },
  })
  const key = await gateway.mint({ tenant: 'acme', scopes: ['*:*'] })
  const silent = Array.from({ length: CALM }, () => get(`${gateway.proxyUrl}/silent/x`, key))
  let answered = 0
  for (const one of silent) void one.then(() => answered++)
  for (let i = 0; i < CALM; i++) t.equal(await get(`${gateway.proxyUrl}/there/ok`, key), 200)
  t.equal(answered, 0, 'while all of the other route wait')
  t.strictSame(new Set(await Promise.all(silent)), new Set([504]))
  const scene = { db, upstream, gateway, key, next: () => Promise.resolve(gateway) }
  await assertExact(t, scene, { forwarded: CALM, refused: CALM })
})
