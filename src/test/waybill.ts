import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'

const MAIN = fileURLToPath(new URL('../main.js', import.meta.url))

/** What a finished command left behind. */
export interface Finished {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** The built program on one database, in an empty folder of its own. */
export interface TestWaybill {
  readonly cwd: string
  /** Runs a command to its end. */
  run(...args: readonly string[]): Promise<Finished>
  /** Starts a command whose streams the test handles itself; it is killed on teardown. */
  start(args: readonly string[], nodeArgs?: readonly string[]): ChildProcess
}

/** For tests: the built program as its users run it. */
export async function testWaybill(t: Test, databaseUrl: string): Promise<TestWaybill> {
  const cwd = await mkdtemp(join(tmpdir(), 'waybill-cli-'))
  t.teardown(() => rm(cwd, { recursive: true, force: true }))
  const start: TestWaybill['start'] = (args, nodeArgs = []) => {
    const child = spawn(process.execPath, [...nodeArgs, MAIN, ...args], {
      cwd,
      env: { PATH: process.env['PATH'], DATABASE_URL: databaseUrl },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    t.teardown(() => {
      if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL')
    })
    return child
  }
  const run = async (...args: readonly string[]): Promise<Finished> => {
    const child = start(args)
    const { stdout, stderr } = child
    if (stdout === null || stderr === null) throw new Error('the child has no pipes')
    const [out, err] = await Promise.all([text(stdout), text(stderr), once(child, 'close')])
    return { code: child.exitCode, stdout: out, stderr: err }
  }
  return { cwd, run, start }
}
