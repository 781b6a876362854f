import { chmodSync, closeSync, rmSync, writeSync } from 'node:fs'
import { createServer } from 'node:net'
import type { Server, Socket } from 'node:net'
import { keepDebuggerShut } from '../lib/host/no-debugger.ts'
import { systemClock } from '../lib/time/clock.ts'
import { sleep } from '../lib/time/sleep.ts'
import { findBinaries, installedSources } from './postgres-binaries.ts'
import type { Binaries } from './postgres-binaries.ts'
import { clusterMajor, createCluster } from './postgres-cluster.ts'
import { REPORT_BUSY, REPORT_LISTENING, sendMessage } from './postgres-control.ts'
import type { ControlMessage, SupervisorOptions } from './postgres-control.ts'
import { EmbeddedPostgresError, errorMessage } from './postgres-errors.ts'
import { followOwner } from './postgres-layout.ts'
import { takeLock } from './postgres-lock.ts'
import { BoundedLog } from './postgres-log.ts'
import { startPostmaster } from './postgres-postmaster.ts'
import type { Postmaster } from './postgres-postmaster.ts'
import { recover } from './postgres-recovery.ts'

const REPORT_FD = 3
/** How long the first holder may take to connect; it does so at once, unless it was killed. */
const FIRST_HOLDER_MS = 5000
const RESTART_DELAY_MS = { first: 250, longest: 10_000 }

/**
 * Owns one postmaster for as long as it has a holder (docs/decisions/0062).
 *
 * ## starting
 *  Entry: the process starts with the lock. Looks for binaries, recovers, creates the cluster, starts PostgreSQL.
 *  Holders connect already and see the progress. Exit: `running`, or `stopping` (failed, or everybody left).
 *
 * ## running
 *  Holders are told `ready`. A postmaster that dies is started again, at growing intervals, while there is a holder.
 *  Exit: `stopping` when the last holder's connection has gone, whether it closed it or was killed.
 *
 * ## stopping
 *  Nothing leads back. A holder that connects now is told nothing and kept until the process exits; that is when it, and the holder whose leaving
 *  began this, see their connections close. The former starts the next supervisor.
 */
class Supervisor {
  readonly #options: SupervisorOptions
  readonly #log: BoundedLog
  readonly #server: Server
  readonly #holders = new Set<Socket>()
  readonly #stopped = new AbortController()
  #state: 'starting' | 'running' | 'stopping' = 'starting'
  #latest: ControlMessage | undefined
  #postmaster: Postmaster | undefined
  #work: Promise<void> = Promise.resolve()

  constructor(options: SupervisorOptions, log: BoundedLog) {
    this.#options = options
    this.#log = log
    this.#server = createServer({ allowHalfOpen: true }, (socket) => this.#admit(socket))
  }

