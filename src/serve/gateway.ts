import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { AdminListener } from '../admin/listener.ts'
import { queriesOf } from '../admin/queries.ts'
import type { Config } from '../config/config.ts'
import { runPhases, type Phase } from '../lib/time/phases.ts'
import type { LimitPeers } from '../limits/limiter.ts'
import type { RootLogger } from '../logger/logger.ts'
import { closeSql, openControl, openReader, type Sql } from '../store/sql.ts'
import { auditJobOf, type AuditJob } from './control-plane/audit-job.ts'
import { DataPlane } from './data-plane.ts'
import { boundConnections } from './descriptors.ts'
import type { DatabaseUpkeep, GatewayDatabase } from './control-plane/database.ts'
import { DeathWatch } from './control-plane/death-watch.ts'
import { RollUpJob, rollUpTimes } from './control-plane/roll-up-job.ts'
import type { Readiness } from './data-plane/readiness.ts'
import { ownFolder } from './own-folder.ts'
import { viaOf } from './via.ts'

/** Where the gateway's listeners are. */
export interface Addresses {
  readonly proxy: { readonly host: string; readonly port: number }
  readonly admin: { readonly host: string; readonly port: number }
}

/** `starting → ready → draining → stopped`; ready also depends on the snapshot, see `readiness`. */
type GatewayPhase = 'starting' | 'ready' | 'draining' | 'stopped'

const CLOSE_SQL_MS = 2000
const DEATHS_MS = 1000
/** Phases of a stop that a worker leaves to its primary. */
const OF_THE_PRIMARY: ReadonlySet<string> = new Set(['accepting', 'upkeep', 'admin listener', 'database'])
/** Kept back of the grace, for the process to end in. */
const EXIT_MARGIN_MS = 500

/** What a gateway is as one of several workers, whose primary has the admin listener and keeps the database. */
interface WorkerRole {
  /** Pseudonym in Via, shared by all workers. */
  readonly via: string
  /** One of the workers, at each time, is the first, and does what one process of a gateway does. */
  readonly isFirst: boolean
  readonly peers: LimitPeers
}

/** What a gateway is as the only process: it keeps the database. */
interface AloneRole {
  readonly upkeep: DatabaseUpkeep
}

/** One gateway process: both planes, and the order of start, drain and stop. */
export class Gateway {
  readonly instance = randomUUID()
  readonly #logger: RootLogger
  readonly #config: Config
  readonly #database: GatewayDatabase
  readonly #control: Sql
  readonly #reader: Sql | null
  readonly #upkeep: DatabaseUpkeep | null
  readonly #deaths: DeathWatch
  readonly #rollUps: RollUpJob | null
  readonly #audit: AuditJob | null
  readonly #admin: AdminListener | null
  readonly data: DataPlane
  #phase: GatewayPhase = 'starting'
  #stopped: Promise<boolean> | null = null

