import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { assertAllStored } from './harness/accounting.ts'
import { testDatabase } from './harness/database.ts'
import { startForwarder } from './harness/failure-forwarder.ts'
import { startGateway } from './harness/gateway.ts'
import { startLoad } from './harness/load.ts'
import { startUpstream } from './harness/upstream.ts'

// Latency of requests and memory of the gateway with PostgreSQL healthy, frozen, slow and down, in turn, in one run:
// make bench-postgres-states

const PER_SECOND = 1000
const SECONDS = Number(process.env['SECONDS'] ?? 5)
const ROUNDS = 3

t.setTimeout(3_600_000)

t.test('requests do not notice in which state the database is', async (t) => {
  const db = await testDatabase(t)
  const forwarder = await startForwarder(t, db)
  await forwarder.open()
  const upstream = await startUpstream(t)
  const gateway = await startGateway(t, {
    databaseUrl: forwarder.url,
    config: { routes: [{ name: 'files', kind: 'generic', path: '/files/', upstream: upstream.url }] },
  })
  const key = await gateway.mint({ tenant: 'acme', scopes: ['files:read'] })
  const states = {
    healthy: async () => {},
    frozen: async () => void (forwarder.mode = 'swallow'),
    slow: async () => void (forwarder.copyDelayMs = 2000),
    down: () => forwarder.close(),
  }
  let answered = 0
  const run = async (name: string): Promise<void> => {
    const load = startLoad({
      url: () => `${gateway.proxyUrl}/files/ok`,
      headers: { authorization: `Bearer ${key}` },
      concurrency: 32,
      perSecond: PER_SECOND,
      total: PER_SECOND * SECONDS,
    })
    const { answered: n, byStatus, durationsMs } = await load.done
    answered += n
    t.strictSame([...byStatus], [[200, PER_SECOND * SECONDS]])
    const at = (share: number): string => (durationsMs[Math.floor(share * (n - 1))] ?? 0).toFixed(2)
    const rss = /^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${gateway.pid}/status`, 'utf8'))?.[1] ?? '0'
    t.comment(`${name}: p50 ${at(0.5)} ms, p99 ${at(0.99)} ms, RSS ${Math.round(Number(rss) / 1024)} MiB`)
  }
  await run('warm-up')
  for (let round = 1; round <= ROUNDS; round++) {
    for (const [name, enter] of Object.entries(states)) {
      await enter()
      await run(`round ${round}, ${name}`)
      forwarder.mode = 'forward'
      forwarder.copyDelayMs = 0
      if (name === 'down') await forwarder.open()
      // The next state begins with nothing left of this one.
      while ((await gateway.overview()).accessLog.stored < answered) await sleep(50)
    }
  }
  await assertAllStored(t, db, [gateway], answered)
})
