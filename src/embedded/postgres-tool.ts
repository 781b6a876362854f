import { spawn } from 'node:child_process'
import { basename } from 'node:path'
import type { Account } from '../lib/host/folder-owner.ts'
import { systemClock } from '../lib/time/clock.ts'

const MAX_OUTPUT_CHARACTERS = 64 * 1024
const REPORTED_CHARACTERS = 2000

/**
 * The whole environment of every PostgreSQL program: PGDATA, PGPORT, LANG and the like of the caller must not reach them,
 * and without a PATH initdb cannot find a shell. TZ spares initdb the search through all time zones.
 */
export const TOOL_ENVIRONMENT = { PATH: '/usr/local/bin:/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' }

/** Returns the part of spawn()'s options that makes the child run as `account`; nothing for undefined. */
export function identity(account: Account | undefined): { uid?: number; gid?: number } {
  return account === undefined ? {} : { uid: account.uid, gid: account.gid }
}

/**
 * Runs a PostgreSQL program to its end and returns what it printed (both streams, the first 64 K characters).
 * Rejects with the end of its output when it cannot be started, fails, or takes longer than `timeoutMs` (it is killed then).
 */
export async function runTool(
  program: string,
  args: string[],
  options: { runAs: Account | undefined; timeoutMs: number; input?: string },
): Promise<{ output: string }> {
  return await new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      ...identity(options.runAs),
      cwd: '/',
      env: TOOL_ENVIRONMENT,
      stdio: ['pipe', 'pipe', 'pipe'],
    })
    // Not spawn()'s own timeout: that one goes on when the program cannot be run.
    const cancel = systemClock.after(options.timeoutMs, () => child.kill('SIGKILL'))
    let output = ''
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8')
      stream.on('data', (chunk: string) => {
        output = (output + chunk).slice(0, MAX_OUTPUT_CHARACTERS)
      })
    }
    // The program may end before it has read everything; its exit status tells what happened.
    child.stdin.on('error', () => undefined)
    child.stdin.end(options.input)
    child.once('error', (error) => {
      cancel()
      reject(new Error(`${program} cannot be run: ${error.message}`, { cause: error }))
    })
    child.once('close', (code, signal) => {
      cancel()
      if (code === 0) return resolve({ output })
      const end = output.trim().slice(-REPORTED_CHARACTERS)
      reject(new Error(`${basename(program)} (${program}) failed with ${signal ?? `status ${code}`}: ${end}`))
    })
  })
}
