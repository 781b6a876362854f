import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'
import { runCli } from '../cli/program.ts'
import { testIo } from './cli-io.ts'

const MAIN = fileURLToPath(new URL('../main.js', import.meta.url))

/** What a finished command left behind. */
export interface Finished {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** The program on one database, in an empty folder of its own. */
export interface TestWaybill {
  readonly cwd: string
  /** Runs a command to its end, in the test's own process: another takes half a second of a processor, and hundreds are run. */
  run(...args: readonly string[]): Promise<Finished>
  /** Runs a command to its end as its users do: the built program, a process. */
  spawn(...args: readonly string[]): Promise<Finished>
  /** Starts a command as a process whose streams the test handles itself; it is killed on teardown. */
  start(args: readonly string[], nodeArgs?: readonly string[]): ChildProcess
}

/** For tests: the program with a database's address in its environment. */
export async function testWaybill(t: Test, databaseUrl: string): Promise<TestWaybill> {
  const cwd = await mkdtemp(join(tmpdir(), 'waybill-cli-'))
  t.teardown(() => rm(cwd, { recursive: true, force: true }))
  const env = { PATH: process.env['PATH'], DATABASE_URL: databaseUrl }
  const start: TestWaybill['start'] = (args, nodeArgs = []) => {
    const child = spawn(process.execPath, [...nodeArgs, MAIN, ...args], {
      cwd,
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    t.teardown(() => {
      if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL')
    })
    return child
  }
  const run: TestWaybill['run'] = async (...args) => {
    const io = testIo(args, { cwd, env, stdin: Readable.from([]), now: () => Date.now() })
    const code = await runCli(io, () => Promise.reject(new Error('serve was called')))
    return { code, ...io.written }
  }
  const spawnAndWait: TestWaybill['spawn'] = async (...args) => {
    const child = start(args)
    const { stdout, stderr } = child
    if (stdout === null || stderr === null) throw new Error('the child has no pipes')
    const [out, err] = await Promise.all([text(stdout), text(stderr), once(child, 'close')])
    return { code: child.exitCode, stdout: out, stderr: err }
  }
  return { cwd, run, spawn: spawnAndWait, start }
}
