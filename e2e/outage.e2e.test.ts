import t from 'tap'
import { assertBalanced, assertLedger } from './harness/accounting.ts'
import { lossOf, untilAccounted } from './harness/failure-accounts.ts'
import { embeddedServer } from './harness/failure-postgres.ts'
import { burst } from './harness/failure-wire.ts'
import { startGateway } from './harness/gateway.ts'
import { startLoad } from './harness/load.ts'
import { startUpstream } from './harness/upstream.ts'
import { untilTrue } from './harness/wait.ts'

/** Longer than a client would wait: whoever waits for Postgres shows. */
const FROZEN_MS = 15_000
const BURST = 60_000
/** Steady load: few enough that the machine is not busy, so that a wait shows in the middle of the distribution. */
const PER_SECOND = 250

/** What the channel does by itself; what the disk adds is in chaos/postgres-process.e2e.test.ts. */
const MEMORY_ONLY = { maxBytes: 0 }

/** Makes an entry large, so that those that should have gone are seen in the memory. */
const LONG_QUERY = `?${'q'.repeat(1900)}`

const percentile = (sorted: readonly number[], p: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * p))] ?? Number.NaN
const ms = (n: number): string => `${n.toFixed(2)} ms`

function routesTo(upstream: string): readonly unknown[] {
  return [
    { name: 'files', kind: 'generic', path: '/files/', upstream },
    { name: 'other', kind: 'generic', path: '/other/', upstream },
  ]
}

t.test(
  'with Postgres frozen and no spill, requests go on as before and every entry is stored afterwards',
  async (t) => {
    const upstream = await startUpstream(t)
    const gateway = await startGateway(t, {
      config: {
        routes: routesTo(upstream.url),
        accessLog: {
          capacityEntries: 262_144,
          capacityBytes: '256MiB',
          copyTimeoutMs: 3000,
          backoffMaxMs: 500,
        },
        spill: MEMORY_ONLY,
      },
    })
    const server = await embeddedServer(t, gateway)
    const key = await gateway.mint({ tenant: 'acme', scopes: ['files:read'] })
    const steady = {
      url: () => `${gateway.proxyUrl}/files/ok`,
      headers: { authorization: `Bearer ${key}` },
      concurrency: 16,
      perSecond: PER_SECOND,
    }
    await startLoad({ ...steady, total: PER_SECOND }).done
    const healthy = await startLoad({ ...steady, total: PER_SECOND * 3 }).done
    await server.freeze()
    const frozenTick = performance.now()
    const frozen = await startLoad({ ...steady, total: PER_SECOND * 5 }).done
    // Refused for want of a scope: entries of the tenant at a rate that no upstream limits.
    const request = `GET /other/x HTTP/1.1\r\nHost: w\r\nX-Api-Key: ${key}\r\nUser-Agent: burst/1.0\r\n\r\n`
    const before = await gateway.metrics()
    const refused = await burst({ origin: gateway.proxyUrl, request: () => request, total: BURST })
    const after = await gateway.metrics()
    const rest = startLoad(steady)
    t.teardown(() => rest.stop())
    await untilTrue(`${FROZEN_MS} ms have passed`, () => performance.now() - frozenTick >= FROZEN_MS, {
      timeoutMs: FROZEN_MS + 5000,
    })
    const { writerMode, buffered, dropped } = (await gateway.overview()).accessLog
    t.ok(buffered >= BURST, 'the channel holds what Postgres does not take', {
      writerMode,
      buffered,
      dropped,
    })
    server.thaw()
    const thawedTick = performance.now()
    await untilTrue(
      'the backlog is stored',
      async () => (await gateway.overview()).accessLog.stored >= BURST,
      {
        timeoutMs: 30_000,
      },
    )
    const drainedMs = performance.now() - thawedTick
    rest.stop()
    const late = await rest.done
    const answered = PER_SECOND + healthy.answered + frozen.answered + late.answered + BURST

    t.equal(refused.get(403), BURST, 'every request of the burst is answered')
    for (const load of [healthy, frozen, late]) t.strictSame([...load.byStatus.keys()], [200], 'none failed')
    for (const load of [healthy, frozen, late]) t.equal(load.failed.size, 0)
    const [healthyP50, frozenP50] = [
      percentile(healthy.durationsMs, 0.5),
      percentile(frozen.durationsMs, 0.5),
    ]
    const [healthyP99, frozenP99] = [
      percentile(healthy.durationsMs, 0.99),
      percentile(frozen.durationsMs, 0.99),
    ]
    t.comment(`p50 healthy ${ms(healthyP50)}, frozen ${ms(frozenP50)}`)
    t.comment(`p99 healthy ${ms(healthyP99)}, frozen ${ms(frozenP99)}`)
    // Bounds for a busy machine; who waited for Postgres would wait for seconds.
    t.ok(frozenP50 < 3 * healthyP50 + 50, 'the median request does not wait for Postgres')
    t.ok(frozenP99 < 2500, 'nor does any', { frozenP99 })

    const grownBytes =
      after.sum('process_resident_memory_bytes') - before.sum('process_resident_memory_bytes')
    t.comment(`${BURST} entries waiting: ${Math.round(grownBytes / BURST)} bytes of memory each`)
    t.ok(grownBytes < BURST * 4096 + 64 * 1024 ** 2, 'memory grows by the entries that wait', { grownBytes })

    await untilAccounted(server, answered)
    // written_at is when a batch's transaction began: from the first to the last, all but the last were written.
    const [speed] = await server.query<{ rows: number; ms: number }>(
      `SELECT (sum(entries) - max(entries))::int AS rows, extract(epoch FROM max(written_at) - min(written_at))::float8 * 1000 AS ms
     FROM (SELECT entries, written_at FROM access_ledger WHERE entries >= 4096 ORDER BY batch OFFSET 1) AS b`,
    )
    const rowsPerSecond = Math.round(((speed?.rows ?? 0) / (speed?.ms ?? Infinity)) * 1000)
    t.comment(`backlog: ${speed?.rows} rows in ${Math.round(speed?.ms ?? 0)} ms, ${rowsPerSecond} rows/s`)
    t.comment(`stored ${Math.round(drainedMs)} ms after Postgres went on`)
    // 64 rows/s is what a batch of 128 each 2 s would make of it.
    t.ok(rowsPerSecond > 2000, 'a backlog is copied back to back', { rowsPerSecond })
    const accounts = await untilAccounted(server, answered)
    t.strictSame(
      Object.fromEntries(accounts),
      { acme: { stored: answered, quarantined: 0, dropped: {} } },
      'stored exactly once',
    )
    await assertBalanced(t, gateway)
    await assertLedger(t, server)
    t.equal(await gateway.stop(), 0, 'the gateway stops cleanly')
  },
)

