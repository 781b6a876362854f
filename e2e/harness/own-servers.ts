import type { ChildProcess } from 'node:child_process'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, chown, cp, mkdir, mkdtemp, readlink, rm, stat } from 'node:fs/promises'
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
export const USER = 'waybill'

/** A server of a test's own: its data, and its process while it runs. */
export interface Server {
  readonly data: string
  readonly sockets: string
  process: ChildProcess | null
}

/** Servers with the binaries of the shared one (Linux: found in /proc, and run as the same user), ended on teardown. */
export interface OwnServers {
  readonly servers: readonly Server[]
  /** Makes the data of a server, with an empty database; it is not running afterwards. */
  readonly init: (server: Server) => Promise<void>
  /** Resolves when it answers. Settings come on the command line. */
  readonly start: (server: Server, settings?: Readonly<Record<string, string>>) => Promise<void>
  /** Copies the data of a server that does not run, to a folder that is not there. */
  readonly copy: (from: string, to: string) => Promise<void>
}

/** So many servers, none of which has data or runs yet. */
export async function ownServers(t: Test, names: readonly string[]): Promise<OwnServers> {
  const { bin, uid, gid } = await sharedServer(t)
  const folder = await mkdtemp(join(tmpdir(), 'waybill-own-'))
  t.teardown(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }))
  await chmod(folder, 0o711)
  const who = process.getuid?.() === uid ? {} : { uid, gid }
  const place = async (name: string): Promise<Server> => {
    const home = join(folder, name)
    await mkdir(home)
    await chown(home, uid, gid)
    return { data: join(home, 'data'), sockets: home, process: null }
  }
  const servers: Server[] = []
  for (const name of names) servers.push(await place(name))
  t.teardown(async () => {
    for (const server of servers) await end(server, 'SIGQUIT')
  })
  const start: OwnServers['start'] = async (server, settings = {}) => {
    const all = { ...SETTINGS, unix_socket_directories: server.sockets, ...settings }
    const args = [
      '-D',
      server.data,
      ...Object.entries(all).flatMap(([name, value]) => ['-c', `${name}=${value}`]),
    ]
    server.process = spawn(join(bin, 'postgres'), args, { ...who, cwd: server.sockets, stdio: 'ignore' })
    await untilTrue('a server answers', () => answers(server), { timeoutMs: 60_000 })
  }
  return {
    servers,
    start,
    init: async (server) => {
      const initdb = ['-D', server.data, '-U', USER, '-A', 'trust', '-E', 'UTF8', '--locale=C', '--no-sync']
      const made = spawn(join(bin, 'initdb'), initdb, { ...who, cwd: server.sockets, stdio: 'ignore' })
      const [code] = (await once(made, 'exit')) as [number]
      if (code !== 0) throw new Error(`initdb exited with ${code}`)
      await start(server)
      await ask(server, 'CREATE DATABASE waybill', 'postgres')
      await end(server, 'SIGINT')
    },
    copy: async (from, to) => {
      // Keeps owners and modes only where root copies.
      await cp(from, to, { recursive: true, preserveTimestamps: true })
      await own(to, uid, gid)
    },
  }
}

/** What the address of a server leads to. */
export interface Address {
  readonly url: string
  /** One of the servers, or none: then connections are refused. Those that are open are broken. */
  point(server: Server | null): void
  query: TestDatabase['query']
}

/** An address that leads to a server, with a pool of the test's own. */
export async function addressOf(t: Test, first: Server): Promise<Address> {
  const address = await switchTo(t, first)
  const pool = new pg.Pool({ connectionString: address.url, max: 2, application_name: 'waybill e2e' })
  pool.on('error', () => {})
  t.teardown(() => pool.end())
  return { ...address, query: async (sql, params = []) => (await pool.query(sql, [...params])).rows }
}

/** Where the binaries are, and whom they have to run as. */
async function sharedServer(t: Test): Promise<{ bin: string; uid: number; gid: number }> {
  const db = await testDatabase(t)
  const [row] = await db.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')
  const process = `/proc/${row?.pid ?? 0}`
  const { uid, gid } = await stat(process)
  return { bin: dirname(await readlink(`${process}/exe`)), uid, gid }
}

/** Asks a server by its socket. */
export async function ask<Row extends pg.QueryResultRow>(
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

/** Ends a server, and resolves when its backends have gone too. */
export async function end(server: Server, signal: NodeJS.Signals): Promise<void> {
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