  constructor(config: Config, database: GatewayDatabase, logger: RootLogger, role: AloneRole | WorkerRole) {
    const o = config.options
    this.#config = config
    this.#database = database
    this.#logger = logger
    const isAlone = 'upkeep' in role
    this.#upkeep = isAlone ? role.upkeep : null
    this.#control = this.#upkeep?.control ?? openControl(database.target)
    const statementTimeoutMs = o['database.statementTimeoutMs']
    this.#reader = isAlone ? openReader(database.readerTarget, { statementTimeoutMs }) : null
    const { target } = database
    this.#deaths = new DeathWatch({
      sql: this.#control,
      logger,
      folder: isAlone ? ownFolder(o.stateDir) : null,
    })
    this.#rollUps = isAlone ? new RollUpJob({ target, ...rollUpTimes(o), logger }) : null
    this.#audit = this.#reader === null ? null : auditJobOf(config, this.#reader, logger)
    this.data = new DataPlane({
      config,
      target,
      control: this.#control,
      logger,
      instance: this.instance,
      via: isAlone ? viaOf(this.instance) : role.via,
      isDirectoryWriter: isAlone || role.isFirst,
      maxConnections: boundConnections(o['proxy.maxConnections'], isAlone ? logger : null),
      peers: isAlone ? null : role.peers,
      onDead: (id, isCutOff) => this.#deaths.add({ id, sign: 'heir', promises: null, isCutOff, start: null }),
      phase: () => this.#phase,
      audit: () => this.#audit?.stats ?? null,
    })
    this.#admin = this.#reader === null ? null : this.#makeAdmin(this.#reader)
  }

  /** Takes over what a reload may change. */
  apply(config: Config): void {
    this.data.apply(config)
  }

  /**
   * Database, first snapshot, writer, admin listener, proxy listener. A database that is away does not keep the gateway from
   * starting: it answers 503 until the first snapshot. Rejects when a port is taken or the database refuses for good; then
   * `stop` is still owed.
   */
  async start(onProgress: (message: string) => void): Promise<Addresses> {
    const { options } = this.#config
    if (this.#upkeep === null || this.#admin === null || this.#reader === null)
      throw new Error('a worker is started by its primary')
    const isThere = await this.#upkeep.start(onProgress)
    if (!isThere) onProgress('the database is away; starting without it')
    const snapshot = this.data.startDirectory()
    this.data.startLog()
    this.#deaths.start()
    this.#rollUps?.start()
    this.#audit?.start()
    const admin = await this.#admin.start()
    await snapshot
    const proxy = await this.data.listen(options['listen.host'], options['listen.port'])
    this.#phase = 'ready'
    return { proxy, admin }
  }

  /** As `start`, in a worker: its connections come by `take`. Never rejects. */
  async startAsWorker(): Promise<void> {
    const snapshot = this.data.startDirectory()
    this.data.startLog()
    this.#deaths.start()
    await snapshot
    this.data.startHanded()
    this.#phase = 'ready'
  }

  /** A stop has begun: not ready, each answer ends its connection; connections are accepted as before. */
  endConnections(): void {
    this.#phase = 'draining'
    this.data.retire()
  }

  /**
   * Not ready → after `shutdown.acceptMs` no new connections, requests in flight finish → the log is flushed → all else is closed, the admin listener
   * late, so that the drain's metrics can be read. Bounded by `shutdown.graceMs`. Resolves true when nothing was broken off or
   * lost. A second call returns the same promise.
   */
  stop(): Promise<boolean> {
    this.#stopped ??= this.#stop()
    return this.#stopped
  }

  async #stop(): Promise<boolean> {
    const { options } = this.#config
    this.#phase = 'draining'
    this.#audit?.stop()
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
          this.data.retire()
          await sleep(acceptMs)
        },
      },
      {
        name: 'requests',
        run: async () => {
          if (!(await this.data.drainRequests(options['shutdown.drainTimeoutMs']))) isClean = false
        },
      },
      {
        name: 'access log',
        run: async () => {
          if (!(await this.data.drainLog(options['shutdown.flushTimeoutMs']))) isClean = false
        },
      },
      { name: 'upstream connections', run: () => this.data.closeUpstreams() },
      { name: 'directory', run: () => this.data.stopDirectory() },
      { name: 'deaths', run: () => this.#deaths.stop(Math.min(DEATHS_MS, leftMs())) },
      { name: 'upkeep', run: () => Promise.all([this.#upkeep?.stop(), this.#rollUps?.stop()]) },
      { name: 'admin listener', run: () => this.#admin?.close() },
      {
        name: 'database handles',
        run: () => {
          const closeMs = Math.min(CLOSE_SQL_MS, leftMs())
          const handles = [this.#control, ...(this.#reader === null ? [] : [this.#reader])]
          return Promise.all(handles.map((sql) => closeSql(sql, closeMs)))
        },
      },
      // The embedded server stops by itself once we have gone; one that is frozen takes its supervisor 15 s.
      { name: 'database', run: () => Promise.race([this.#database.release(), sleep(leftMs())]) },
    ]
    const owed = this.#admin === null ? phases.filter(({ name }) => !OF_THE_PRIMARY.has(name)) : phases
    const results = await runPhases(owed, ({ name, ms, error }) => {
      if (error === null) this.#logger.info({ phase: name, ms }, 'stopped')
      else this.#logger.error({ phase: name, ms, err: error }, 'stop failed')
    })
    this.#phase = 'stopped'
    return isClean && results.every(({ error }) => error === null)
  }

  /** Entries accepted and neither stored nor dropped yet. */
  get unstored(): number {
    return this.data.unstored
  }

  /** Whether the data plane knows the key with this digest already. */
  knowsKey(digest: string): boolean {
    return this.data.knowsKey(digest)
  }

  #readiness(): Readiness {
    const readiness = this.data.readiness()
    return { ...readiness, warnings: [...readiness.warnings, ...(this.#upkeep?.warnings ?? [])] }
  }

  #makeAdmin(reader: Sql): AdminListener {
    const { options } = this.#config
    return new AdminListener({
      host: options['admin.host'],
      port: options['admin.port'],
      token: options['admin.token'],
      logger: this.#logger,
      health: () => this.data.health(),
      readiness: () => this.#readiness(),
      metrics: async () => (await this.data.metrics()).expose(),
      overview: () => this.data.overview(),
      queries: queriesOf(reader),
      queryTimeoutMs: options['database.statementTimeoutMs'],
    })
  }
}
