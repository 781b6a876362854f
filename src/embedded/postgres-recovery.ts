import { execFileSync } from 'node:child_process'
import {
  closeSync,
  constants,
  ftruncateSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  realpathSync,
  rmSync,
  writeSync,
} from 'node:fs'
import { basename, join } from 'node:path'
import { errorCode } from '../lib/error-code.ts'
import { until } from '../lib/time/sleep.ts'
import { openRegular, readRegular } from '../lib/host/folder-owner.ts'
import type { Layout } from './postgres-layout.ts'

/** Fast, immediate, and then without asking; how long each may take before the next. */
export const SHUTDOWN_STEPS = [
  { signal: 'SIGINT', waitMs: 10_000 },
  { signal: 'SIGQUIT', waitMs: 4000 },
  { signal: 'SIGKILL', waitMs: 1000 },
] as const

const EXIT_POLL_MS = 10

/**
 * Clears the way for a new postmaster after a supervisor that was killed: stops the postmaster it left behind and defuses the files of one
 * that is gone. For the holder of the lock only, so that no living supervisor owns what is found. Returns the pid that was stopped, if any.
 */
export async function recover(layout: Layout): Promise<number | undefined> {
  let stopped: number | undefined
  const pid = lockingPid(layout)
  if (pid !== undefined && isPostmasterOf(pid, layout.dataDir)) {
    await stopStranger(pid)
    stopped = pid
  }
  const remaining = lockingPid(layout)
  if (remaining !== undefined && exists(remaining)) {
    // A zombie that nobody reaps, or the number was given to somebody else since: PostgreSQL would refuse to start. The file itself must
    // stay, its last lines are how PostgreSQL finds out that backends of the dead postmaster still live; but a lock of its parent's pid it
    // takes for stale (CreateLockFile in src/backend/utils/init/miscinit.c).
    const file = lockFile(layout)
    rewrite(file, readRegular(file).replace(/^\d+/, String(process.pid)))
  }
  for (const name of readdirSync(layout.runDir)) {
    if (name.startsWith('.s.PGSQL.')) rmSync(join(layout.runDir, name), { force: true })
  }
  return stopped
}

/** The same file: it keeps its owner, which is the database's user. */
function rewrite(file: string, text: string): void {
  const fd = openRegular(file, constants.O_WRONLY)
  try {
    ftruncateSync(fd)
    writeSync(fd, text)
  } finally {
    closeSync(fd)
  }
}

function lockFile(layout: Layout): string {
  return join(layout.dataDir, 'postmaster.pid')
}

/** The first line of postmaster.pid (PostgreSQL's src/include/utils/pidfile.h); undefined without a file or a number in it. */
function lockingPid(layout: Layout): number | undefined {
  try {
    const pid = Number.parseInt(readRegular(lockFile(layout)), 10)
    return pid > 1 ? pid : undefined
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined
    throw error
  }
}

/** True when kill(2) finds the process, as PostgreSQL asks: of any owner, zombies included. */
function exists(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return errorCode(error) === 'EPERM'
  }
}

/** Like {@link exists}, without the zombies, which some containers never reap. */
export function isRunning(pid: number): boolean {
  if (!exists(pid)) return false
  if (process.platform !== 'linux') return true
  try {
    // proc(5): "pid (name) state …", and the name may hold anything.
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return stat.charAt(stat.lastIndexOf(')') + 2) !== 'Z'
  } catch {
    return false
  }
}

/**
 * Told by its command line, which is ours, or by its working directory, which is the data directory however it was started. (Root in a
 * container may not see the latter.) When in doubt it is not: PostgreSQL itself refuses a data directory that is in use.
 */
function isPostmasterOf(pid: number, dataDir: string): boolean {
  try {
    if (process.platform === 'linux') {
      const [program = '', ...args] = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')
      if (!/^postgres\b/.test(basename(program))) return false
      return (
        args[args.indexOf('-D') + 1] === dataDir || readlinkSync(`/proc/${pid}/cwd`) === realpathSync(dataDir)
      )
    }
    const command = execFileSync('ps', ['-ww', '-o', 'command=', '-p', String(pid)], { encoding: 'utf8' })
    return /postgres\b/.test(command) && command.includes(`-D ${dataDir} `)
  } catch {
    // Gone in this moment, or of another user and so not one we started.
    return false
  }
}

/** Not our child, so there is no exit event to wait for. */
async function stopStranger(pid: number): Promise<void> {
  for (const { signal, waitMs } of SHUTDOWN_STEPS) {
    try {
      process.kill(pid, signal)
    } catch (error) {
      if (errorCode(error) === 'ESRCH') return
      throw error
    }
    if (await until(() => !isRunning(pid), { everyMs: EXIT_POLL_MS, ms: waitMs })) return
  }
}
