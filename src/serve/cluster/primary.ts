import type { ChildProcess } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { AdminListener } from '../../admin/listener.ts'
import { queriesOf } from '../../admin/queries.ts'
import type { Config } from '../../config/config.ts'
import { runPhases, type Phase } from '../../lib/time/phases.ts'
import { Seldom } from '../../lib/time/seldom.ts'
import type { RootLogger } from '../../logger/logger.ts'
import { closeSql, openReader, type Sql } from '../../store/sql.ts'
import { packageVersion } from '../../version.ts'
import { auditJobOf, type AuditJob } from '../control-plane/audit-job.ts'
import type { DatabaseUpkeep, GatewayDatabase } from '../control-plane/database.ts'
import { DeathWatch } from '../control-plane/death-watch.ts'
import type { Addresses } from '../gateway.ts'
import { connectionsFor, descriptorLimit, descriptorNotice } from '../descriptors.ts'
import { RollUpJob, rollUpTimes } from '../control-plane/roll-up-job.ts'
import { ownFolder } from '../own-folder.ts'
import { viaOf } from '../via.ts'
import { Acceptor } from './acceptor.ts'
import { Figures } from './workers-summary.ts'
import type { WorkerEnd } from './worker-process.ts'
import { Workers } from './workers.ts'

const CLOSE_SQL_MS = 2000
const DEATHS_MS = 1000
/** Kept back of the grace, for the process to end in. */
const EXIT_MARGIN_MS = 500

/**
 * A gateway of several processes. This one has what there is one of: the listening socket, the admin listener, the database's
 * schema, partitions and roll-ups, and the order of start and stop. The workers have the data plane and an access log each.
 */
export class Primary {
  readonly instance = randomUUID()
  readonly #config: Config
  readonly #database: GatewayDatabase
  readonly #logger: RootLogger
  readonly #reader: Sql
  readonly #upkeep: DatabaseUpkeep
  readonly #rollUps: RollUpJob
  readonly #audit: AuditJob | null
  readonly #deaths: DeathWatch
  readonly #workers: Workers
  readonly #acceptor: Acceptor
  readonly #figures: Figures
  readonly #seldom = new Seldom()
  readonly #admin: AdminListener
  #phase: 'starting' | 'ready' | 'draining' | 'stopped' = 'starting'
  #stopped: Promise<boolean> | null = null

