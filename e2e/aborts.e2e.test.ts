import { once } from 'node:events'
import t from 'tap'
import { assertAllStored } from './harness/accounting.ts'
import { open } from './harness/client.ts'
import { testDatabase } from './harness/database.ts'
import { startGateway } from './harness/gateway.ts'
import { openDescriptors, residentBytes } from './harness/process.ts'
import { startUpstream } from './harness/upstream.ts'
import { untilTrue } from './harness/wait.ts'

const MIB = 1024 ** 2
const WARM_UP = 200
const ABORTED = 1000
const AT_ONCE = 20

// Run alone, without the runner's limit, tap's own of 30 s would be too short for a busy machine.
t.setTimeout(120_000)

t.test('1,000 aborted large downloads leave nothing behind but their entries', async (t) => {
  t.setTimeout(120_000)
  const db = await testDatabase(t)
  const upstream = await startUpstream(t)
  const gateway = await startGateway(t, {
    databaseUrl: db.url,
    config: {
      routes: [{ name: 'files', kind: 'generic', path: '/files/', upstream: upstream.url }],
      accessLog: { flushIntervalMs: 200 },
    },
  })
  const key = await gateway.mint({ tenant: 'acme', scopes: ['files:read'] })

  const abortOne = async (): Promise<void> => {
    const download = await open(`${gateway.proxyUrl}/files/endless`, { key })
    await once(download, 'data')
    const closed = once(download, 'close')
    download.on('error', () => {})
    download.destroy()
    await closed
  }
  const abort = async (count: number): Promise<void> => {
    let left = count
    const loop = async (): Promise<void> => {
      while (left-- > 0) await abortOne()
    }
    await Promise.all(Array.from({ length: AT_ONCE }, loop))
    let state: Record<string, number> = {}
    const isQuiet = async (): Promise<boolean> => {
      const { inFlight, connections } = (await gateway.overview()).requests
      const { inFlight: upstreamInFlight, openConnections: upstreamConnections } = upstream
      // Each abandoned answer cost its upstream connection: it cannot be used again.
      state = { inFlight, connections, upstreamInFlight, upstreamConnections }
      return Object.values(state).every((n) => n === 0)
    }
    await untilTrue('nothing is in flight', isQuiet, { timeoutMs: 20_000, describe: () => state })
  }

  await abort(WARM_UP)
  await assertAllStored(t, db, [gateway], WARM_UP)
  const descriptors = await openDescriptors(gateway.pid)
  const resident = await residentBytes(gateway)

  await abort(ABORTED)
  await assertAllStored(t, db, [gateway], WARM_UP + ABORTED)
  await untilTrue(
    'the descriptors are back to what they were',
    async () => ((await openDescriptors(gateway.pid)) ?? 0) <= (descriptors ?? 0) + 3,
  )
  const after = await residentBytes(gateway)
  t.ok(after - resident < 60 * MIB, 'memory is back to what it was', { resident, after })

  t.equal(upstream.requests, WARM_UP + ABORTED)
  const rows = await db.query(
    `SELECT tenant, status, outcome, bytes_sent > 0 AS has_bytes, count(*)::int AS n FROM access_log GROUP BY 1, 2, 3, 4`,
  )
  t.strictSame(rows, [
    { tenant: 'acme', status: 200, outcome: 'client_closed', has_bytes: true, n: WARM_UP + ABORTED },
  ])
  const answered = (await gateway.metrics()).sum('waybill_proxy_requests_total', { outcome: 'client_closed' })
  t.equal(answered, WARM_UP + ABORTED)
})
