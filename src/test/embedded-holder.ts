import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as delay } from 'node:timers/promises'
import { isRunning } from '../embedded/postgres-recovery.ts'

// For the tests of this folder: other processes that hold an embedded PostgreSQL, and what can be seen of it from outside.

/** A process of its own that holds the database until told otherwise. */
export interface HolderProcess {
  readonly child: ChildProcess
  readonly started: boolean
  readonly host: string
  /** Calls stop() in the process and waits for its end. */
  release(): Promise<void>
}

/** Half a second less for each new database. */
export const NOT_DURABLE = { fsync: 'off' }

const SCRIPT = `
  import { startEmbeddedPostgres } from ${JSON.stringify(new URL('../embedded/postgres.js', import.meta.url).href)}
  const postgres = await startEmbeddedPostgres({ stateDir: process.argv[1], settings: ${JSON.stringify(NOT_DURABLE)} })
  console.log(JSON.stringify({ started: postgres.started, host: postgres.connection.host }))
  process.stdin.resume().once('end', () => postgres.stop())
`

/** Makes a folder for the state of one test, removed by the returned function. */
export function makeStateDir(): { stateDir: string; remove: () => void } {
  const stateDir = mkdtempSync(join(tmpdir(), 'waybill-pg-'))
  chmodSync(stateDir, 0o711)
  return { stateDir, remove: () => rmSync(stateDir, { recursive: true, force: true, maxRetries: 5 }) }
}

/** Resolves when the process holds a database that is ready; rejects with what it printed when it fails. */
export async function startHolder(stateDir: string): Promise<HolderProcess> {
  const child = spawn(process.execPath, ['--input-type=module', '-e', SCRIPT, stateDir], {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { PATH: process.env['PATH'] ?? '' },
  })
  const exited = once(child, 'exit')
  let errors = ''
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => (errors += chunk))
  const line = await Promise.race([
    once(createInterface({ input: child.stdout }), 'line').then(([text]) => String(text)),
    once(child, 'close').then(() => {
      throw new Error(errors)
    }),
  ])
  const { started, host } = JSON.parse(line) as { started: boolean; host: string }
  const release = async (): Promise<void> => {
    child.stdin.end()
    await exited
  }
  return { child, started, host, release }
}

/** The pid in postmaster.pid, 0 without one. */
export function postmasterPid(stateDir: string): number {
  return pidIn(join(stateDir, 'postgres', 'data', 'postmaster.pid'))
}

/** The pid of the latest supervisor. */
export function supervisorPid(stateDir: string): number {
  return pidIn(join(stateDir, 'postgres', 'lock'))
}

function pidIn(file: string): number {
  if (statSync(file, { throwIfNoEntry: false }) === undefined) return 0
  return Number.parseInt(readFileSync(file, 'utf8'), 10) || 0
}

/** Processes that are not our children send no events: asks every 10 ms, and rejects after 20 s. */
export async function until(what: string, condition: () => boolean): Promise<void> {
  for (let attempt = 0; attempt < 2000; attempt++) {
    if (condition()) return
    await delay(10)
  }
  throw new Error(`in vain: ${what}`)
}

/** Resolves when the process has gone. */
export async function untilGone(pid: number): Promise<void> {
  await until(`process ${pid} goes`, () => !isRunning(pid))
}
