import { randomUUID } from 'node:crypto'
import { systemClock } from '../../lib/time/clock.ts'
import { Periodic } from '../../lib/time/periodic.ts'
import { until } from '../../lib/time/sleep.ts'
import { endsWithin } from '../../lib/time/within.ts'
import { unreachable } from '../../lib/unreachable.ts'
import { createLogger, type RootLogger } from '../../logger/logger.ts'
import { packageVersion } from '../../version.ts'
import { hideSecrets } from '../secrets.ts'
import { BorrowedSocket } from './borrowed-socket.ts'
import {
  LAST_METRICS,
  type FromWorker,
  type ToWorker,
  type WorkerReport,
  type WorkerStart,
  type WorkerState,
} from './messages.ts'
import { openWorkerPlane, type WorkerPlane } from './worker-plane.ts'

/** What a worker knows of the process that it runs in. */
export interface WorkerChannel {
  readonly pid: number
  /** `done` is called when the message is on its way, or cannot be sent. */
  readonly send: (message: FromWorker, done: () => void) => void
  readonly onMessage: (listener: (message: unknown, handle: unknown) => void) => void
  readonly onDisconnect: (listener: () => void) => void
  readonly onSignal: (signal: 'SIGINT' | 'SIGTERM' | 'SIGHUP' | 'SIGUSR2', listener: () => void) => void
  /** Calls the listener with an error that nobody caught, before the process ends with status 1. */
  readonly onCrash: (listener: (error: unknown) => void) => void
}

/** How often the primary is told of connections and readiness, when they have changed. */
const STATE_INTERVAL_MS = 50
/** It is told at least so often, as a sign of life. */
const HEARTBEAT_MS = 1000
/** How often a worker that retires looks whether its last connection has gone. */
const RETIRE_LOOK_MS = 50
/** What a worker waits for the word of its primary when it was signalled itself. */
const TERM_REST_MS = 250
/** Longest wait for the last words to be on their way. */
const FAREWELL_MS = 1000

/**
 * Runs one worker to its end: what the primary tells, and its death, decide when that is. Resolves with the exit code, 0
 * after a clean stop.
 */
export async function runWorker(channel: WorkerChannel): Promise<number> {
  return new Promise((resolve) => {
    let worker: Worker | null = null
    channel.onMessage((raw, handle) => {
      const message = raw as ToWorker
      if (message.type === 'start') worker = new Worker(message, channel, resolve)
      else worker?.onMessage(message, handle)
    })
    // The primary is gone: nobody hands over connections any more, and what there is gets finished.
    channel.onDisconnect(() => (worker === null ? resolve(1) : worker.stop('the primary has gone')))
    // Whoever signals a whole process group means the primary, which tells us; SIGTERM for one worker stops that one.
    for (const signal of ['SIGINT', 'SIGHUP', 'SIGUSR2'] as const) channel.onSignal(signal, () => {})
    channel.onSignal('SIGTERM', () => (worker === null ? resolve(1) : worker.onTerm()))
    channel.send({ type: 'online' }, () => {})
  })
}

/** One worker: a data plane, and what it tells its primary. */
class Worker {
  readonly #instance = randomUUID()
  readonly #channel: WorkerChannel
  readonly #plane: WorkerPlane
  readonly #logger: RootLogger
  readonly #start: WorkerStart
  readonly #end: (code: number) => void
  readonly #states: Periodic
  readonly #lending: BorrowedSocket
  #told: WorkerState = { isReady: false, open: 0, taken: 0, isAccepting: false, ask: 0 }
  #toldTick = 0
  #ask = 0
  #isStopping = false

