import type { ChildProcess } from 'node:child_process'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, chown, cp, mkdir, mkdtemp, readlink, rm, stat, writeFile } from 'node:fs/promises'
import { createServer, connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import pg from 'pg'
import type { Test } from 'tap'
import { hasEnded } from './child.ts'
import { testDatabase, type TestDatabase } from './database.ts'
import { until, untilTrue } from './wait.ts'

const SETTINGS = {
  listen_addresses: '',
  fsync: 'off',
  max_connections: '60',
  wal_level: 'replica',
  hot_standby: 'on',
}
const USER = 'waybill'

/** A primary and its standby by streaming replication, behind one address, as a failover leaves clients to see them. */
export interface TwoServers extends TestDatabase {
  /** Resolves when the standby has replayed what the primary has committed so far. */
  untilReplayed(): Promise<void>
  /** Ends the streaming: what is committed from now on the standby will not have. */
  cut(): Promise<void>
  /** Kills the primary, promotes the standby, and lets the address lead there. Resolves when it takes writes. */
  failOver(): Promise<void>
}

interface Server {
  readonly data: string
  readonly sockets: string
  process: ChildProcess | null
}

/**
 * Starts both with the binaries of the shared server (Linux: found in /proc, and run as the same user), the standby from a cold copy,
 * for pg_basebackup is not among the embedded binaries. `query` goes to the one that the address leads to.
 */
export async function twoServers(t: Test): Promise<TwoServers> {
  const { bin, uid, gid } = await sharedServer(t)
  const folder = await mkdtemp(join(tmpdir(), 'waybill-two-'))
  t.teardown(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }))
  await chmod(folder, 0o711)
  const who = process.getuid?.() === uid ? {} : { uid, gid }
  const place = async (name: string): Promise<Server> => {
    const home = join(folder, name)
    await mkdir(home)
    await chown(home, uid, gid)
    return { data: join(home, 'data'), sockets: home, process: null }
  }
  const [a, b] = [await place('a'), await place('b')]
  const start = async (server: Server, settings: Readonly<Record<string, string>> = {}): Promise<void> => {
    const all = { ...SETTINGS, unix_socket_directories: server.sockets, ...settings }
    const args = [
      '-D',
      server.data,
      ...Object.entries(all).flatMap(([name, value]) => ['-c', `${name}=${value}`]),
    ]
    server.process = spawn(join(bin, 'postgres'), args, { ...who, cwd: server.sockets, stdio: 'ignore' })
    await untilTrue('a server answers', () => answers(server), { timeoutMs: 60_000 })
  }
  t.teardown(async () => {
    for (const server of [a, b]) await end(server, 'SIGQUIT')
  })
  const initdb = ['-D', a.data, '-U', USER, '-A', 'trust', '-E', 'UTF8', '--locale=C', '--no-sync']
  const made = spawn(join(bin, 'initdb'), initdb, { ...who, cwd: a.sockets, stdio: 'ignore' })
  const [code] = (await once(made, 'exit')) as [number]
  if (code !== 0) throw new Error(`initdb exited with ${code}`)
  await start(a)
  await ask(a, 'CREATE DATABASE waybill', 'postgres')
  await end(a, 'SIGINT')
  // Keeps owners and modes only where root copies.
  await cp(a.data, b.data, { recursive: true, preserveTimestamps: true })
  await own(b.data, uid, gid)
  await writeFile(join(b.data, 'standby.signal'), '')
  await start(a)
  await start(b, { primary_conninfo: `host=${a.sockets} user=${USER} application_name=standby` })
  const address = await switchTo(t, a)
  const pool = new pg.Pool({ connectionString: address.url, max: 2, application_name: 'waybill e2e' })
  pool.on('error', () => {})
  t.teardown(() => pool.end())
  return {
    url: address.url,
    query: async (sql, params = []) => (await pool.query(sql, [...params])).rows,
    untilReplayed: async () => {
      const [at] = await ask<{ lsn: string }>(a, 'SELECT pg_current_wal_lsn()::text AS lsn')
      await untilTrue('the standby has replayed', async () => {
        const [row] = await ask<{ done: boolean }>(
          b,
          'SELECT pg_last_wal_replay_lsn() >= $1::pg_lsn AS done',
          'waybill',
          [at?.lsn],
        )
        return row?.done === true
      })
    },
    cut: async () => {
      await ask(b, "ALTER SYSTEM SET primary_conninfo = ''")
      await end(b, 'SIGINT')
      // Without the setting on the command line, which would win.
      await start(b)
    },
    failOver: async () => {
      address.point(null)
      await end(a, 'SIGKILL')
      await ask(b, 'SELECT pg_promote()')
      await untilTrue('the standby takes writes', async () => {
        const [row] = await ask<{ is: boolean }>(b, 'SELECT pg_is_in_recovery() AS is')
        return row?.is === false
      })
      address.point(b)
    },
  }
}

