import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import type { DatabaseTarget } from '../model/database-target.ts'
import { DatabaseSockets } from './database-sockets.ts'
import { closeSql, openControl, openReader, sqlStateOf } from './sql.ts'
import { testDatabase } from '../test/database.ts'

const { target } = await testDatabase(t)

/** A server that takes connections and answers with `answer`, or not at all. */
async function standIn(t: Test, answer: string | null): Promise<DatabaseTarget> {
  const server = createServer((socket) => {
    socket.on('error', () => {})
    socket.once('data', () => {
      if (answer !== null) socket.write(answer)
    })
    t.teardown(() => socket.destroy())
  })
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  t.teardown(() => server.close())
  return { ...target, host: '127.0.0.1', port: (server.address() as AddressInfo).port }
}

t.test('every connection has the session settings', async (t) => {
  const control = openControl(target, { applicationName: 'waybill test' })
  const reader = openReader(target, { statementTimeoutMs: 1234 })
  const migrator = openControl(target, { hasLongStatements: true })
  t.teardown(() => Promise.all([control, reader, migrator].map((sql) => closeSql(sql, 1000))))
  const settings = (sql: typeof control) =>
    sql`SELECT current_setting('application_name') AS name, current_setting('statement_timeout') AS statement,
          current_setting('lock_timeout') AS lock, current_setting('default_transaction_read_only') AS read_only,
          current_setting('TimeZone') AS zone, 9007199254740991::bigint AS big, ARRAY['a', 'b,"c'] AS list`
  const common = { lock: '3s', zone: 'UTC', big: Number.MAX_SAFE_INTEGER, list: ['a', 'b,"c'] }
  t.match(await settings(control), [{ ...common, name: 'waybill test', statement: '10s', read_only: 'off' }])
  t.match(await settings(reader), [{ ...common, statement: '1234ms', read_only: 'on' }])
  t.match(await settings(migrator), [{ ...common, statement: '0' }])
})

t.test('leaves no prepared statement behind, as a pooler in transaction mode requires', async (t) => {
  const control = openControl(target, { max: 1 })
  t.teardown(() => closeSql(control, 1000))
  for (const n of [1, 2]) t.match(await control`SELECT ${n}::int AS n`, [{ n }])
  t.same(await control`SELECT name FROM pg_prepared_statements`, [])
})

t.test('an error keeps its SQLSTATE; other errors have none', async (t) => {
  const control = openControl(target)
  t.teardown(() => closeSql(control, 1000))
  const error: unknown = await control`SELECT 1 / 0`.catch((error: unknown) => error)
  t.equal(sqlStateOf(error), '22012')
  t.equal(sqlStateOf(new Error('x')), null)
})

t.test('a handle on a server that never answers closes in bounded time', async (t) => {
  const control = openControl(await standIn(t, null))
  const queries = Promise.allSettled(Array.from({ length: 10 }, () => control`SELECT 1`))
  const startedAt = performance.now()
  await closeSql(control, 100)
  t.ok(performance.now() - startedAt < 2000)
  t.ok((await queries).every((query) => query.status === 'rejected'))
  await t.rejects(control`SELECT 1`, { code: 'CONNECTION_ENDED' })
  await closeSql(control, 100)
})

t.test('a server that stays silent in the middle of a query is given up', async (t) => {
  const sockets = new DatabaseSockets(await standIn(t, 'something'), {
    connectTimeoutMs: 1000,
    maxSilenceMs: 50,
  })
  const socket = await sockets.open()
  const closed = new Promise((resolve) => {
    socket.once('error', resolve)
  })
  socket.write('query')
  t.match(await closed, { code: 'ETIMEDOUT' })
  sockets.destroy()
  t.throws(() => sockets.open())
})

t.test('TLS is never given up silently', async (t) => {
  for (const [answer, message] of [
    ['N', /no TLS/],
    ['Sx', /no TLS/],
    ['S', /./],
  ] as const) {
    for (const tls of ['require', 'verify'] as const) {
      const control = openControl({ ...(await standIn(t, answer)), tls }, { max: 1 })
      if (answer === 'S') {
        // Agreed, but then no TLS comes: bounded by the close.
        const query = t.rejects(control`SELECT 1`)
        await closeSql(control, 50)
        await query
        continue
      }
      await t.rejects(control`SELECT 1`, { message })
      await t.rejects(control`SELECT 1`, { message }, 'the pool has not lost its only slot')
      await closeSql(control, 100)
    }
  }
  if (!target.host.startsWith('/')) return
  const local = openControl({ ...target, tls: 'verify' })
  t.match(await local`SELECT 1 AS n`, [{ n: 1 }], 'a unix socket needs none')
  await closeSql(local, 1000)
})