  /** `spawned`: the workers' processes. */
  constructor(
    config: Config,
    database: GatewayDatabase,
    parts: { logger: RootLogger; upkeep: DatabaseUpkeep; spawned: readonly ChildProcess[] },
  ) {
    const { options: o } = config
    const { logger } = parts
    this.#config = config
    this.#database = database
    this.#logger = logger
    this.#reader = openReader(database.readerTarget, { statementTimeoutMs: o['database.statementTimeoutMs'] })
    this.#upkeep = parts.upkeep
    this.#rollUps = new RollUpJob({ target: database.target, ...rollUpTimes(o), logger })
    this.#audit = auditJobOf(config, this.#reader, logger)
    this.#deaths = new DeathWatch({ sql: this.#upkeep.control, logger, folder: ownFolder(o.stateDir) })
    this.#workers = new Workers({
      spawned: parts.spawned,
      config,
      target: database.target,
      via: viaOf(this.instance),
      logger,
      logFormat: logger.format,
      onState: () => this.#acceptor.balance(),
      onListenFailed: (errno) => this.#acceptor.fail(errno),
      onEnd: (end) => {
        this.#figures.keep(end)
        this.#onEnd(end)
        this.#acceptor.balance()
      },
    })
    const option = o['proxy.maxConnections']
    const limit = descriptorLimit()
    const maxConnections = Math.min(option, connectionsFor(limit) * parts.spawned.length)
    if (maxConnections < option) logger.warn(descriptorNotice(option, maxConnections, limit))
    this.#acceptor = new Acceptor({
      workers: () => this.#workers.live,
      maxConnections,
      onFull: () => {
        const times = this.#seldom.occur('full', performance.now())
        if (times > 0) logger.warn({ maxConnections }, 'connections wait: there are as many as may be')
      },
    })
    this.#figures = new Figures({
      workers: this.#workers,
      phase: () => this.#phase,
      warnings: () => this.#upkeep.warnings,
      audit: () => this.#audit?.stats ?? null,
      tenantLabels: o['metrics.tenantLabels'],
      droppedLogLines: () => logger.droppedLines,
      identity: { version: packageVersion(), instance: this.instance },
    })
    this.#admin = new AdminListener({
      host: o['admin.host'],
      port: o['admin.port'],
      token: o['admin.token'],
      logger,
      health: () => this.#figures.health(),
      readiness: () => this.#figures.readiness(),
      metrics: () => this.#figures.metrics(),
      overview: () => this.#figures.overview(),
      queries: queriesOf(this.#reader),
      queryTimeoutMs: o['database.statementTimeoutMs'],
    })
  }

  /** A worker that died has told nobody: its primary does. */
  #onEnd({ isClean, life }: WorkerEnd): void {
    if (isClean !== null || life === null) return
    const { startedAtMs, ...rest } = life.start
    const start = { ...rest, startedAt: new Date(startedAtMs) }
    const { promises } = life
    this.#deaths.add({ id: start.id, sign: 'exited', promises, isCutOff: false, start })
  }

  /** Takes over what a reload may change, here and in all workers. */
  apply(config: Config): void {
    this.#logger.level = config.options['log.level']
    this.#workers.apply(config)
  }

  /** Replaces all workers, one after the other, without a refused connection. */
  async roll(): Promise<void> {
    this.#logger.info({ workers: this.#workers.count }, 'replacing all workers')
    await this.#workers.roll()
    this.#logger.info({ workers: this.#workers.count }, 'all workers replaced')
  }

  /**
   * Database, workers, admin listener, proxy listener. Rejects when a port is taken or the database refuses for good; then
   * `stop` is still owed. A worker that dies at its start is started again, and does not keep the gateway from starting.
   */
  async start(onProgress: (message: string) => void): Promise<Addresses> {
    const { options } = this.#config
    const isThere = await this.#upkeep.start(onProgress)
    if (!isThere) onProgress('the database is away; starting without it')
    this.#rollUps.start()
    this.#deaths.start()
    this.#audit?.start()
    const admin = await this.#admin.start()
    await this.#workers.start()
    const proxy = await this.#acceptor.start(options['listen.host'], options['listen.port'])
    this.#phase = 'ready'
    return { proxy: { host: proxy.address, port: proxy.port }, admin }
  }

  /** As a single process stops: see `Gateway`. The workers drain and flush at the same time. A second call returns the same promise. */
  stop(): Promise<boolean> {
    this.#stopped ??= this.#stop()
    return this.#stopped
  }

  /** Ends all workers at once: what they had not stored is lost. */
  destroy(): void {
    this.#workers.kill()
  }

  /** Entries that were in the workers' memory when they were asked last. */
  get unstored(): number {
    return this.#figures.unstored
  }

  /** Whether all workers know the key with this digest already. */
  knowsKey(digest: string): Promise<boolean> {
    return this.#figures.knowsKey(digest)
  }

  async #stop(): Promise<boolean> {
    this.#phase = 'draining'
    this.#audit?.stop()
    const { options } = this.#config
    const startedTick = performance.now()
    const leftMs = (): number =>
      Math.max(0, options['shutdown.graceMs'] - EXIT_MARGIN_MS - (performance.now() - startedTick))
    let isClean = true
    const phases: Phase[] = [
      {
        name: 'accepting',
        run: async () => {
          const acceptMs = Math.min(options['shutdown.acceptMs'], leftMs())
          if (acceptMs === 0) return
          this.#workers.endConnections()
          await sleep(acceptMs)
        },
      },
      { name: 'proxy listener', run: () => this.#acceptor.stop() },
      {
        name: 'workers',
        run: async () => {
          if (!(await this.#workers.stop(leftMs()))) isClean = false
        },
      },
      { name: 'deaths', run: () => this.#deaths.stop(Math.min(DEATHS_MS, leftMs())) },
      { name: 'upkeep', run: () => Promise.all([this.#upkeep.stop(), this.#rollUps.stop()]) },
      { name: 'admin listener', run: () => this.#admin.close() },
      {
        name: 'database handles',
        run: () => {
          const closeMs = Math.min(CLOSE_SQL_MS, leftMs())
          return Promise.all([closeSql(this.#upkeep.control, closeMs), closeSql(this.#reader, closeMs)])
        },
      },
      // The embedded server stops by itself once we have gone; one that is frozen takes its supervisor 15 s.
      { name: 'database', run: () => Promise.race([this.#database.release(), sleep(leftMs())]) },
    ]
    const results = await runPhases(phases, ({ name, ms, error }) => {
      if (error === null) this.#logger.info({ phase: name, ms }, 'stopped')
      else this.#logger.error({ phase: name, ms, err: error }, 'stop failed')
    })
    this.#phase = 'stopped'
    return isClean && results.every(({ error }) => error === null)
  }
}
