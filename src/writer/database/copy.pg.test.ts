import { once } from 'node:events'
import { createServer, isIP, type Socket } from 'node:net'
import fc from 'fast-check'
import t from 'tap'
import type { AccessEntry } from '../../model/access-entry.ts'
import { ensurePartitions } from '../../store/entries/partitions.ts'
import { testDatabase } from '../../test/database.ts'
import type { Batch } from '../batch/batch.ts'
import { PREPARE_COUNT } from './batch-statement.ts'
import { CopyConnection } from './copy.ts'
import { storableText } from '../batch/encode.ts'
import { entryOf, INSTANCE, sealedBatch } from '../../test/writer-parts.ts'

let lastBatch = 0

function batchOf(entries: AccessEntry[], dropped: Batch['dropped'] = null): Batch {
  return sealedBatch(entries, { number: ++lastBatch, dropped })
}

t.test('COPY', async (t) => {
  const { sql, target } = await testDatabase(t)
  await ensurePartitions(sql, new Date(), 1)
  const connection = new CopyConnection(target, { copyTimeoutMs: 5000 })
  t.teardown(() => connection.close())
  const today = (fields: Partial<AccessEntry> = {}): AccessEntry =>
    entryOf({ startedAtMs: Date.now(), ...fields })

  t.test('stores any text in any field, and any address, as its storable form', async () => {
    const text = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.string({
        unit: fc.constantFrom('\\', 'N', '.', '\t', '\n', '\r', '\0', 'é', '\ud800', '\udc00', '😀', "'"),
      }),
      fc.constantFrom('\\.', '\\N', '\\.\n', 'x'.repeat(65_536), '\0'.repeat(65_536)),
    )
    const entry = fc.record({
      tenant: fc.constantFrom('acme', '', '\\.', '\ud800'),
      keyId: text,
      method: text,
      host: text,
      path: text,
      upstream: text,
      userAgent: text,
      requestId: text,
      traceId: text,
      // As long as the background makes them: an index holds both.
      package: text.map((name) => name.slice(0, 512)),
      version: text.map((name) => name.slice(0, 256)),
      clientIp: fc.oneof(fc.ipV4(), fc.ipV6(), text),
      bytesSent: fc.double(),
      durationUs: fc.double(),
      status: fc.double(),
    })
    await fc.assert(
      fc.asyncProperty(fc.array(entry, { minLength: 1, maxLength: 20 }), async (fields) => {
        const batch = batchOf(fields.map((each) => today(each)))
        const result = await connection.store(batch)
        const rows = await sql`
          SELECT l.* FROM access_log l WHERE l.instance = ${INSTANCE} ORDER BY seq`
        await sql`DELETE FROM access_log`
        const stored = (value: string): string | null => (value === '' ? null : storableText(value))
        return (
          result.state === 'stored' &&
          result.rows === fields.length &&
          rows.length === fields.length &&
          rows.every((row, i) => {
            const f = fields[i]
            return (
              f !== undefined &&
              row['tenant'] === stored(f.tenant) &&
              row['key_id'] === stored(f.keyId) &&
              row['method'] === stored(f.method) &&
              row['host'] === stored(f.host) &&
              row['path'] === stored(f.path) &&
              row['upstream'] === stored(f.upstream) &&
              row['user_agent'] === stored(f.userAgent) &&
              row['request_id'] === stored(f.requestId) &&
              row['trace_id'] === stored(f.traceId) &&
              row['package'] === stored(f.package) &&
              row['version'] === stored(f.version) &&
              (row['client_ip'] === null) === (isIP(f.clientIp) === 0)
            )
          })
        )
      }),
      { numRuns: 60 },
    )
  })

  t.test('writes the ledger row with the batch, and the second attempt finds it', async (t) => {
    await sql`DELETE FROM access_log`
    const batch = batchOf([today({ tenant: 'a' }), today({ tenant: 'b' })], {
      "o'x\0\\": { channel_full: 3 },
      '': { rejected: 1 },
    })
    t.same(await connection.store(batch), { state: 'stored', rows: 2 })
    t.same(await connection.store(batch), { state: 'already_stored', rows: 2 })
    t.same(await connection.store(batch), { state: 'already_stored', rows: 2 })
    const [row] = await sql`SELECT * FROM access_ledger WHERE batch = ${batch.number}`
    t.match(row, {
      instance: INSTANCE,
      entries: 2,
      dropped: { "o'x\ufffd\\": { channel_full: 3 }, '': { rejected: 1 } },
    })
    t.same(
      [Number(row?.['first_seq']), Number(row?.['last_seq']), Number(row?.['bytes'])],
      [1, 2, batch.body.length],
    )
    const [count] = await sql<{ n: number }[]>`SELECT count(*)::int AS n FROM access_log`
    t.equal(count?.n, 2)
  })

  t.test('stores a batch without rows: its drops are in the ledger', async (t) => {
    const batch = batchOf([], { a: { shutdown: 1 } })
    t.same(await connection.store(batch), { state: 'stored', rows: 0 })
    t.match(
      (await sql`SELECT entries, first_seq, dropped FROM access_ledger WHERE batch = ${batch.number}`)[0],
      {
        entries: 0,
        first_seq: null,
        dropped: { a: { shutdown: 1 } },
      },
    )
  })

  t.test('a failed batch leaves neither rows nor ledger row, and names what is wrong', async (t) => {
    const far = batchOf([today(), entryOf({ startedAtMs: 0 })])
    await t.rejects(connection.store(far), { kind: 'missing_partition', code: '23514' })
    const good = batchOf([today(), today(), today()])
    const bad = { ...good, body: Buffer.from(good.body.toString().replace(/\t200\t(?!.*\t200\t)/s, '\tx\t')) }
    await t.rejects(connection.store(bad), { kind: 'rejected', code: '22P02', line: 3 })
    t.same(await connection.store(good), { state: 'stored', rows: 3 }, 'the same number is still free')
    t.equal((await sql`SELECT FROM access_ledger WHERE batch = ${far.number}`).length, 0)
  })

  t.test('a poisoned row early in 16 MB is told like any other', async (t) => {
    const big = batchOf(Array.from({ length: 8000 }, () => today({ path: 'x'.repeat(2000) })))
    const bad = { ...big, body: Buffer.from(big.body.toString().replace('\t200\t', '\tx\t')) }
    await t.rejects(connection.store(bad), { kind: 'rejected', code: '22P02', line: 1 })
    t.equal((await connection.store(big)).rows, 8000)
  })

  t.test('a database that is wrong is told from one that is away', async (t) => {
    const cases = [
      { target: { ...target, database: 'no_such_database' }, expected: { kind: 'unusable', code: '3D000' } },
      {
        target: { ...target, host: '127.0.0.1', port: 1 },
        expected: { kind: 'retry', code: 'ECONNREFUSED' },
      },
      { target: { ...target, host: '/nowhere' }, expected: { kind: 'retry', code: 'ENOENT' } },
    ]
    for (const each of cases) {
      const other = new CopyConnection(each.target, { copyTimeoutMs: 5000 })
      await t.rejects(other.store(batchOf([today()])), each.expected)
      await other.close()
    }
  })

  t.test(
    'a peer that never answers is given up after the time limit, and destroy ends the wait at once',
    async (t) => {
      const sockets = new Set<Socket>()
      const silent = createServer((socket) => {
        sockets.add(socket.on('error', () => {}).resume())
      })
      silent.listen(0, '127.0.0.1')
      await once(silent, 'listening')
      t.teardown(() => {
        silent.close()
        for (const socket of sockets) socket.destroy()
      })
      const address = silent.address()
      if (address === null || typeof address === 'string') throw new Error('no port')
      const hole = { ...target, host: '127.0.0.1', port: address.port }
      const hasty = new CopyConnection(hole, { copyTimeoutMs: 100 })
      await t.rejects(hasty.store(batchOf([today()])), { code: 'timeout', kind: 'retry' })
      const patient = new CopyConnection(hole, { copyTimeoutMs: 60_000 })
      const accepted = once(silent, 'connection')
      const failed = patient.store(batchOf([today()])).catch((error: unknown) => error)
      await accepted
      patient.destroy()
      t.match(await failed, { name: 'BatchError', kind: 'retry' })
    },
  )

  t.test('a COPY that the server does not answer is given up after the time limit', async (t) => {
    const hasty = new CopyConnection(target, { copyTimeoutMs: 300 })
    const batch = batchOf([today()])
    await sql.begin(async (tx) => {
      await tx`LOCK TABLE access_log IN ACCESS EXCLUSIVE MODE`
      const failure = await hasty.store(batch).catch((error: unknown) => error)
      t.match(failure, { kind: 'retry', code: /^(timeout|57014)$/ })
    })
    t.equal((await hasty.store(batch)).rows, 1)
    await hasty.close()
  })

  t.test('an idle connection that is terminated is replaced', async (t) => {
    await connection.store(batchOf([today()]))
    const [row] = await sql<{ n: number }[]>`
      SELECT count(pg_terminate_backend(pid))::int AS n FROM pg_stat_activity
      WHERE application_name = 'waybill-writer' AND datname = current_database()`
    t.equal(row?.n, 1)
    let left = 1
    while (left > 0) {
      const [activity] = await sql<{ n: number }[]>`
        SELECT count(*)::int AS n FROM pg_stat_activity
        WHERE application_name = 'waybill-writer' AND datname = current_database()`
      left = activity?.n ?? 0
    }
    const batch = batchOf([today()])
    // The news may still be under way, in which case the first attempt meets it.
    const result = await connection.store(batch).catch(() => connection.store(batch))
    t.equal(result.rows, 1)
  })

  t.test('a session that a pooler hands on, in which all is prepared already, serves as well', async (t) => {
    const session = await sql.reserve()
    for (let i = 0; i < 2; i++) await session.unsafe(PREPARE_COUNT).simple()
    const [row] = await session<{ n: number }[]>`
      SELECT count(*)::int AS n FROM pg_prepared_statements WHERE name LIKE 'waybill%'`
    session.release()
    t.equal(row?.n, 2)
  })

  t.test('D3: a backend that is ended amid a row blames no row, a trigger that says so does', async (t) => {
    // Each ends, or says that it ends, while the second row is taken.
    for (const [body, isOfConnection] of [
      ['PERFORM pg_terminate_backend(pg_backend_pid())', true],
      [`RAISE EXCEPTION 'no' USING ERRCODE = '57P01'`, false],
      [`RAISE EXCEPTION 'no' USING ERRCODE = '08006'`, false],
    ] as const) {
      await sql.unsafe(`CREATE FUNCTION end_it() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN IF NEW.path = '/end' THEN ${body}; END IF; RETURN NEW; END $$`)
      await sql.unsafe(
        'CREATE TRIGGER end_it BEFORE INSERT ON access_log FOR EACH ROW EXECUTE FUNCTION end_it()',
      )
      const batch = batchOf([today(), today({ path: '/end' })])
      const failure = await connection.store(batch).catch((error: unknown) => error)
      await sql.unsafe('DROP FUNCTION end_it() CASCADE')
      t.match(failure, { kind: 'retry', isOfConnection, line: isOfConnection ? null : 2 }, body)
      t.equal((await connection.store(batch)).rows, 2)
    }
  })
})