t.test('a server that breaks off as soon as it is ready costs the query, not the process', async (t) => {
  // AuthenticationOk and ReadyForQuery (PostgreSQL manual §55.7), then the end at whatever comes next.
  const ready = Buffer.from([0x52, 0, 0, 0, 8, 0, 0, 0, 0, 0x5a, 0, 0, 0, 5, 0x49])
  const server = createServer((socket) => {
    socket.on('error', () => {})
    socket.once('data', () => {
      socket.write(ready)
      socket.once('data', () => socket.destroy())
    })
  })
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  t.teardown(() => server.close())
  const { port } = server.address() as AddressInfo
  const control = openControl({ ...target, host: '127.0.0.1', port }, { max: 1 })
  t.teardown(() => closeSql(control, 100))
  const unhandled: unknown[] = []
  const keep = (reason: unknown): void => void unhandled.push(reason)
  process.on('unhandledRejection', keep)
  t.teardown(() => process.off('unhandledRejection', keep))
  for (let i = 0; i < 3; i++) await t.rejects(control`SELECT ${i}::int`, { code: 'CONNECTION_CLOSED' })
  await new Promise((resolve) => setImmediate(resolve))
  t.same(unhandled, [])
})

t.test(
  'backends that are terminated within a transaction cost that transaction, not the process, nor the handle',
  async (t) => {
    const control = openControl(target, { max: 2 })
    const killer = openControl(target, { max: 1 })
    t.teardown(() => Promise.all([control, killer].map((sql) => closeSql(sql, 1000))))
    const faults: unknown[] = []
    const keep = (reason: unknown): void => void faults.push(reason)
    for (const event of ['unhandledRejection', 'uncaughtException']) {
      process.on(event, keep)
      t.teardown(() => process.off(event, keep))
    }
    for (let i = 0; i < 10; i++) {
      let tell: (pid: number) => void = () => {}
      const told = new Promise<number>((resolve) => (tell = resolve))
      const transaction = control.begin(async (tx) => {
        const [row] = await tx<{ pid: number }[]>`SELECT pg_backend_pid() AS pid`
        tell(row?.pid ?? 0)
        await tx`SELECT pg_sleep(20)`
      })
      const failed = t.rejects(transaction)
      await killer`SELECT pg_terminate_backend(${await told})`
      await failed
      // Both connections work, at once and together: neither is stuck.
      const [first, second] = await Promise.allSettled([control`SELECT 1 AS n`, control`SELECT 2 AS n`])
      t.ok([first, second].some(({ status }) => status === 'fulfilled'))
      t.match(await Promise.all([control`SELECT 1 AS n`, control`SELECT 2 AS n`]), [[{ n: 1 }], [{ n: 2 }]])
    }
    t.same(faults, [])
  },
)

t.test('a server that refuses as one that is starting does is not asked without a pause', async (t) => {
  // ErrorResponse (PostgreSQL manual §55.7): severity, SQLSTATE, message.
  const fields = Buffer.from('SFATAL\0VFATAL\0C57P03\0Mthe database system is starting up\0\0')
  const refusal = Buffer.concat([Buffer.from([0x45, 0, 0, 0, fields.length + 4]), fields])
  let connections = 0
  const server = createServer((socket) => {
    connections++
    socket.on('error', () => {})
    socket.once('data', () => socket.end(refusal))
  })
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  t.teardown(() => server.close())
  const sockets = new DatabaseSockets(
    { ...target, host: '127.0.0.1', port: (server.address() as AddressInfo).port },
    { connectTimeoutMs: 1000, maxSilenceMs: 0 },
  )
  t.teardown(() => sockets.destroy())
  const waitsMs: number[] = []
  for (let i = 0; i < 5; i++) {
    const startedTick = performance.now()
    const socket = await sockets.open()
    waitsMs.push(performance.now() - startedTick)
    socket.on('error', () => {}).resume()
    socket.write('startup')
    await new Promise((resolve) => socket.once('close', resolve))
  }
  t.equal(connections, 5)
  // Timers may be early by a millisecond.
  for (const [i, atLeastMs] of [0, 24, 49, 99, 199].entries()) t.ok((waitsMs[i] ?? 0) >= atLeastMs)
})
