import { spawn } from 'node:child_process'
import { closeSync } from 'node:fs'
import { once } from 'node:events'
import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { extname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { errorCode } from '../lib/error-code.ts'
import { systemClock } from '../lib/time/clock.ts'
import { sleep } from '../lib/time/sleep.ts'
import { DATABASE_NAME } from './postgres-cluster.ts'
import { REPORT_BUSY, REPORT_LISTENING, onMessages } from './postgres-control.ts'
import type { SupervisorOptions } from './postgres-control.ts'
import { EmbeddedPostgresError, errorMessage } from './postgres-errors.ts'
import { POSTGRES_PORT, openLog, prepareLayout } from './postgres-layout.ts'
import type { Layout } from './postgres-layout.ts'
import { identity } from './postgres-tool.ts'

/** A PostgreSQL of our own that runs at least as long as this is held. */
export interface EmbeddedPostgres {
  /** connection parameters for pg and postgres.js (unix socket dir as host) */
  readonly connection: { host: string; port: number; user: string; database: string }
  /** true when this call started the server, false when it adopted one that was alive */
  readonly started: boolean
  /**
   * Releases this holder; the server stops (fast shutdown) when the last holder has gone. Resolves when this holder is released and, if it
   * was the last, PostgreSQL has stopped; after 20 s at the latest. Idempotent, same promise.
   */
  stop(): Promise<void>
}

/** Options of {@link startEmbeddedPostgres}. */
export interface EmbeddedPostgresOptions {
  /** The folder that stands for the database; created when missing. */
  stateDir: string
  /** Told, in words for a terminal, what takes its time. */
  onProgress?: (message: string) => void
  /** PostgreSQL settings over ours; without effect on a server that is adopted. */
  settings?: Record<string, string>
  /** Bound of the whole call, 60 s by default. */
  startTimeoutMs?: number
}

const DEFAULT_START_TIMEOUT_MS = 60_000
const STOP_TIMEOUT_MS = 20_000
const RETRY_DELAY_MS = 25
const REACQUIRE_DELAY_MS = { first: 100, longest: 10_000 }

/**
 * Starts the embedded PostgreSQL of `stateDir`, creating it at first, or adopts the one that another process has started. A small supervisor
 * process owns the server and stops it when its last holder has gone, be it killed, so nothing is left behind and the order in which holders
 * leave does not matter. Installs no exit hooks and does not keep the event loop alive: a process that ends has let go.
 *
 * Measured on two cores: first start 0.9–1.4 s, warm start 0.1 s (of which 65 ms are Node's and the supervisor's), adoption 3 ms, stop 20 ms.
 *
 * Throws {@link EmbeddedPostgresError}; its codes are the list in postgres-errors.ts.
 */
export async function startEmbeddedPostgres(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  const onProgress = options.onProgress ?? (() => undefined)
  const layout = prepareLayout(options.stateDir, onProgress)
  const hold = new Hold(
    {
      layout,
      settings: options.settings ?? {},
      startTimeoutMs: options.startTimeoutMs ?? DEFAULT_START_TIMEOUT_MS,
      // The one variable of the environment that matters here: where a system's own PostgreSQL may be.
      searchPath: process.env['PATH'] ?? '',
    },
    onProgress,
  )
  const started = await hold.acquire()
  return {
    connection: { host: layout.runDir, port: POSTGRES_PORT, user: DATABASE_NAME, database: DATABASE_NAME },
    started,
    stop: () => hold.release(),
  }
}

/** One holder's connection to the supervisor, made again should the supervisor be killed. */
class Hold {
  readonly #options: SupervisorOptions
  readonly #onProgress: (message: string) => void
  readonly #releasing = new AbortController()
  #socket: Socket | undefined
  #reacquiring: Promise<void> = Promise.resolve()
  #released: Promise<void> | undefined

  constructor(options: SupervisorOptions, onProgress: (message: string) => void) {
    this.#options = options
    this.#onProgress = onProgress
  }

  /** Resolves when the database takes connections: true when the supervisor that says so is one that this call started. */
  async acquire(): Promise<boolean> {
    const { layout, startTimeoutMs } = this.#options
    const timeout = AbortSignal.timeout(startTimeoutMs)
    const signal = AbortSignal.any([this.#releasing.signal, timeout])
    while (!signal.aborted) {
      let started = false
      let socket = await connectTo(layout)
      if (socket === undefined) {
        started = (await spawnSupervisor(this.#options, signal)) === REPORT_LISTENING
        if (started) socket = await connectTo(layout)
      }
      if (socket !== undefined) {
        this.#socket = socket
        if (this.#releasing.signal.aborted) socket.end()
        if (await awaitReady(socket, timeout, this.#onProgress)) {
          this.#keep(socket)
          return started
        }
      }
      // That supervisor is about to listen, or was about to exit.
      await sleep(RETRY_DELAY_MS)
    }
    throw new EmbeddedPostgresError(
      'EMBEDDED_POSTGRES_START_TIMEOUT',
      `the embedded PostgreSQL was not ready within ${startTimeoutMs} ms; the log is ${layout.logFile}`,
    )
  }

  async release(): Promise<void> {
    return await (this.#released ??= this.#releaseOnce())
  }

  async #releaseOnce(): Promise<void> {
    this.#releasing.abort()
    const cancel = systemClock.after(STOP_TIMEOUT_MS, () => this.#socket?.destroy())
    this.#socket?.ref()
    this.#socket?.end()
    await this.#reacquiring
    const socket = this.#socket
    if (socket !== undefined && !socket.closed) await once(socket, 'close')
    cancel()
  }

  #keep(socket: Socket): void {
    this.#socket = socket
    socket.unref()
    socket.once('close', () => {
      if (!this.#releasing.signal.aborted) this.#reacquiring = this.#reacquire()
    })
  }

  /**
   * The supervisor was killed. PostgreSQL may be running without an owner; the next supervisor puts that right, and other holders are doing
   * the same, whoever is first.
   */
  async #reacquire(): Promise<void> {
    const { signal } = this.#releasing
    let delayMs = REACQUIRE_DELAY_MS.first
    while (!signal.aborted) {
      try {
        await this.acquire()
        return
      } catch (error) {
        if (signal.aborted) return
        this.#onProgress(`the embedded PostgreSQL was lost: ${errorMessage(error)}`)
      }
      await sleep(delayMs, { signal, isBackground: true })
      delayMs = Math.min(delayMs * 2, REACQUIRE_DELAY_MS.longest)
    }
  }
}

/** Undefined when nobody listens there. */
async function connectTo(layout: Layout): Promise<Socket | undefined> {
  return await new Promise((resolve, reject) => {
    const socket = connect(layout.controlSocket)
    socket.once('connect', () => {
      socket.removeAllListeners('error')
      socket.on('error', () => socket.destroy())
      resolve(socket)
    })
    socket.once('error', (error) => {
      const code = errorCode(error)
      // EAGAIN: its queue of connections is full, or it is exiting.
      if (['ENOENT', 'ECONNREFUSED', 'ECONNRESET', 'EAGAIN'].includes(code)) return resolve(undefined)
      reject(
        new EmbeddedPostgresError(
          'EMBEDDED_POSTGRES_NO_ACCESS',
          `the embedded database in ${layout.home} cannot be reached (${error.message}): it may be in use by another user`,
          { cause: error },
        ),
      )
    })
  })
}

/** True when PostgreSQL is ready, false when the supervisor is on its way out or `signal` aborts. Rejects with what the supervisor says is wrong. */
async function awaitReady(
  socket: Socket,
  signal: AbortSignal,
  onProgress: (message: string) => void,
): Promise<boolean> {
  return await new Promise((resolve, reject) => {
    const giveUp = (): void => void socket.destroy()
    signal.addEventListener('abort', giveUp)
    socket.once('close', () => resolve(false))
    onMessages(socket, (message) => {
      switch (message.type) {
        case 'progress':
          onProgress(message.message)
          return
        case 'ready':
          signal.removeEventListener('abort', giveUp)
          resolve(true)
          return
        case 'failed':
          reject(new EmbeddedPostgresError(message.code, message.message))
          socket.destroy()
      }
    })
  })
}

/**
 * Starts a supervisor process in a session of its own, so that a terminal's Ctrl-C does not reach it, and returns what it reports. Rejects
 * when it ends without a report; an abort of `signal` counts as busy.
 */
async function spawnSupervisor(options: SupervisorOptions, signal: AbortSignal): Promise<string> {
  const log = openSupervisorLog(options.layout)
  // Beside this file and of its kind: newer Nodes run the sources as they are.
  const script = fileURLToPath(new URL(`supervisor${extname(import.meta.url)}`, import.meta.url))
  const child = spawn(process.execPath, [script, JSON.stringify(options)], {
    ...identity(options.layout.supervisorUser),
    cwd: '/',
    detached: true,
    // Nothing of the caller's environment (secrets, NODE_OPTIONS with an inspector's port) outlives it there.
    env: {},
    stdio: ['ignore', log, log, 'pipe'],
  })
  closeSync(log)
  child.unref()
  const report = child.stdio[3] as Socket
  return await new Promise((resolve, reject) => {
    let text = ''
    const fail = (reason: string, cause?: unknown): void =>
      reject(
        new EmbeddedPostgresError(
          'EMBEDDED_POSTGRES_START_FAILED',
          `the supervisor of the embedded database ${reason}; the log is ${options.layout.logFile}`,
          { cause },
        ),
      )
    child.once('error', (error) => fail(`cannot be run: ${error.message}`, error))
    report.setEncoding('utf8')
    report.on('data', (chunk: string) => (text += chunk))
    report.once('error', (error) => fail(`was lost: ${error.message}`, error))
    signal.addEventListener('abort', () => report.destroy(), { once: true })
    report.once('close', () => {
      const line = signal.aborted ? REPORT_BUSY : text.trim()
      if (line === REPORT_LISTENING || line === REPORT_BUSY) resolve(line)
      else fail('ended at once')
    })
  })
}

function openSupervisorLog(layout: Layout): number {
  try {
    return openLog(layout)
  } catch (error) {
    throw new EmbeddedPostgresError(
      'EMBEDDED_POSTGRES_NO_ACCESS',
      `${layout.logFile} cannot be written: ${errorMessage(error)}`,
      { cause: error },
    )
  }
}
