import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { connect, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { DatabaseTarget } from '../model/database-target.ts'
import { ensurePartitionFor, ensurePartitions } from '../store/entries/partitions.ts'
import { type TestDatabase, testDatabase } from '../test/database.ts'
import { Channel } from '../channel/channel.ts'
import { CopyConnection } from './database/copy.ts'
import { Ledger } from '../channel/ledger.ts'
import { Spill } from './spill/spill.ts'
import { assertChain } from '../test/database-chain.ts'
import { brokenAccounts, entryOf } from '../test/writer-parts.ts'
import type { WriterOptions } from './assembly.ts'
import { Writer } from './writer.ts'

interface Rig {
  readonly channel: Channel
  readonly ledger: Ledger
  readonly writer: Writer
  readonly instance: string
}

function rigOf(
  t: Test,
  database: TestDatabase,
  target: DatabaseTarget,
  options: Partial<WriterOptions> = {},
  spillDirectory?: string,
): Rig {
  const ledger = new Ledger()
  const channel = new Channel({ capacityEntries: 250_000, capacityBytes: 1e9, ledger })
  const instance = randomUUID()
  const ignore = (): void => {}
  const logger = { info: ignore, warn: ignore, error: ignore }
  const spilling = { directory: spillDirectory ?? '', instance, maxBytes: 1e9, syncIntervalMs: 100, logger }
  const writer = new Writer({
    channel,
    ledger,
    store: new CopyConnection(target, { copyTimeoutMs: 5000 }),
    ensurePartitions: (days) => ensurePartitionFor(database.sql, days),
    instance,
    options: {
      flushEntries: 128,
      flushIntervalMs: 2000,
      maxBatchEntries: 4096,
      maxBatchBytes: 4 * 1024 * 1024,
      backoffMinMs: 5,
      backoffMaxMs: 100,
      ...options,
    },
    logger,
    spill: spillDirectory === undefined ? null : new Spill(spilling),
  })
  t.teardown(() => writer.drain(2000))
  writer.start()
  return { channel, ledger, writer, instance }
}

/** Compares the table with the books: every seq once, law 3, and the ledger rows. */
async function assertExactlyOnce(
  t: Test,
  { sql }: TestDatabase,
  { ledger, instance, channel }: Rig,
): Promise<void> {
  const [rows] = await sql`
    SELECT count(*)::int AS n, count(DISTINCT seq)::int AS seqs, count(DISTINCT id)::int AS ids
    FROM access_log WHERE instance = ${instance}`
  const [batches] = await sql`
    SELECT coalesce(sum(entries), 0)::int AS n, count(*)::int AS batches, max(batch)::int AS last
    FROM access_ledger WHERE instance = ${instance}`
  const { stored } = ledger.totals
  t.same(rows, { n: stored, seqs: stored, ids: stored })
  t.equal(batches?.['n'], stored + ledger.totals.quarantined)
  t.equal(batches?.['batches'], batches?.['last'] ?? 0, 'batch numbers have no holes')
  t.equal(ledger.totals.accepted, channel.lastSeq)
  t.same(brokenAccounts(ledger), [])
}

/** Resolves when that is so; the test's own time limit bounds it. */
async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await new Promise((resolve) => void setImmediate(resolve))
}

