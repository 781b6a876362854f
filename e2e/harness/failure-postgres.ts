import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import pg from 'pg'
import type { Test } from 'tap'
import type { TestDatabase } from './database.ts'
import type { TestGateway } from './gateway.ts'
import { until } from './wait.ts'

/** The PostgreSQL that a gateway embeds, seen as processes that can be frozen and killed. Linux: it reads /proc. */
export interface EmbeddedServer extends TestDatabase {
  /** Process id of the postmaster, from its pid file; another one after each start. Rejects when there is none. */
  pid(): Promise<number>
  /** Stops the postmaster and all its backends with SIGSTOP; `thaw` is called on teardown. */
  freeze(): Promise<void>
  /** Shuts it down, and keeps whoever would start it again from that, until `thaw`. */
  stop(): Promise<void>
  /** Lets go on what `freeze` and `stop` stopped and still is there. */
  thaw(): void
  signal(name: NodeJS.Signals): Promise<void>
}

/** Finds the server of a gateway that was started without a database URL, in the default state folder. */
export async function embeddedServer(t: Test, gateway: TestGateway): Promise<EmbeddedServer> {
  const pidFile = join(gateway.cwd, '.waybill', 'postgres', 'data', 'postmaster.pid')
  // Its lines: pid, data folder, start time, port, socket folder, … (PostgreSQL, src/include/utils/pidfile.h).
  const lines = async (): Promise<string[]> => (await readFile(pidFile, 'utf8')).split('\n')
  const [, , , port = '', host = ''] = await lines()
  const pool = new pg.Pool({ host, port: Number(port), user: 'waybill', database: 'waybill', max: 2 })
  pool.on('error', () => {})
  const frozen: number[] = []
  const thaw = (): void => {
    for (const pid of frozen.splice(0)) send(pid, 'SIGCONT')
  }
  const pid = async (): Promise<number> => Number((await lines())[0])
  t.teardown(async () => {
    thaw()
    await pool.end()
  })
  return {
    url: `postgres://waybill@localhost:${port}/waybill?host=${encodeURIComponent(host)}`,
    query: async (sql, params = []) => (await pool.query(sql, [...params])).rows,
    pid,
    freeze: async () => {
      const postmaster = await pid()
      // The postmaster first: then no new backend appears behind our back.
      frozen.push(postmaster)
      send(postmaster, 'SIGSTOP')
      for (let isNew = true; isNew;) {
        isNew = false
        // Again, until there is none that was being started while the signal was on its way.
        for (const child of await childrenOf(postmaster)) {
          if (frozen.includes(child)) continue
          isNew = true
          frozen.push(child)
          send(child, 'SIGSTOP')
        }
      }
    },
    stop: async () => {
      const postmaster = await pid()
      const supervisor = await parentOf(postmaster)
      frozen.push(supervisor)
      send(supervisor, 'SIGSTOP')
      send(postmaster, 'SIGINT')
    },
    thaw,
    signal: async (name) => void send(await pid(), name),
  }
}

/** Resolves when a process has gone. */
export async function untilGone(pid: number, timeoutMs: number): Promise<void> {
  await until(`process ${pid} has gone`, () => (send(pid, 0) ? undefined : true), { timeoutMs })
}

async function childrenOf(pid: number): Promise<number[]> {
  const text = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8')
  return text.split(' ').filter(Boolean).map(Number)
}

/** proc(5), /proc/pid/stat: the parent follows the state, which follows the name in parentheses. */
async function parentOf(pid: number): Promise<number> {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8')
  return Number(text.slice(text.lastIndexOf(')') + 2).split(' ')[1])
}

/** Whether there was such a process to send it to. */
function send(pid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(pid, signal)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
    return false
  }
}