  constructor(start: WorkerStart, channel: WorkerChannel, end: (code: number) => void) {
    const { config } = start
    this.#start = start
    this.#channel = channel
    this.#end = end
    const fields = { worker: start.worker, pid: channel.pid }
    this.#logger = createLogger({
      identity: { version: packageVersion(), instance: this.#instance },
      level: config.options['log.level'],
      format: start.logFormat,
      maxBacklogBytes: config.options['log.maxBacklogBytes'],
      fields,
    })
    channel.onCrash((error) => {
      this.#logger.error({ err: error }, 'the worker crashed; this is a bug')
    })
    hideSecrets(this.#logger, config)
    this.#plane = openWorkerPlane(start, { instance: this.#instance, logger: this.#logger }, (news) =>
      this.#send({ type: 'limits', news }),
    )
    this.#plane.data.onLife(({ start: { startedAt, ...rest }, promises }) => {
      const start = { ...rest, startedAtMs: startedAt.getTime() }
      this.#send({ type: 'life', start, promises })
    })
    this.#plane.data.lend(start.limits)
    this.#lending = new BorrowedSocket({
      take: (socket) => this.#plane.data.take(socket),
      open: () => this.#plane.data.connections,
      onStopped: () => this.#tellState(true),
      onFailed: (errno) => this.#send({ type: 'listen_failed', errno }),
    })
    this.#states = new Periodic({
      run: async () => this.#tellState(false),
      intervalMs: STATE_INTERVAL_MS,
      pace: 'beat',
    })
    this.#states.start()
    void this.#run()
  }

  async #run(): Promise<void> {
    await this.#plane.life.start(() => {})
    const instance = this.#instance
    this.#logger.info({ instance }, 'worker started')
    this.#send({ type: 'started', instance })
    this.#tellState(true)
  }

  onMessage(message: Exclude<ToWorker, WorkerStart>, handle: unknown): void {
    switch (message.type) {
      case 'accept':
        void this.#accept(message.upTo, message.ask, handle)
        return
      case 'apply':
        hideSecrets(this.#logger, message.config)
        this.#plane.data.apply(message.config)
        return
      case 'limits':
        this.#plane.data.lend(message.loans)
        return
      case 'report':
        this.#send({ type: 'report', id: message.id, report: this.#report(message.digest) })
        return
      case 'metrics':
        void this.#tellMetrics(message.id)
        return
      case 'end_connections':
        this.#plane.life.drain()
        this.#plane.data.retire()
        return
      case 'retire':
        void this.#retire()
        return
      case 'stop':
        this.stop('the gateway stops')
        return
      default:
        unreachable(message)
    }
  }

  /**
   * SIGTERM: meant for it alone, or for all processes of the gateway, as service managers send it. In that case the primary knows the
   * order of things, and says when to stop: there is a moment for that.
   */
  onTerm(): void {
    const acceptMs = this.#start.config.options['shutdown.acceptMs']
    if (acceptMs > 0) this.#plane.data.retire()
    systemClock.after(Math.max(acceptMs, TERM_REST_MS), () => this.stop('signal'))
  }

  /** Finishes what runs, stores what there is, and ends. A second call does nothing. */
  stop(why: string): void {
    if (this.#isStopping) return
    this.#isStopping = true
    void this.#lending.accept(0, null)
    this.#send({ type: 'draining' })
    this.#logger.info({ why }, 'worker stopping')
    void this.#stop()
  }

  async #stop(): Promise<void> {
    const isClean = await this.#plane.life.stop()
    void this.#states.stop(0)
    this.#logger.info({ isClean }, 'worker stopped')
    await this.#tellMetrics(LAST_METRICS)
    const told = new Promise<void>((resolve) => {
      this.#send({ type: 'ended', isClean, report: this.#report(null) }, resolve)
    })
    await endsWithin(told, FAREWELL_MS)
    this.#end(isClean ? 0 : 1)
  }

  async #accept(upTo: number, ask: number, handle: unknown): Promise<void> {
    await this.#lending.accept(upTo, handle)
    this.#ask = Math.max(this.#ask, ask)
    this.#tellState(true)
  }

  /** Ends connections one by one as they are answered, for as long as a drain may take, and then stops. */
  async #retire(): Promise<void> {
    this.#logger.info('worker retiring')
    void this.#lending.accept(0, null)
    this.#plane.data.retire()
    await until(() => this.#plane.data.connections === 0 || this.#isStopping, {
      everyMs: RETIRE_LOOK_MS,
      ms: this.#start.config.options['shutdown.drainTimeoutMs'],
    })
    this.stop('replaced')
  }

  async #tellMetrics(id: number): Promise<void> {
    const metrics = await this.#plane.data.metrics()
    for await (const family of metrics.samples()) this.#send({ type: 'metrics', id, family })
    this.#send({ type: 'metrics_end', id })
  }

  #tellState(isUrgent: boolean): void {
    const state: WorkerState = {
      isReady: this.#plane.data.readiness().ready,
      open: this.#plane.data.connections,
      taken: this.#lending.taken,
      isAccepting: this.#lending.isAccepting,
      ask: this.#ask,
    }
    const isSame = state.isReady === this.#told.isReady && state.open === this.#told.open
    const isFresh = performance.now() - this.#toldTick < HEARTBEAT_MS
    if (isSame && isFresh && !isUrgent) return
    this.#told = state
    this.#toldTick = performance.now()
    this.#send({ type: 'state', ...state })
  }

  #report(digest: string | null): WorkerReport {
    const data = this.#plane.data
    return {
      health: data.health(),
      readiness: data.readiness(),
      overview: data.overview(),
      knowsKey: digest !== null && data.knowsKey(digest),
    }
  }

  #send(message: FromWorker, done: () => void = () => {}): void {
    this.#channel.send(message, done)
  }
}