/** A relay to the database, so that a test may cut its connections or have it absent. */
async function relayTo(
  t: Test,
  target: DatabaseTarget,
): Promise<{
  target: DatabaseTarget
  cut: () => void
  /** From now on it cuts, and each new connection at once. */
  pause: () => void
  resume: () => void
  open: Set<Socket>
}> {
  let isPaused = false
  const open = new Set<Socket>()
  const server = createServer((client) => {
    if (isPaused) return void client.destroy()
    const upstream = target.host.startsWith('/')
      ? connect(`${target.host}/.s.PGSQL.${target.port}`)
      : connect(target.port, target.host)
    for (const socket of [client, upstream]) {
      open.add(socket)
      socket.on('error', () => {})
      socket.once('close', () => {
        open.delete(socket)
        client.destroy()
        upstream.destroy()
      })
    }
    client.pipe(upstream).pipe(client)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const cut = (): void => {
    for (const socket of open) socket.destroy()
  }
  t.teardown(() => {
    server.close()
    cut()
  })
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  const pause = (): void => {
    isPaused = true
    cut()
  }
  const resume = (): void => {
    isPaused = false
  }
  return { target: { ...target, host: '127.0.0.1', port: address.port }, cut, pause, resume, open }
}

t.test('the access log in PostgreSQL', async (t) => {
  const database = await testDatabase(t)
  const { sql, target } = database
  await ensurePartitions(sql, new Date(), 2)
  const now = (): number => Date.now()

  t.test('128 at once appear at once, and a single one within 2.5 s', async (t) => {
    const rig = rigOf(t, database, target)
    const startedAt = performance.now()
    const isFull = new Promise<void>((resolve) => {
      const look = (): void => (rig.ledger.totals.stored === 128 ? resolve() : void setImmediate(look))
      look()
    })
    for (let i = 0; i < 128; i++) rig.channel.push(entryOf({ startedAtMs: now() }))
    await isFull
    t.ok(performance.now() - startedAt < 1500, 'not by the timer')
    t.equal(rig.writer.stats.triggers.size, 1)
    rig.channel.push(entryOf({ startedAtMs: now(), requestId: 'single' }))
    const pushedAt = performance.now()
    let found = 0
    while (found === 0 && performance.now() - pushedAt < 10_000) {
      const [row] = await sql<
        { n: number }[]
      >`SELECT count(*)::int AS n FROM access_log WHERE request_id = 'single'`
      found = row?.n ?? 0
    }
    t.equal(found, 1)
    t.ok(performance.now() - pushedAt < 2500)
    await assertExactlyOnce(t, database, rig)
  })

  t.test('a backlog of 200,000 is copied back to back', async (t) => {
    const rig = rigOf(t, database, target)
    for (let i = 0; i < 200_000; i++) rig.channel.push(entryOf({ startedAtMs: now(), tenant: `t${i % 7}` }))
    await rig.writer.flush()
    t.equal(rig.ledger.totals.stored, 200_000)
    t.ok(rig.writer.stats.batches < 100, `${rig.writer.stats.batches} batches`)
    await assertExactlyOnce(t, database, rig)
  })

  t.test('a backend terminated again and again in mid-flight loses and duplicates nothing', async (t) => {
    const rig = rigOf(t, database, target, { maxBatchEntries: 500 })
    for (let i = 0; i < 40_000; i++) rig.channel.push(entryOf({ startedAtMs: now() }))
    // Bounded, for killing faster than a connection is made would never end.
    for (let kill = 0; kill < 60; kill++) {
      await sql`SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE application_name = 'waybill-writer' AND datname = current_database()`
    }
    await rig.writer.flush()
    t.ok(rig.writer.stats.retries > 0, `${rig.writer.stats.retries} retries`)
    t.equal(rig.ledger.totals.stored, 40_000)
    await assertExactlyOnce(t, database, rig)
  })

  t.test('a connection cut at any byte of the answer loses and duplicates nothing', async (t) => {
    const relay = await relayTo(t, target)
    const rig = rigOf(t, database, relay.target, { flushEntries: 10, maxBatchEntries: 100 })
    for (let round = 0; round < 60; round++) {
      for (let i = 0; i < 50; i++) rig.channel.push(entryOf({ startedAtMs: now() }))
      const flushed = rig.writer.flush()
      // From no turn to many: before the connect, in the COPY, after the commit.
      for (let turn = 0; turn < round * 3; turn++) await new Promise((resolve) => void setImmediate(resolve))
      relay.cut()
      await flushed
    }
    t.ok(rig.writer.stats.retries > 0, `${rig.writer.stats.retries} retries`)
    t.equal(rig.ledger.totals.stored, 3000)
    await assertExactlyOnce(t, database, rig)
  })

  t.test('an acknowledgement that never arrives is found in the ledger', async (t) => {
    const rig = rigOf(t, database, target)
    rig.channel.push(entryOf({ startedAtMs: now() }))
    await rig.writer.flush()
    // The next batch is there already, as if its acknowledgement had been lost.
    await sql`INSERT INTO access_ledger (instance, batch, entries, bytes) VALUES (${rig.instance}, 2, 1, 1)`
    rig.channel.push(entryOf({ startedAtMs: now() }))
    await rig.writer.flush()
    t.match(rig.writer.stats, { alreadyStored: 1, retries: 0, consecutiveFailures: 0 })
    rig.channel.push(entryOf({ startedAtMs: now() }))
    await rig.writer.flush()
    t.equal(rig.writer.stats.batches, 3, 'and it goes on')
  })

  t.test('a missing partition is made', async (t) => {
    const rig = rigOf(t, database, target)
    for (const year of [1, 1999, 2042, 9999, 12_000]) {
      const startedAtMs = new Date(0).setUTCFullYear(year)
      rig.channel.push(entryOf({ startedAtMs }))
    }
    await rig.writer.flush()
    t.equal(rig.ledger.totals.stored, 5)
    t.equal(rig.writer.stats.consecutiveFailures, 0)
    await assertExactlyOnce(t, database, rig)
  })

  t.test('poisoned rows are isolated, also in a batch of megabytes', async (t) => {
    await sql.unsafe(`CREATE FUNCTION refuse_poison() RETURNS trigger LANGUAGE plpgsql AS
      $$ BEGIN IF NEW.path = '/poison' THEN RAISE EXCEPTION 'no' USING ERRCODE = '22P02'; END IF; RETURN NEW; END $$`)
    await sql.unsafe(
      `CREATE TRIGGER refuse_poison BEFORE INSERT ON access_log FOR EACH ROW EXECUTE FUNCTION refuse_poison()`,
    )
    t.teardown(() => sql.unsafe('DROP FUNCTION refuse_poison() CASCADE'))
    const rig = rigOf(t, database, target)
    for (let i = 0; i < 4000; i++) {
      const isPoison = i === 2 || i === 2000 || i === 3999
      rig.channel.push(
        entryOf({
          startedAtMs: now(),
          tenant: isPoison ? 'evil' : 'acme',
          path: isPoison ? '/poison' : '/',
          userAgent: 'x'.repeat(900),
        }),
      )
    }
    await rig.writer.flush()
    t.match(rig.ledger.account('evil'), { stored: 0, quarantined: 3 })
    t.equal(rig.ledger.totals.stored, 3997)
    t.equal(rig.writer.stats.rowMismatches, 0)
    t.same(await rig.writer.drain(5000), { stored: true, lost: 0, spilled: 0 })
    const quarantined = await sql`
      SELECT tenant, code, detail, seq::int, convert_from(row, 'UTF8') LIKE '%/poison%' AS is_row FROM quarantine
      WHERE instance = ${rig.instance} ORDER BY seq`
    const refused = (seq: number) => ({ tenant: 'evil', code: '22P02', detail: 'no', is_row: true, seq })
    t.same([...quarantined], [3, 2001, 4000].map(refused))
    const [row] =
      await sql`SELECT sum((quarantined ->> 'evil')::int)::int AS n FROM access_ledger WHERE instance = ${rig.instance}`
    t.equal(row?.['n'], 3)
    await assertChain(t, database, rig.instance)
    await assertExactlyOnce(t, database, rig)
  })

  t.test('an outage: spilled, replayed once, poisoned rows in quarantine, the chain whole', async (t) => {
    for (const isJournal of [false, true]) {
      await sql.unsafe(`CREATE FUNCTION refuse_poison() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN IF NEW.path = '/poison' THEN RAISE EXCEPTION 'no' USING ERRCODE = '22P02'; END IF; RETURN NEW; END $$`)
      await sql.unsafe(
        `CREATE TRIGGER refuse_poison BEFORE INSERT ON access_log FOR EACH ROW EXECUTE FUNCTION refuse_poison()`,
      )
      const relay = await relayTo(t, target)
      const directory = mkdtempSync(join(tmpdir(), 'waybill-spill-'))
      t.teardown(() => rmSync(directory, { recursive: true, force: true }))
      const options = { maxBatchEntries: 500, spillAfterMs: 50, isJournal, flushIntervalMs: 100 }
      const rig = rigOf(t, database, relay.target, options, directory)
      const push = (n: number, path = '/'): void => {
        for (let i = 0; i < n; i++)
          rig.channel.push(entryOf({ startedAtMs: now(), path, tenant: `t${i % 3}` }))
      }
      push(1000)
      await until(() => rig.ledger.totals.stored === 1000)
      relay.pause()
      for (let round = 0; round < 20; round++) {
        push(300)
        push(1, '/poison')
        await rig.writer.flush()
      }
      t.equal(rig.ledger.totals.spilled, 6020)
      t.same(brokenAccounts(rig.ledger), [])
      relay.resume()
      // Cut again and again while it is replayed.
      for (let cut = 0; cut < 10; cut++) {
        await new Promise((resolve) => void setTimeout(resolve, 20))
        relay.cut()
      }
      push(500)
      await until(() => rig.ledger.totals.spilled === 0 && rig.ledger.totals.buffered === 0)
      t.match(rig.ledger.totals, {
        accepted: 7520,
        stored: 7500,
        quarantined: 20,
        dropped: { channel_full: 0 },
      })
      await assertExactlyOnce(t, database, rig)
      t.same(await rig.writer.drain(5000), { stored: true, lost: 0, spilled: 0 })
      await assertChain(t, database, rig.instance)
      const [row] = await sql`SELECT count(*)::int AS n FROM quarantine WHERE instance = ${rig.instance}`
      t.equal(row?.['n'], 20)
      t.same(readdirSync(directory), [], 'nothing is left on disk')
      await sql.unsafe('DROP FUNCTION refuse_poison() CASCADE')
    }
  })

  t.test('what a stopped process left on disk is stored by the next, and its chain is whole', async (t) => {
    const relay = await relayTo(t, target)
    const directory = mkdtempSync(join(tmpdir(), 'waybill-spill-'))
    t.teardown(() => rmSync(directory, { recursive: true, force: true }))
    const first = rigOf(t, database, relay.target, { spillAfterMs: 50 }, directory)
    relay.pause()
    for (let i = 0; i < 5000; i++) first.channel.push(entryOf({ startedAtMs: now() }))
    t.same(await first.writer.drain(300), { stored: true, lost: 0, spilled: 5000 })
    const second = rigOf(t, database, target, {}, directory)
    await until(() => second.writer.stats.replayed === 5000)
    t.match(second.ledger.totals, { accepted: 0, stored: 0, spilled: 0 })
    await assertChain(t, database, first.instance)
    const [row] = await sql`
      SELECT count(*)::int AS n, bool_or(is_final) AS is_final FROM access_ledger WHERE instance = ${first.instance}`
    t.match(row, { is_final: true })
    const [rows] = await sql`
      SELECT count(*)::int AS n, count(DISTINCT seq)::int AS seqs FROM access_log WHERE instance = ${first.instance}`
    t.same(rows, { n: 5000, seqs: 5000 })
  })

  t.test('a database that is absent at the start gets everything when it comes', async (t) => {
    const reserved = createServer()
    reserved.listen(0, '127.0.0.1')
    await once(reserved, 'listening')
    const address = reserved.address()
    if (address === null || typeof address === 'string') throw new Error('no port')
    reserved.close()
    await once(reserved, 'close')
    const rig = rigOf(t, database, { ...target, host: '127.0.0.1', port: address.port })
    for (let i = 0; i < 300; i++) rig.channel.push(entryOf({ startedAtMs: now() }))
    const flushed = rig.writer.flush()
    while (rig.writer.stats.consecutiveFailures < 3)
      await new Promise((resolve) => void setImmediate(resolve))
    t.equal(rig.writer.stats.lastErrorCode, 'ECONNREFUSED')
    const relay = createServer((client) => {
      const upstream = target.host.startsWith('/')
        ? connect(`${target.host}/.s.PGSQL.${target.port}`)
        : connect(target.port, target.host)
      for (const socket of [client, upstream]) socket.on('error', () => {})
      client.on('close', () => upstream.destroy())
      client.pipe(upstream).pipe(client)
    })
    relay.listen(address.port, '127.0.0.1')
    await once(relay, 'listening')
    t.teardown(() => relay.close())
    await flushed
    t.equal(rig.ledger.totals.stored, 300)
    await assertExactlyOnce(t, database, rig)
    await rig.writer.drain(2000)
  })
})
