import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import t, { type Test } from 'tap'
import type { DatabaseTarget } from '../model/database-target.ts'
import { ensurePartitionFor, ensurePartitions } from '../store/partitions.ts'
import { type TestDatabase, testDatabase } from '../store/test-database.ts'
import { Channel } from './channel.ts'
import { CopyConnection } from './copy.ts'
import { Ledger } from './ledger.ts'
import { brokenAccounts, entryOf } from './test-parts.ts'
import { Writer, type WriterOptions } from './writer.ts'

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
): Rig {
  const ledger = new Ledger()
  const channel = new Channel({ capacityEntries: 250_000, capacityBytes: 1e9, ledger })
  const instance = randomUUID()
  const ignore = (): void => {}
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
    logger: { info: ignore, warn: ignore, error: ignore },
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
  t.equal(batches?.['n'], stored)
  t.equal(batches?.['batches'], batches?.['last'] ?? 0, 'batch numbers have no holes')
  t.equal(ledger.totals.accepted, channel.lastSeq)
  t.same(brokenAccounts(ledger), [])
}

/** A relay to the database, so that a test may cut its connections or have it absent. */
async function relayTo(
  t: Test,
  target: DatabaseTarget,
): Promise<{ target: DatabaseTarget; cut: () => void; open: Set<Socket> }> {
  const open = new Set<Socket>()
  const server = createServer((client) => {
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
  return { target: { ...target, host: '127.0.0.1', port: address.port }, cut, open }
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
    t.match(rig.ledger.account('evil'), { stored: 0, dropped: { rejected: 3 } })
    t.equal(rig.ledger.totals.stored, 3997)
    t.equal(rig.writer.stats.rowMismatches, 0)
    t.same(await rig.writer.drain(5000), { stored: true, lost: 0 })
    const dropped = await sql`
      SELECT sum((dropped -> 'evil' ->> 'rejected')::int)::int AS n FROM access_ledger WHERE instance = ${rig.instance}`
    t.same([...dropped], [{ n: 3 }], 'each drop is told once')
    await assertExactlyOnce(t, database, rig)
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
