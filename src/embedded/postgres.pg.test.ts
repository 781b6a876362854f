import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Client } from 'pg'
import t from 'tap'
import type { Test } from 'tap'
import {
  NOT_DURABLE,
  makeStateDir,
  postmasterPid,
  startHolder,
  supervisorPid,
  untilGone,
} from '../test/embedded-holder.ts'
import type { EmbeddedPostgres } from './postgres.ts'
import { startEmbeddedPostgres } from './postgres.ts'
import { isRunning } from './postgres-recovery.ts'

// A database that was there before, for the tests that need no new one: making one takes most of their time.
const shared = makeStateDir()
t.teardown(shared.remove)

function stateDirFor(t: Test): string {
  const { stateDir, remove } = makeStateDir()
  t.teardown(remove)
  return stateDir
}

async function start(
  t: Test,
  stateDir: string,
  onProgress?: (message: string) => void,
): Promise<EmbeddedPostgres> {
  const postgres = await startEmbeddedPostgres({
    stateDir,
    settings: NOT_DURABLE,
    ...(onProgress === undefined ? {} : { onProgress }),
  })
  t.teardown(() => postgres.stop())
  return postgres
}

async function query(postgres: EmbeddedPostgres, sql: string): Promise<unknown[][]> {
  const client = new Client(postgres.connection)
  await client.connect()
  try {
    const { rows } = await client.query<unknown[]>({ text: sql, rowMode: 'array' })
    return rows
  } finally {
    await client.end()
  }
}

t.test('the first start creates the database, the second finds its rows', async (t) => {
  const stateDir = stateDirFor(t)
  const progress: string[] = []
  const first = await start(t, stateDir, (message) => progress.push(message))
  t.equal(first.started, true)
  t.match(progress, [/^creating the database/, /^starting PostgreSQL \d+/])
  await query(first, 'CREATE TABLE kept AS SELECT 42 AS answer')
  const pid = postmasterPid(stateDir)
  const stopped = first.stop()
  t.equal(await first.stop(), await stopped)
  t.notOk(isRunning(pid), 'stop() resolves after PostgreSQL has stopped')

  progress.length = 0
  const second = await start(t, stateDir, (message) => progress.push(message))
  t.equal(second.started, true)
  t.match(progress, [/^starting PostgreSQL/])
  t.strictSame(await query(second, 'SELECT answer FROM kept'), [[42]])
})

t.test('the database is UTF-8, sorted by bytes, and open to its socket only', async (t) => {
  const postgres = await startEmbeddedPostgres({ stateDir: shared.stateDir })
  t.teardown(() => postgres.stop())
  t.strictSame(
    await query(
      postgres,
      "SELECT pg_encoding_to_char(encoding), datcollate FROM pg_database WHERE datname = 'waybill'",
    ),
    [['UTF8', 'C']],
  )
  t.strictSame(await query(postgres, 'SHOW listen_addresses'), [['']])
  t.strictSame(await query(postgres, 'SHOW fsync'), [['on']])
  t.strictSame(await query(postgres, "SELECT 'b' < 'é', 'Z' < 'a', current_user"), [[true, true, 'waybill']])
  t.equal(statSync(postgres.connection.host).mode & 0o777, 0o700)
})

t.test('settings given at the start win over the defaults', async (t) => {
  const postgres = await startEmbeddedPostgres({
    stateDir: shared.stateDir,
    settings: { fsync: 'off', max_connections: '20' },
  })
  t.teardown(() => postgres.stop())
  t.strictSame(await query(postgres, 'SHOW max_connections'), [['20']])
  t.strictSame(await query(postgres, 'SHOW fsync'), [['off']])
})

t.test('a second holder adopts the server, which survives the one that started it', async (t) => {
  const { stateDir } = shared
  const first = await startHolder(stateDir)
  t.teardown(() => first.release())
  const second = await start(t, stateDir)
  t.equal(first.started, true)
  t.equal(second.started, false)
  t.equal(second.connection.host, first.host)
  const pid = postmasterPid(stateDir)
  await first.release()
  t.strictSame(await query(second, 'SELECT 1'), [[1]])
  t.equal(postmasterPid(stateDir), pid)
  await second.stop()
  t.notOk(isRunning(pid))
})

t.test('a start at the instant of the stop gets a server of its own', async (t) => {
  const { stateDir } = shared
  let holder = await start(t, stateDir)
  for (let round = 0; round < 5; round++) {
    const stopping = holder.stop()
    holder = await start(t, stateDir)
    await stopping
    t.strictSame(await query(holder, 'SELECT 1'), [[1]])
  }
})

t.test('five processes that start at once share one server', async (t) => {
  const stateDir = stateDirFor(t)
  const holders = await Promise.all(Array.from({ length: 5 }, () => startHolder(stateDir)))
  t.teardown(() => Promise.all(holders.map((holder) => holder.release())))
  t.equal(holders.filter((holder) => holder.started).length, 1)
  const log = readFileSync(join(stateDir, 'postgres', 'log'), 'utf8')
  t.equal(log.match(/ready to accept connections/g)?.length, 1)
  const [last, ...others] = holders
  await Promise.all(others.map((holder) => holder.release()))
  const pid = postmasterPid(stateDir)
  t.ok(isRunning(pid))
  await last?.release()
  t.notOk(isRunning(pid))
})

t.test('a process that forgets to stop still ends, and the server with it', async (t) => {
  const { stateDir } = shared
  const holder = await startHolder(stateDir)
  const pid = postmasterPid(stateDir)
  const supervisor = supervisorPid(stateDir)
  holder.child.kill('SIGKILL')
  await untilGone(supervisor)
  t.notOk(isRunning(pid))
})

t.test('a database of another major version is refused with both versions named', async (t) => {
  const stateDir = stateDirFor(t)
  mkdirSync(join(stateDir, 'postgres'), { mode: 0o711 })
  mkdirSync(join(stateDir, 'postgres', 'data'))
  writeFileSync(join(stateDir, 'postgres', 'data', 'PG_VERSION'), '9\n')
  await t.rejects(startEmbeddedPostgres({ stateDir }), {
    code: 'EMBEDDED_POSTGRES_VERSION_MISMATCH',
    message: /made by PostgreSQL 9, and the binaries here are PostgreSQL \d+\.\d+.*DATABASE_URL/,
  })
})

t.test('a setting that PostgreSQL refuses is reported with its words', async (t) => {
  const { stateDir } = shared
  await t.rejects(startEmbeddedPostgres({ stateDir, settings: { max_connections: 'many' } }), {
    code: 'EMBEDDED_POSTGRES_START_FAILED',
    message: /invalid value for parameter "max_connections"/,
  })
  const postgres = await start(t, stateDir)
  t.equal(postgres.started, true)
})

t.test('a start that takes too long is given up', async (t) => {
  const stateDir = stateDirFor(t)
  await t.rejects(startEmbeddedPostgres({ stateDir, startTimeoutMs: 1 }), {
    code: 'EMBEDDED_POSTGRES_START_TIMEOUT',
  })
  await untilGone(supervisorPid(stateDir))
})
