import { once } from 'node:events'
import { connect } from 'node:net'
import t from 'tap'
import { request } from './harness/client.ts'
import { testDatabase } from './harness/database.ts'
import { startGateway } from './harness/gateway.ts'
import { startLoad } from './harness/load.ts'
import { directScene } from './harness/scene.ts'
import { startUpstream } from './harness/upstream.ts'
import { untilTrue } from './harness/wait.ts'

const STOPS = 10
const CONNECTIONS = 64

// Run alone, without the runner's limit, tap's own of 30 s would be too short.
t.setTimeout(240_000)

t.test(
  'F7: ten stops at 1,000 requests/s on 64 kept connections refuse nothing, and answer each request that was read',
  async (t) => {
    t.setTimeout(240_000)
    const db = await testDatabase(t)
    const upstream = await startUpstream(t)
    let answered = 0
    for (let i = 0; i < STOPS; i++) {
      const gateway = await startGateway(t, {
        databaseUrl: db.url,
        config: {
          workers: 1 + (i % 2),
          routes: [{ name: 'files', kind: 'generic', path: '/files/', upstream: upstream.url }],
        },
      })
      const key = await gateway.mint({ tenant: 'acme', scopes: ['files:read'] })
      const load = startLoad({
        url: () => `${gateway.proxyUrl}/files/ok`,
        headers: { authorization: `Bearer ${key}` },
        concurrency: CONNECTIONS,
        perSecond: 1000,
      })
      await untilTrue('the load runs', () => load.answered >= 300)
      t.equal(await gateway.stop(), 0)
      load.stop()
      const result = await load.done
      answered += result.answered
      t.strictSame([...result.byStatus.keys()], [200], `stop ${i + 1}: nothing is refused`)
      // Connections that nobody had accepted when the port closed: refused, or reset by the kernel with its queue. What they carried
      // was read by nobody, as the rows tell below; `shutdown.acceptMs` gives balancers the time to stop sending.
      const unanswered = [...result.failed].filter(
        ([code]) => code !== 'ECONNREFUSED' && code !== 'ECONNRESET',
      )
      t.strictSame(unanswered, [], `stop ${i + 1}: nothing is left unanswered`)
    }
    const rows = await db.query<{ read: number; answered: number }>(
      `SELECT count(*)::int AS read, count(*) FILTER (WHERE status = 200 AND outcome = 'forwarded')::int AS answered
       FROM access_log WHERE path = '/files/ok'`,
    )
    t.same(rows, [{ read: answered, answered }], 'one row for each answer, and none for a request without')
  },
)

for (const workers of [1, 2]) {
  t.test(
    `R25: after SIGTERM connections are accepted for shutdown.acceptMs while /readyz is 503, workers ${workers}`,
    async (t) => {
      const { gateway, key } = await directScene(t, { config: { workers, shutdown: { acceptMs: 2000 } } })
      const tick = performance.now()
      gateway.child.kill('SIGTERM')
      await gateway.waitForLog('stopping', ({ msg }) => msg === 'stopping')
      const ready = await fetch(`${gateway.adminUrl}/readyz`, { headers: { connection: 'close' } })
      t.equal(ready.status, 503)
      await ready.text()
      await untilTrue('each answer is the last on its connection', async () => {
        const response = await request(`${gateway.proxyUrl}/files/ok`, { key })
        t.equal(response.status, 200)
        return response.headers['connection'] === 'close'
      })
      const { hostname, port } = new URL(gateway.proxyUrl)
      const socket = connect(Number(port), hostname)
      await once(socket, 'connect')
      socket.destroy()
      t.ok(performance.now() - tick < 2000, 'all that in time')
      t.equal(await gateway.exit(), 0)
      t.ok(performance.now() - tick >= 2000, 'it did wait')
    },
  )
}
