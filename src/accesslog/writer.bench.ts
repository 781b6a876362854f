import { randomUUID } from 'node:crypto'
import t from 'tap'
import { AccessEntry } from '../model/access-entry.ts'
import { ensurePartitions } from '../store/partitions.ts'
import { testDatabase } from '../store/test-database.ts'
import { Channel } from './channel.ts'
import { CopyConnection } from './copy.ts'
import { Ledger } from './ledger.ts'
import { Writer } from './writer.ts'

// Pushes 200,000 entries at once and tells how fast they reach Postgres, and what a push costs:
// node dist/embedded/with-postgres.js -- node dist/accesslog/writer.bench.js

const ENTRIES = 200_000
const TENANTS = 50
const ROUNDS = 3

function bareEntry(i: number): AccessEntry {
  const entry = new AccessEntry()
  entry.startedAtMs = Date.now() - 2000 + Math.floor(i / 100)
  entry.tenant = `tenant-${i % TENANTS}`
  entry.keyId = 'k7m2p9q4x1'
  entry.route = 'npm'
  entry.kind = 'npm'
  entry.method = 'GET'
  entry.host = 'artifacts.example.com'
  entry.path = `/npm/@scope/package-${i % 1000}/-/package-${i % 1000}-1.${i % 20}.0.tgz`
  entry.status = 200
  entry.outcome = 'forwarded'
  entry.bytesSent = 1024 + i
  entry.durationUs = 1500 + (i % 977)
  entry.upstreamUs = 1200
  entry.upstream = 'repo.example.com:443'
  entry.clientIp = `10.1.${(i >> 8) & 255}.${i & 255}`
  entry.userAgent = 'npm/10.8.2 node/v20.20.2 linux x64 workspaces/false ci/github-actions'
  entry.requestId = `req-${i.toString(36)}`
  entry.traceId = '4bf92f3577b34da6a3ce929d0e0e4736'
  entry.ecosystem = 'npm'
  entry.package = `@scope/package-${i % 1000}`
  entry.version = `1.${i % 20}.0`
  return entry
}

t.test('a push of an entry that was just made, into a channel that is emptied by the batch', async (t) => {
  for (let round = 1; round <= ROUNDS; round++) {
    const channel = new Channel({ capacityEntries: 4096, capacityBytes: 1e9, ledger: new Ledger() })
    let us = 0
    for (let batch = 0; batch < 200; batch++) {
      const entries = Array.from({ length: 1000 }, (_, i) => bareEntry(i))
      const startedAt = performance.now()
      for (const entry of entries) channel.push(entry)
      us += (performance.now() - startedAt) * 1000
      while (channel.shift());
    }
    t.comment(`round ${round}: ${(us / 200_000).toFixed(3)} µs a push`)
  }
})

t.test('200,000 entries at once', { timeout: 120_000 }, async (t) => {
  const { sql, target } = await testDatabase(t)
  await ensurePartitions(sql, new Date(Date.now() - 86_400_000), 3)
  for (let round = 1; round <= ROUNDS; round++) {
    const ledger = new Ledger()
    const channel = new Channel({ capacityEntries: ENTRIES, capacityBytes: 1e9, ledger })
    const writer = new Writer({
      channel,
      ledger,
      store: new CopyConnection(target, { copyTimeoutMs: 10_000 }),
      ensurePartitions: async () => {},
      instance: randomUUID(),
      options: {
        flushEntries: 128,
        flushIntervalMs: 2000,
        maxBatchEntries: 4096,
        maxBatchBytes: 4 * 1024 * 1024,
        backoffMinMs: 100,
        backoffMaxMs: 5000,
      },
      logger: {
        info: () => {},
        warn: (fields, message) => t.fail(message, fields),
        error: (fields, message) => t.fail(message, fields),
      },
    })
    writer.start()
    const entries = Array.from({ length: ENTRIES }, (_, i) => bareEntry(i))
    const pushedAt = performance.now()
    for (const entry of entries) channel.push(entry)
    const pushUs = ((performance.now() - pushedAt) * 1000) / ENTRIES
    entries.length = 0
    const cpu = process.cpuUsage()
    const startedAt = performance.now()
    await writer.flush()
    const seconds = (performance.now() - startedAt) / 1000
    const used = process.cpuUsage(cpu)
    const { batches, bytes, copyDurations } = writer.stats
    await writer.drain(5000)
    t.comment(
      `round ${round}: ${Math.round(ENTRIES / seconds)} rows/s, ${((used.user + used.system) / ENTRIES).toFixed(2)} µs CPU of Node a row, ` +
        `push ${pushUs.toFixed(3)} µs, ${batches} batches, ${Math.round(bytes / ENTRIES)} bytes a row, ` +
        `COPY ${(copyDurations.sumMs / batches).toFixed(1)} ms`,
    )
  }
  const [row] = await sql<{ n: number }[]>`SELECT count(*)::int AS n FROM access_log`
  t.equal(row?.n, ENTRIES * ROUNDS)
})