/** Where the binaries are, and whom they have to run as. */
async function sharedServer(t: Test): Promise<{ bin: string; uid: number; gid: number }> {
  const db = await testDatabase(t)
  const [row] = await db.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')
  const process = `/proc/${row?.pid ?? 0}`
  const { uid, gid } = await stat(process)
  return { bin: dirname(await readlink(`${process}/exe`)), uid, gid }
}

async function ask<Row extends pg.QueryResultRow>(
  server: Server,
  sql: string,
  database = 'waybill',
  params: readonly unknown[] = [],
): Promise<Row[]> {
  const client = new pg.Client({ host: server.sockets, user: USER, database })
  client.on('error', () => {})
  await client.connect()
  try {
    return (await client.query<Row>(sql, [...params])).rows
  } finally {
    await client.end()
  }
}

async function answers(server: Server): Promise<boolean> {
  if (server.process === null || hasEnded(server.process)) throw new Error(`a server ended: ${server.data}`)
  return await ask(server, 'SELECT 1', 'postgres').then(
    () => true,
    () => false,
  )
}

async function end(server: Server, signal: NodeJS.Signals): Promise<void> {
  const child = server.process
  server.process = null
  if (child === null || hasEnded(child)) return
  const ended = once(child, 'exit')
  child.kill(signal)
  await ended
  // Its backends notice a moment later that the postmaster is gone.
  await until('its socket is left', async () =>
    (await ask(server, 'SELECT 1', 'postgres').catch(() => null)) === null ? true : undefined,
  )
}

async function own(folder: string, uid: number, gid: number): Promise<void> {
  const child = spawn('chown', ['-R', `${uid}:${gid}`, folder], { stdio: 'ignore' })
  await once(child, 'exit')
  await chmod(folder, 0o700)
}

/** One address, whose connections lead to one server, then to another; to none they are refused. */
async function switchTo(
  t: Test,
  first: Server,
): Promise<{ url: string; point(server: Server | null): void }> {
  let target: Server | null = first
  const sockets = new Set<Socket>()
  const hold = (socket: Socket): Socket => {
    sockets.add(socket)
    return socket.on('error', () => {}).on('close', () => sockets.delete(socket))
  }
  const listener = createServer((inner) => {
    hold(inner)
    if (target === null) return void inner.destroy()
    const outer = hold(connect(join(target.sockets, '.s.PGSQL.5432')))
    inner.pipe(outer).pipe(inner)
    inner.on('close', () => outer.destroy())
    outer.on('close', () => inner.destroy())
  })
  listener.listen(0, '127.0.0.1')
  await once(listener, 'listening')
  const close = (): void => {
    for (const socket of sockets) socket.destroy()
  }
  t.teardown(() => {
    close()
    listener.close()
  })
  const { port } = listener.address() as { readonly port: number }
  return {
    url: `postgres://${USER}@127.0.0.1:${port}/waybill`,
    point: (server) => {
      target = server
      close()
    },
  }
}
