import type { ChildProcess } from 'node:child_process'
import type { Config } from '../../config/config.ts'
import { Seldom } from '../../lib/time/seldom.ts'
import type { RootLogger } from '../../logger/logger.ts'
import { packageVersion } from '../../version.ts'
import { ControlPlane } from '../control-plane.ts'
import type { DatabaseUpkeep, GatewayDatabase } from '../control-plane/database.ts'
import { connectionsFor, descriptorLimit, descriptorNotice } from '../descriptors.ts'
import { Lifecycle, servesOn, type Service } from '../lifecycle.ts'
import type { Address, Addresses, RunningGateway } from '../running-gateway.ts'
import { viaOf } from '../via.ts'
import { Acceptor } from './acceptor.ts'
import type { WorkerEnd } from './worker-process.ts'
import { WorkersSummary } from './workers-summary.ts'
import { Workers } from './workers.ts'

/** A gateway of several processes: this one has the control plane and the listening socket, each of its workers a data plane. */
export class Primary implements RunningGateway {
  readonly instance: string
  readonly #config: Config
  readonly #logger: RootLogger
  readonly #control: ControlPlane
  readonly #workers: Workers
  readonly #acceptor: Acceptor
  readonly #summary: WorkersSummary
  readonly #life: Lifecycle
  #listening: Promise<Address> | null = null

  /** `spawned`: the workers' processes. */
  constructor(
    config: Config,
    database: GatewayDatabase,
    {
      instance,
      logger,
      upkeep,
      spawned,
    }: {
      instance: string
      logger: RootLogger
      upkeep: DatabaseUpkeep
      spawned: readonly ChildProcess[]
    },
  ) {
    this.instance = instance
    const { options } = config
    this.#config = config
    this.#logger = logger
    this.#control = new ControlPlane({
      config,
      database,
      upkeep,
      logger,
      processes: spawned.length,
      served: {
        health: () => this.#summary.health(),
        readiness: () => this.#summary.readiness(),
        metrics: (accept) => this.#summary.metrics(accept),
        overview: () => this.#summary.overview(),
      },
    })
    this.#workers = new Workers({
      spawned,
      config,
      target: database.target,
      via: viaOf(this.instance),
      logger,
      logFormat: logger.format,
      limits: this.#control.limits,
      onState: () => this.#acceptor.balance(),
      onListenFailed: (errno) => this.#acceptor.fail(errno),
      onEnd: (end) => {
        this.#summary.keep(end)
        this.#noteDeath(end)
        this.#acceptor.balance()
      },
    })
    this.#acceptor = this.#makeAcceptor(spawned.length)
    this.#summary = new WorkersSummary({
      workers: this.#workers,
      state: () => this.#life.state,
      gatewayVitals: () => this.#control.vitals,
      tenantLabels: options['metrics.tenantLabels'],
      droppedLogLines: () => logger.droppedLines,
      identity: { version: packageVersion(), instance: this.instance },
    })
    this.#life = new Lifecycle({ services: [this.#control, this.#serving], options, logger })
  }

  /** The workers, and the socket that is lent to them. */
  readonly #serving: Service = {
    starts: { workers: () => this.#workers.start(), 'proxy listener': () => this.#listen() },
    stops: {
      accepting: servesOn(() => this.#workers.endConnections()),
      'proxy listener': () => this.#acceptor.stop(),
      workers: (ms) => this.#workers.stop(ms),
    },
  }

  /** See RunningGateway. A worker that dies at its start is started again, and does not keep the gateway from starting. */
  async start(onProgress: (message: string) => void): Promise<Addresses> {
    await this.#life.start(onProgress)
    return { proxy: await this.#listen(), admin: await this.#control.listen() }
  }

  /** Takes over what a reload may change, here and in all workers. */
  apply(config: Config): void {
    this.#logger.level = config.options['log.level']
    this.#control.apply(config)
    this.#workers.apply(config)
  }

  /** Replaces all workers, one after the other, without a refused connection. */
  async roll(): Promise<void> {
    this.#logger.info({ workers: this.#workers.count }, 'replacing all workers')
    await this.#workers.roll()
    this.#logger.info({ workers: this.#workers.count }, 'all workers replaced')
  }

  /** See RunningGateway. The workers drain and flush at the same time. */
  stop(): Promise<boolean> {
    return this.#life.stop()
  }

  /** Ends all workers at once: what they had not stored is lost. */
  destroy(): void {
    this.#workers.kill()
  }

  /** See RunningGateway. */
  get unstored(): number {
    return this.#summary.unstored
  }

  /** See RunningGateway. */
  knowsKey(digest: string): Promise<boolean> {
    return this.#summary.knowsKey(digest)
  }

  #listen(): Promise<Address> {
    const { 'listen.host': host, 'listen.port': port } = this.#config.options
    this.#listening ??= this.#acceptor.start(host, port).then((at) => ({ host: at.address, port: at.port }))
    return this.#listening
  }

  #makeAcceptor(processes: number): Acceptor {
    const option = this.#config.options['proxy.maxConnections']
    const limit = descriptorLimit()
    const maxConnections = Math.min(option, connectionsFor(limit) * processes)
    if (maxConnections < option) this.#logger.warn(descriptorNotice(option, maxConnections, limit))
    const seldom = new Seldom()
    return new Acceptor({
      workers: () => this.#workers.live,
      maxConnections,
      onFull: () => {
        if (seldom.occur('full', performance.now()) > 0)
          this.#logger.warn({ maxConnections }, 'connections wait: there are as many as may be')
      },
    })
  }

  /** A worker that died has told nobody: its primary does. */
  #noteDeath({ isClean, life }: WorkerEnd): void {
    if (isClean !== null || life === null) return
    const { startedAtMs, ...rest } = life.start
    const start = { ...rest, startedAt: new Date(startedAtMs) }
    const { promises } = life
    this.#control.deaths.add({ id: start.id, sign: 'exited', promises, isCutOff: false, start })
  }
}