  /** Begins to listen and to start PostgreSQL; resolves once holders can connect. */
  async start(): Promise<void> {
    const { controlSocket, sockets } = this.#options.layout
    // We have the lock, so this can only be the socket of a supervisor that was killed.
    rmSync(controlSocket, { force: true })
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject)
      this.#server.listen(controlSocket, resolve)
    })
    chmodSync(controlSocket, 0o600)
    followOwner(controlSocket, sockets)
    systemClock.after(FIRST_HOLDER_MS, () => this.#stopWhenUnheld())
    this.#work = this.#bringUp()
  }

  #admit(socket: Socket): void {
    socket.on('error', () => socket.destroy())
    if (this.#state === 'stopping') return
    this.#holders.add(socket)
    if (this.#latest !== undefined) sendMessage(socket, this.#latest)
    const release = (): void => {
      if (!this.#holders.delete(socket)) return
      this.#stopWhenUnheld()
      // The last one's connection stays open until PostgreSQL has stopped: that is what its stop() waits for.
      if (!this.#stopped.signal.aborted) socket.end()
    }
    socket.once('end', release)
    socket.once('close', release)
    socket.resume()
  }

  #broadcast(message: ControlMessage): void {
    this.#latest = message
    for (const socket of this.#holders) sendMessage(socket, message)
  }

  #progress(message: string): void {
    this.#log.note(message)
    this.#broadcast({ type: 'progress', message })
  }

  async #bringUp(): Promise<void> {
    try {
      const binaries = await this.#prepare()
      if (this.#stopped.signal.aborted) return
      this.#progress(`starting PostgreSQL ${binaries.version}…`)
      this.#postmaster = await this.#launch(binaries)
      if (this.#stopped.signal.aborted) return
      this.#state = 'running'
      this.#broadcast({ type: 'ready' })
      void this.#keepUp(binaries, this.#postmaster)
    } catch (error) {
      if (this.#stopped.signal.aborted) return
      this.#log.note(`failed: ${errorMessage(error)}`)
      const code = error instanceof EmbeddedPostgresError ? error.code : 'EMBEDDED_POSTGRES_START_FAILED'
      this.#broadcast({ type: 'failed', code, message: errorMessage(error) })
      void this.#stop()
    }
  }

  async #prepare(): Promise<Binaries> {
    const { layout, settings, startTimeoutMs, searchPath } = this.#options
    const dataMajor = clusterMajor(layout.dataDir)
    const binaries = await findBinaries(installedSources(searchPath), {
      home: layout.home,
      runAs: layout.databaseUser,
      dataMajor,
    })
    if (dataMajor === undefined) {
      this.#progress('creating the database (first start only)…')
      const isDurable = settings['fsync'] !== 'off'
      await createCluster(layout, binaries, { isDurable, timeoutMs: startTimeoutMs })
      return binaries
    }
    const orphan = await recover(layout)
    if (orphan !== undefined)
      this.#log.note(`stopped postmaster ${orphan}, left behind by a killed supervisor`)
    return binaries
  }

  async #launch(binaries: Binaries): Promise<Postmaster> {
    const { layout, settings, startTimeoutMs } = this.#options
    return await startPostmaster(layout, binaries, {
      settings,
      log: this.#log,
      timeoutMs: startTimeoutMs,
      signal: this.#stopped.signal,
    })
  }

  /** Restarts PostgreSQL whenever it goes by itself; returns when the supervisor stops. */
  async #keepUp(binaries: Binaries, first: Postmaster): Promise<void> {
    const { signal } = this.#stopped
    let running = first
    let delayMs = RESTART_DELAY_MS.first
    for (;;) {
      await running.exited
      if (signal.aborted) return
      this.#progress(`PostgreSQL has gone; starting it again in ${delayMs} ms…`)
      await sleep(delayMs, { signal })
      if (signal.aborted) return
      delayMs = Math.min(delayMs * 2, RESTART_DELAY_MS.longest)
      const restart = this.#launch(binaries)
      // stop() waits for this, so that no postmaster appears behind its back.
      this.#work = restart.then(
        (postmaster) => {
          this.#postmaster = postmaster
          running = postmaster
          this.#broadcast({ type: 'ready' })
        },
        (error: unknown) => this.#log.note(errorMessage(error)),
      )
      await this.#work
    }
  }

  #stopWhenUnheld(): void {
    if (this.#holders.size === 0 && this.#state !== 'stopping') void this.#stop()
  }

  async #stop(): Promise<void> {
    this.#state = 'stopping'
    this.#stopped.abort()
    await this.#work
    await this.#postmaster?.stop()
    this.#log.note('stopped')
    // Ours to remove: nobody else binds it without the lock, which goes with the process.
    rmSync(this.#options.layout.controlSocket, { force: true })
    // Ends the waiting connections as well. A message that was written has been handed to the kernel by now.
    process.exit(0)
  }
}

function report(line: string): void {
  try {
    writeSync(REPORT_FD, `${line}\n`)
    closeSync(REPORT_FD)
  } catch {
    // The process that started the supervisor has gone; FIRST_HOLDER_MS takes care of that.
  }
}

async function main(): Promise<void> {
  keepDebuggerShut()
  process.umask(0o077)
  const options = JSON.parse(process.argv[2] ?? '') as SupervisorOptions
  if (!(await takeLock(options.layout))) {
    report(REPORT_BUSY)
    process.exit(0)
  }
  // A terminal's or a service manager's signal to all processes: holders stop first, then we do.
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => undefined)
  const supervisor = new Supervisor(options, new BoundedLog(options.layout))
  await supervisor.start()
  report(REPORT_LISTENING)
}

await main()
