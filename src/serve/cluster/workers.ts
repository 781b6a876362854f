import type { ChildProcess } from 'node:child_process'
import type { Config } from '../../config/config.ts'
import { systemClock } from '../../lib/time/clock.ts'
import { within } from '../../lib/time/within.ts'
import type { LimitExchange } from '../../limits/limit-exchange.ts'
import type { LogFormat } from '../../logger/pretty.ts'
import type { Logger } from '../../logger/logger.ts'
import type { DatabaseTarget } from '../../model/database-target.ts'
import { RestartDelay } from './restart-delay.ts'
import { spawnWorker } from './spawn-worker.ts'
import { workerConfig } from './worker-config.ts'
import { WorkerProcess, type WorkerEnd } from './worker-process.ts'

/** One place for a worker: the one that serves now, and how it is replaced when it dies. */
interface Slot {
  readonly number: number
  readonly delay: RestartDelay
  current: WorkerProcess | null
  cancelRestart: (() => void) | null
}

export interface WorkersParts {
  /** A process for each worker, spawned already. */
  readonly spawned: readonly ChildProcess[]
  readonly config: Config
  readonly target: DatabaseTarget
  readonly via: string
  readonly logger: Logger
  readonly logFormat: LogFormat
  /** What the workers share their limits by. */
  readonly limits: LimitExchange
  /** A worker's connections or readiness are not what they were. */
  readonly onState: () => void
  /** A worker could not listen on the socket. */
  readonly onListenFailed: (errno: number) => void
  /** A worker has ended. */
  readonly onEnd: (end: WorkerEnd) => void
}

/** Longest wait for a new worker that shall replace one that serves. */
const READY_TIMEOUT_MS = 30_000

/** Starts the workers, and replaces those that die or shall be replaced. */
export class Workers {
  readonly #parts: WorkersParts
  readonly #slots: readonly Slot[]
  /** Processes that have nothing to do yet. */
  readonly #spawned: ChildProcess[]
  /** All that live, predecessors that are leaving included. */
  readonly #live = new Set<WorkerProcess>()
  #config: Config
  #isStopping = false
  #isClean = true
  #restarts = 0
  #rolling: Promise<void> = Promise.resolve()

  constructor(parts: WorkersParts) {
    this.#parts = parts
    this.#config = parts.config
    this.#spawned = [...parts.spawned]
    this.#slots = Array.from({ length: parts.spawned.length }, (_, i) => {
      return { number: i + 1, delay: new RestartDelay(), current: null, cancelRestart: null }
    })
  }

  /** All workers that live. */
  get live(): readonly WorkerProcess[] {
    return [...this.#live]
  }

  /** Workers wanted. */
  get count(): number {
    return this.#slots.length
  }

  /** Workers started again after their predecessor died. */
  get restarts(): number {
    return this.#restarts
  }

  /** Starts all; resolves when each of the first ones serves or has died. Never rejects. */
  async start(): Promise<void> {
    await Promise.all(this.#slots.map((slot) => this.#spawn(slot).started))
  }

  /** Gives all workers, and those to come, another configuration. */
  apply(config: Config): void {
    this.#config = config
    const message = { type: 'apply', config: workerConfig(config, this.count) } as const
    for (const worker of this.#live) worker.apply(message)
  }

  /** Has all workers end each connection with its next answer; they go on accepting. */
  endConnections(): void {
    for (const worker of this.#live) worker.apply({ type: 'end_connections' })
  }

  /**
   * Replaces all workers, one slot after the other: a new one serves before the old one takes no more. Resolves when all new
   * ones serve; the old ones may still be busy with what they have. Calls one after the other.
   */
  roll(): Promise<void> {
    this.#rolling = this.#rolling.then(async () => {
      for (const slot of this.#slots) await this.#replace(slot)
    })
    return this.#rolling
  }

  /** Stops all in order; what has not ended by the deadline is killed. Resolves true when nothing was broken off or lost. */
  async stop(deadlineMs: number): Promise<boolean> {
    this.#isStopping = true
    this.#dismiss()
    for (const slot of this.#slots) slot.cancelRestart?.()
    const live = this.live
    const cancel = systemClock.after(deadlineMs, () => this.kill())
    for (const worker of live) worker.stop()
    await Promise.all(live.map(({ ended }) => ended))
    cancel()
    return this.#isClean
  }

  /** Ends all at once. */
  kill(): void {
    this.#isStopping = true
    this.#dismiss()
    for (const worker of this.#live) worker.kill()
  }

  /** Ends the processes that were not needed. */
  #dismiss(): void {
    for (const child of this.#spawned.splice(0)) child.kill('SIGKILL')
  }

  async #replace(slot: Slot): Promise<void> {
    if (this.#isStopping) return
    const old = slot.current
    // None there: it has died, and its successor is on its way with the configuration as it is now.
    if (old === null) return
    const worker = this.#spawn(slot)
    const isReady = await within(
      worker.ready.then(() => worker.isReady),
      { ms: READY_TIMEOUT_MS, late: () => false },
    )
    if (this.#isStopping) return
    if (isReady && worker.state === 'serving') {
      old.retire()
      return
    }
    if (old.state !== 'serving') return
    this.#parts.logger.error({ worker: slot.number }, 'the new worker is not ready, the old one goes on')
    slot.cancelRestart?.()
    slot.cancelRestart = null
    slot.current = old
    worker.stop()
  }

  #spawn(slot: Slot): WorkerProcess {
    const { target, via, logFormat, limits } = this.#parts
    const config = workerConfig(this.#config, this.count)
    const worker: WorkerProcess = new WorkerProcess(
      { worker: slot.number, workers: this.count, config, target, via, logFormat },
      {
        limits: () => limits.join(worker),
        onState: () => {
          this.#parts.onState()
        },
        onListenFailed: (errno) => this.#parts.onListenFailed(errno),
        onLimits: (news) => limits.hear(worker, news),
        onLeaving: () => this.#onLeaving(slot, worker),
        onEnd: (end) => this.#onEnd(slot, worker, end),
      },
      this.#spawned.shift() ?? spawnWorker(),
    )
    slot.current = worker
    this.#live.add(worker)
    return worker
  }

  /** A worker that was signalled by itself ends by its own will: its successor need not wait for that. */
  #onLeaving(slot: Slot, worker: WorkerProcess): void {
    if (this.#isStopping || slot.current !== worker) return
    this.#spawn(slot)
  }

  #onEnd(slot: Slot, worker: WorkerProcess, end: WorkerEnd): void {
    const { logger, limits, onEnd } = this.#parts
    this.#live.delete(worker)
    limits.leave(worker)
    if (this.#isStopping && end.isClean !== true) this.#isClean = false
    onEnd(end)
    const { code, signal, livedMs } = end
    const fields = { worker: slot.number, pid: worker.pid, instance: worker.instance, code, signal }
    if (end.isClean === null) logger.error(fields, 'worker died')
    if (slot.current !== worker || this.#isStopping) return
    slot.current = null
    const waitMs = slot.delay.after(livedMs)
    this.#restarts++
    logger.warn({ worker: slot.number, waitMs }, 'worker is started again')
    slot.cancelRestart = systemClock.after(waitMs, () => {
      slot.cancelRestart = null
      this.#spawn(slot)
    })
  }
}
