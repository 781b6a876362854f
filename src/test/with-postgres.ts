import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { constants, tmpdir } from 'node:os'
import { join } from 'node:path'
import { keepDebuggerShut } from '../lib/host/no-debugger.ts'
import { errorMessage } from '../embedded/postgres-errors.ts'
import { startEmbeddedPostgres } from '../embedded/postgres.ts'

// Runs a command with a PostgreSQL of its own, for tests: node dist/test/with-postgres.js -- <command> [args…]
// The command finds it in WAYBILL_TEST_DATABASE_URL; when that is set already, that server is used. Exits with the command's status.

const VARIABLE = 'WAYBILL_TEST_DATABASE_URL'
/** Nothing here outlives the command, so nothing needs to reach the disk. */
const SETTINGS = {
  fsync: 'off',
  synchronous_commit: 'off',
  full_page_writes: 'off',
  max_connections: '200',
}

/** The command, once it runs, and the signal that came before it did. */
const current: { command?: ChildProcess; signal?: NodeJS.Signals } = {}

/** We stay until the command has gone, to clean up after it. */
function passSignalsOn(): void {
  keepDebuggerShut()
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => {
      if (current.command === undefined) current.signal = signal
      // A terminal's Ctrl-C has reached the command already, and two may mean more than one.
      else if (signal !== 'SIGINT' || !process.stdin.isTTY) current.command.kill(signal)
    })
  }
}

async function runWithDatabase(program: string, args: string[]): Promise<number> {
  const stateDir = mkdtempSync(join(tmpdir(), 'waybill-test-'))
  try {
    // Root's database user has to pass through.
    chmodSync(stateDir, 0o711)
    const postgres = await startEmbeddedPostgres({ stateDir, settings: SETTINGS })
    try {
      const { host, user, database } = postgres.connection
      return await run(
        program,
        args,
        `postgres://${user}@localhost/${database}?host=${encodeURIComponent(host)}`,
      )
    } finally {
      await postgres.stop()
    }
  } finally {
    rmSync(stateDir, { recursive: true, force: true, maxRetries: 5 })
  }
}

/** Returns the exit status as a shell would: 128 + the signal's number when a signal ended the command. */
async function run(program: string, args: string[], url: string): Promise<number> {
  if (current.signal !== undefined) return 128 + constants.signals[current.signal]
  const child = spawn(program, args, { stdio: 'inherit', env: { ...process.env, [VARIABLE]: url } })
  current.command = child
  return await new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', (code, signal) =>
      resolve(code ?? 128 + (signal === null ? 0 : constants.signals[signal])),
    )
  })
}

async function main(): Promise<number> {
  const [program, ...args] = process.argv.slice(process.argv[2] === '--' ? 3 : 2)
  if (program === undefined) {
    process.stderr.write('usage: node dist/test/with-postgres.js -- <command> [args…]\n')
    return 2
  }
  passSignalsOn()
  const existing = process.env[VARIABLE]
  return existing === undefined || existing === ''
    ? await runWithDatabase(program, args)
    : await run(program, args, existing)
}

try {
  process.exitCode = await main()
} catch (error) {
  process.stderr.write(`with-postgres: ${errorMessage(error)}\n`)
  process.exitCode = 1
}
