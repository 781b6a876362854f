import { randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { EntryIdentifier } from '../artifacts/identify/entry-identifier.ts'
import { routeOf } from '../config/routes.ts'
import type { DatabaseTarget } from '../model/database-target.ts'
import { ensurePartitions } from '../store/entries/partitions.ts'
import { testDatabase } from '../test/database.ts'
import { Channel } from '../channel/channel.ts'
import { RowEncoder } from './batch/encode.ts'
import { CopyConnection } from './database/copy.ts'
import { BatchError } from './database/failure.ts'
import { Ledger } from '../channel/ledger.ts'
import { Spill } from './spill/spill.ts'
import { benchEntry, ToldChannel } from '../test/bench.ts'
import { Writer } from './writer.ts'

// Pushes 200,000 entries at once and tells how fast they reach Postgres, and what a push costs:
// node dist/test/with-postgres.js -- node dist/writer/writer.bench.js

const ENTRIES = 200_000
const ROUNDS = 3

t.test('a push of an entry that was just made, into a channel that is emptied by the batch', async (t) => {
  for (let round = 1; round <= ROUNDS; round++) {
    const channel = new Channel({ capacityEntries: 4096, capacityBytes: 1e9, ledger: new Ledger() })
    let us = 0
    for (let batch = 0; batch < 200; batch++) {
      const entries = Array.from({ length: 1000 }, (_, i) => benchEntry(i))
      const startedAt = performance.now()
      for (const entry of entries) channel.push(entry)
      us += (performance.now() - startedAt) * 1000
      while (channel.shift());
    }
    t.comment(`round ${round}: ${(us / 200_000).toFixed(3)} µs a push`)
  }
})

/** Median of rounds of what a row takes, in µs of CPU. */
function encodingUs(identifier: EntryIdentifier | null): number {
  const route = routeOf({ name: 'npm', kind: 'npm', path: '/npm/', upstream: 'https://repo.example.com/' })
  const encoder = new RowEncoder(randomUUID())
  const rounds = Array.from({ length: 15 }, () => {
    const entries = Array.from({ length: 20_000 }, (_, i) =>
      Object.assign(benchEntry(i), { package: '', version: '', routed: route }),
    )
    const cpu = process.cpuUsage()
    for (const entry of entries) {
      identifier?.identify(entry)
      encoder.row(entry)
    }
    const { user, system } = process.cpuUsage(cpu)
    return (user + system) / entries.length
  })
  return rounds.toSorted((a, b) => a - b)[7] ?? 0
}

t.test('encoding a row, without and with the identification of what it was about', async (t) => {
  encodingUs(new EntryIdentifier())
  const without = encodingUs(null)
  const withIt = encodingUs(new EntryIdentifier())
  const more = (withIt - without).toFixed(2)
  t.comment(`${without.toFixed(2)} µs a row without, ${withIt.toFixed(2)} with: ${more} µs more`)
})

const SMALL_BATCHES = 'live in batches of 128'
/** `outage`: all of it is spilled first, and then replayed. */
const MODES = ['live', SMALL_BATCHES, 'journal', 'outage'] as const

t.test(
  '200,000 entries at once: live, with a journal, and through the spill',
  { timeout: 180_000 },
  async (t) => {
    const { sql, target } = await testDatabase(t)
    await ensurePartitions(sql, new Date(Date.now() - 86_400_000), 3)
    let rows = 0
    for (const mode of MODES) {
      for (let round = 1; round <= ROUNDS; round++) {
        t.comment(`${mode}, round ${round}: ${await run(t, target, mode)}`)
        rows += ENTRIES
      }
    }
    const [row] = await sql<{ n: number }[]>`SELECT count(*)::int AS n FROM access_log`
    t.equal(row?.n, rows)
  },
)

async function run(t: Test, target: DatabaseTarget, mode: (typeof MODES)[number]): Promise<string> {
  const directory = mkdtempSync(join(tmpdir(), 'waybill-bench-'))
  const isLive = mode === 'live' || mode === SMALL_BATCHES
  const ledger = new Ledger()
  const channel = new ToldChannel({ capacityEntries: ENTRIES, capacityBytes: 1e9, ledger })
  const connection = new CopyConnection(target, { copyTimeoutMs: 10_000 })
  let isAway = mode === 'outage'
  channel.toldFill = isAway ? 1 : 0
  const away = async (): Promise<never> => {
    throw new BatchError('away', { code: 'ECONNREFUSED', kind: 'retry' })
  }
  const logger = { info: () => {}, warn: () => {}, error: () => {} }
  const instance = randomUUID()
  const writer = new Writer({
    channel,
    ledger,
    store: {
      store: (batch, more) => (isAway ? away() : connection.store(batch, more)),
      storedAmong: (batches) => connection.storedAmong(batches),
      probe: (batch) => connection.probe(batch),
      close: () => connection.close(),
      destroy: () => connection.destroy(),
    },
    ensurePartitions: async () => {},
    spill: isLive ? null : new Spill({ directory, instance, maxBytes: 1e9, syncIntervalMs: 100, logger }),
    instance,
    options: {
      flushEntries: 128,
      flushIntervalMs: 2000,
      maxBatchEntries: mode === SMALL_BATCHES ? 128 : 4096,
      maxBatchBytes: 4 * 1024 * 1024,
      backoffMinMs: 10,
      backoffMaxMs: 100,
      isJournal: mode === 'journal',
    },
    logger,
  })
  writer.start()
  const entries = Array.from({ length: ENTRIES }, (_, i) => benchEntry(i))
  for (const entry of entries) channel.push(entry)
  entries.length = 0
  const lap = lapOf()
  await writer.flush()
  const results = [lap(isLive ? 'stored' : 'on disk')]
  isAway = false
  channel.toldFill = 0
  while (ledger.totals.stored < ENTRIES) await new Promise((resolve) => void setTimeout(resolve, 5))
  if (!isLive) results.push(lap('stored'))
  const { batches, bytes, copyDurations } = writer.stats
  await writer.drain(5000)
  rmSync(directory, { recursive: true, force: true })
  t.equal(writer.stats.retries > 0 && isLive, false)
  const copyMs = (copyDurations.sumMs / batches).toFixed(1)
  return `${results.join('; ')}; ${batches} batches, ${Math.round(bytes / ENTRIES)} bytes a row, COPY ${copyMs} ms`
}

t.test('a steady flow, with and without a journal', { timeout: 180_000 }, async (t) => {
  const { sql, target } = await testDatabase(t)
  await ensurePartitions(sql, new Date(Date.now() - 86_400_000), 3)
  for (const perSecond of [1000, 10_000]) {
    for (const isJournal of [false, true]) {
      const directory = mkdtempSync(join(tmpdir(), 'waybill-bench-'))
      const ledger = new Ledger()
      const channel = new Channel({ capacityEntries: 65_536, capacityBytes: 1e9, ledger })
      const logger = { info: () => {}, warn: () => {}, error: () => {} }
      const instance = randomUUID()
      const writer = new Writer({
        channel,
        ledger,
        store: new CopyConnection(target, { copyTimeoutMs: 10_000 }),
        ensurePartitions: async () => {},
        spill: new Spill({ directory, instance, maxBytes: 1e9, syncIntervalMs: 100, logger }),
        instance,
        options: {
          flushEntries: 128,
          flushIntervalMs: 2000,
          maxBatchEntries: 4096,
          maxBatchBytes: 4 * 1024 * 1024,
          backoffMinMs: 100,
          backoffMaxMs: 5000,
          isJournal,
        },
        logger,
      })
      writer.start()
      const seconds = 4
      const cpu = process.cpuUsage()
      const startedAt = performance.now()
      let pushed = 0
      let worstMs = 0
      while (pushed < perSecond * seconds) {
        await new Promise((resolve) => void setTimeout(resolve, 1))
        const dueNow = Math.min(((performance.now() - startedAt) / 1000) * perSecond, perSecond * seconds)
        while (pushed < dueNow) channel.push(benchEntry(pushed++))
        worstMs = Math.max(worstMs, writer.stats.oldestUnflushedAgeMs)
      }
      const used = process.cpuUsage(cpu)
      await writer.drain(5000)
      rmSync(directory, { recursive: true, force: true })
      t.equal(ledger.totals.stored, pushed)
      t.comment(
        `${perSecond} entries/s ${isJournal ? 'with a journal' : 'without'}: ` +
          `${((used.user + used.system) / pushed).toFixed(1)} µs CPU of Node an entry, the push of it and its making included; ` +
          `${writer.stats.batches} batches, in memory alone for ${worstMs.toFixed(1)} ms at most`,
      )
    }
  }
})

function lapOf(): (what: string) => string {
  let cpu = process.cpuUsage()
  let startedAt = performance.now()
  return (what) => {
    const used = process.cpuUsage(cpu)
    const seconds = (performance.now() - startedAt) / 1000
    cpu = process.cpuUsage()
    startedAt = performance.now()
    const us = (used.user + used.system) / ENTRIES
    return `${what} at ${Math.round(ENTRIES / seconds)} rows/s, ${us.toFixed(2)} µs CPU of Node a row`
  }
}