t.test('a channel too small for the outage drops, bounded, and counts each drop by tenant', async (t) => {
  const upstream = await startUpstream(t)
  const gateway = await startGateway(t, {
    config: {
      routes: routesTo(upstream.url),
      accessLog: { capacityEntries: 4096, copyTimeoutMs: 1000, backoffMaxMs: 300 },
      spill: MEMORY_ONLY,
      metrics: { tenantLabels: 10 },
    },
  })
  const server = await embeddedServer(t, gateway)
  const keys = [
    await gateway.mint({ tenant: 'acme', scopes: ['files:read'] }),
    await gateway.mint({ tenant: 'globex', scopes: ['files:read'] }),
  ]
  const request = (n: number): string =>
    `GET /other/${n}${LONG_QUERY} HTTP/1.1\r\nHost: w\r\nX-Api-Key: ${keys[n % 2]}\r\n\r\n`
  const wave = (total: number): Promise<unknown> => burst({ origin: gateway.proxyUrl, request, total })
  await wave(5000)
  await untilAccounted(server, 5000)
  await server.freeze()
  await wave(20_000)
  const before = await gateway.metrics()
  // Kept, these would take 130 MB.
  await wave(40_000)
  const after = await gateway.metrics()
  const grownBytes = after.sum('process_resident_memory_bytes') - before.sum('process_resident_memory_bytes')
  t.comment(`40,000 entries dropped: memory grew by ${Math.round(grownBytes / 1024)} KiB`)
  t.ok(grownBytes < 80 * 1024 ** 2, 'memory stays flat while entries are dropped', { grownBytes })
  const { dropped, buffered } = (await gateway.overview()).accessLog
  t.ok((dropped['channel_full'] ?? 0) >= 50_000, 'entries are dropped', { dropped, buffered })
  await assertBalanced(t, gateway)
  server.thaw()

  const accounts = await untilAccounted(server, 65_000)
  for (const tenant of ['acme', 'globex']) {
    const account = accounts.get(tenant)
    t.ok(account)
    if (account === undefined) continue
    t.equal(
      account.stored + lossOf(account),
      32_500,
      `${tenant}: stored and dropped are what was asked`,
      account,
    )
    t.strictSame(Object.keys(account.dropped), ['channel_full'], 'with its reason')
    t.equal(after.sum('waybill_tenant_dropped_total', { tenant }), account.dropped['channel_full'])
  }
  await assertBalanced(t, gateway)
  await assertLedger(t, server)
  t.equal(await gateway.stop(), 0, 'the gateway stops cleanly')
})
