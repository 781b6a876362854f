import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { sleep } from '../lib/time/sleep.ts'
import { endsWithin } from '../lib/time/within.ts'
import { writeAccessRules } from './postgres-access.ts'
import type { Binaries } from './postgres-binaries.ts'
import { EmbeddedPostgresError } from './postgres-errors.ts'
import { POSTGRES_PORT } from './postgres-layout.ts'
import type { Layout } from './postgres-layout.ts'
import type { BoundedLog } from './postgres-log.ts'
import { isAccepting } from './postgres-readiness.ts'
import { SHUTDOWN_STEPS } from './postgres-recovery.ts'
import { TOOL_ENVIRONMENT, identity } from './postgres-tool.ts'

/** A running postmaster, our child. */
export interface Postmaster {
  readonly pid: number
  /** resolves when it has gone, however that came */
  readonly exited: Promise<void>
  /** resolves when its last words have been logged; later than `exited`, by as long as its backends live */
  readonly outputEnded: Promise<void>
  /** Fast shutdown, then harder ones; resolves when it has gone, after 15 s at the latest. */
  stop(): Promise<void>
}

const READY_POLL_MS = 10
const LAST_WORDS_MS = 500
const RETRY_DELAYS_MS = [250, 1000, 3000]

/** A small footprint; durability is PostgreSQL's own default. A caller's settings come on top. */
const DEFAULT_SETTINGS: Record<string, string> = {
  max_connections: '50',
  shared_buffers: '32MB',
  max_wal_size: '512MB',
  jit: 'off',
  timezone: 'UTC',
  log_timezone: 'UTC',
  log_min_messages: 'warning',
  log_line_prefix: '%m [%p] ',
}

/**
 * Starts PostgreSQL and resolves when it takes connections. After a crash the backends of the former postmaster may need a moment to go, so a
 * start over an old pid file is tried again. Throws EmbeddedPostgresError `…_START_FAILED` with the end of the log, `…_START_TIMEOUT`.
 */
export async function startPostmaster(
  layout: Layout,
  binaries: Binaries,
  options: { settings: Record<string, string>; log: BoundedLog; timeoutMs: number; signal: AbortSignal },
): Promise<Postmaster> {
  const deadline = performance.now() + options.timeoutMs
  for (let attempt = 0; ; attempt++) {
    const mayBeInUse = existsSync(join(layout.dataDir, 'postmaster.pid'))
    const postmaster = launch(layout, binaries, options)
    const outcome = await ready(postmaster, layout, deadline, options.signal)
    if (outcome === 'ready') return postmaster
    await postmaster.stop()
    if (outcome === 'timeout') {
      throw new EmbeddedPostgresError(
        'EMBEDDED_POSTGRES_START_TIMEOUT',
        `PostgreSQL ${binaries.version} took no connections within ${options.timeoutMs} ms; the log is ${layout.logFile}`,
      )
    }
    const retryDelayMs = RETRY_DELAYS_MS[attempt]
    await endsWithin(postmaster.outputEnded, LAST_WORDS_MS)
    if (!mayBeInUse || retryDelayMs === undefined || options.signal.aborted) {
      throw new EmbeddedPostgresError(
        'EMBEDDED_POSTGRES_START_FAILED',
        `PostgreSQL ${binaries.version} did not start; the log is ${layout.logFile} and ends: ${options.log.tail}`,
      )
    }
    await sleep(retryDelayMs)
  }
}

async function ready(
  postmaster: Postmaster,
  layout: Layout,
  deadline: number,
  signal: AbortSignal,
): Promise<'ready' | 'exited' | 'timeout'> {
  const ended = new AbortController()
  void postmaster.exited.then(() => ended.abort())
  const socketPath = join(layout.runDir, `.s.PGSQL.${POSTGRES_PORT}`)
  while (!ended.signal.aborted && !signal.aborted) {
    if (await isAccepting(socketPath)) return 'ready'
    if (performance.now() > deadline) return 'timeout'
    await sleep(READY_POLL_MS)
  }
  return 'exited'
}

function launch(
  layout: Layout,
  binaries: Binaries,
  options: { settings: Record<string, string>; log: BoundedLog },
): Postmaster {
  const settings = {
    ...DEFAULT_SETTINGS,
    ...options.settings,
    listen_addresses: '',
    port: String(POSTGRES_PORT),
    // A list; quoted so that a comma or blank in the path stays in the path.
    unix_socket_directories: `"${layout.runDir.replaceAll('"', '""')}"`,
    unix_socket_permissions: '0700',
    ...writeAccessRules(layout, binaries.major),
  }
  const args = ['-D', layout.dataDir]
  for (const [name, value] of Object.entries(settings)) args.push('-c', `${name}=${value}`)
  const child = spawn(join(binaries.folder, 'postgres'), args, {
    ...identity(layout.databaseUser),
    cwd: '/',
    env: TOOL_ENVIRONMENT,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  child.stdout.on('data', (chunk: Buffer) => options.log.write(chunk))
  child.stderr.on('data', (chunk: Buffer) => options.log.write(chunk))
  const outputEnded = new Promise<void>((resolve) => {
    child.once('close', () => resolve())
  })
  const exited = new Promise<void>((resolve) => {
    child.once('exit', () => resolve())
    child.once('error', (error) => {
      options.log.note(`postgres cannot be run: ${error.message}`)
      resolve()
    })
  })
  let stopping: Promise<void> | undefined
  return { pid: child.pid ?? 0, exited, outputEnded, stop: () => (stopping ??= stopChild(child, exited)) }
}

async function stopChild(child: ChildProcess, exited: Promise<void>): Promise<void> {
  for (const { signal, waitMs } of SHUTDOWN_STEPS) {
    if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return
    child.kill(signal)
    await endsWithin(exited, waitMs)
  }
}
