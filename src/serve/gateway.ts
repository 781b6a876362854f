import { randomUUID } from 'node:crypto'
import type { Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import type { StateReason } from '../admin/handlers.ts'
import { AdminListener } from '../admin/listener.ts'
import { readOverview, type Overview } from '../admin/overview.ts'
import { queriesOf } from '../admin/queries.ts'
import type { Config } from '../config/config.ts'
import type { DirectoryRefresher } from '../directory/refresher.ts'
import { DatabaseClock } from '../lib/time/database-clock.ts'
import type { DatabaseContact } from '../lib/database-contact.ts'
import { runPhases, type Phase } from '../lib/time/phases.ts'
import type { Limiter } from '../limits/limiter.ts'
import type { RootLogger } from '../logger/logger.ts'
import type { Metrics } from '../metrics/metrics.ts'
import { compileNetworks } from '../model/network.ts'
import type { StatsSources } from '../model/stats.ts'
import type { UpstreamPools } from '../upstream/pools.ts'
import { Handler } from '../proxy/handler.ts'
import { ProxyListener } from '../listener/listener.ts'
import { RouteTable } from '../proxy/routing/route-table.ts'
import { ProxyCounters } from '../proxy/stats.ts'
import { closeSql, openControl, openReader, type Sql } from '../store/sql.ts'
import { packageVersion } from '../version.ts'
import { AccessLog } from './data-plane/access-log.ts'
import { auditJobOf, type AuditJob } from './control-plane/audit-job.ts'
import { readCertificates } from './data-plane/certificates.ts'
import { boundConnections } from './descriptors.ts'
import type { DatabaseUpkeep, GatewayDatabase } from './control-plane/database.ts'
import { databaseContact, openDirectory } from './data-plane/directory.ts'
import { DeathWatch } from './control-plane/death-watch.ts'
import type { ToldLife } from './data-plane/instance-record.ts'
import { openLimiter } from './data-plane/limits.ts'
import type { AloneRole, WorkerRole } from './control-plane/roles.ts'
import { RollUpJob, rollUpTimes } from './control-plane/roll-up-job.ts'
import { readinessOf, type Readiness } from './readiness.ts'
import { trafficOf } from './data-plane/traffic.ts'
import { openUpstreams } from './data-plane/upstreams.ts'
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

const LOAD_REST_MS = 1000

/** One gateway process: every object, its collaborators, and the order of start, drain and stop. */
export class Gateway {
  readonly instance = randomUUID()
  readonly #logger: RootLogger
  readonly #config: Config
  readonly #database: GatewayDatabase
  readonly #control: Sql
  readonly #reader: Sql | null
  readonly #upkeep: DatabaseUpkeep | null
  /** What everything that others see goes by: expiry, times of entries. */
  readonly #clock = new DatabaseClock()
  readonly #contact: DatabaseContact
  readonly #directory: DirectoryRefresher
  /** For the messages of other workers. */
  readonly limiter: Limiter
  readonly #pools: UpstreamPools
  readonly #counters = new ProxyCounters()
  readonly #deaths: DeathWatch
  readonly #log: AccessLog
  readonly #rollUps: RollUpJob | null
  readonly #audit: AuditJob | null
  readonly #handler: Handler
  readonly #proxy: ProxyListener
  readonly #sources: StatsSources
  #metrics: Promise<Metrics> | null = null
  readonly #admin: AdminListener | null
  readonly #startedTick = performance.now()
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
    const via = isAlone ? viaOf(this.instance) : role.via
    const { instance } = this
    const { target } = database
    this.#deaths = new DeathWatch({ sql: this.#control, logger, stateDir: isAlone ? o.stateDir : null })
    const onDead = (id: string, isCutOff: boolean): boolean =>
      this.#deaths.add({ id, sign: 'heir', promises: null, isCutOff, start: null })
    const traffic = trafficOf(this.#counters, () => this.#handler)
    const contact = (this.#contact = databaseContact(o))
    const shared = { instance, target, control: this.#control, options: o, contact, logger }
    this.#directory = openDirectory({
      ...shared,
      clock: this.#clock,
      run: via,
      isWriter: isAlone || role.isFirst,
    })
    this.#log = new AccessLog({ ...shared, onDead, traffic })
    this.#rollUps = isAlone ? new RollUpJob({ target, ...rollUpTimes(o), logger }) : null
    this.#audit = this.#reader === null ? null : auditJobOf(config, this.#reader, logger)
    this.limiter = openLimiter(o, isAlone ? null : role.peers)
    this.#pools = openUpstreams(o)
    this.#handler = new Handler({
      directory: this.#directory,
      limiter: this.limiter,
      pools: this.#pools,
      sink: this.#log.channel,
      counters: this.#counters,
      headBounds: {
        maxFields: o['proxy.maxHeaderFields'],
        maxConnectionTokens: o['proxy.maxConnectionTokens'],
      },
      now: (tick) => this.#clock.nowMs(tick),
      via,
    })
    this.#proxy = new ProxyListener(
      this.#handler,
      {
        headersTimeoutMs: o['proxy.headersTimeoutMs'],
        keepAliveTimeoutMs: o['proxy.keepAliveTimeoutMs'],
        maxHeaderBytes: o['proxy.maxHeaderBytes'],
        maxConnections: boundConnections(o['proxy.maxConnections'], isAlone ? logger : null),
        halfClosedIdleMs: o['proxy.halfClosedIdleMs'],
        drainIdleMs: o['shutdown.idleMs'],
        hasProxyProtocol: o['listen.proxyProtocol'],
        handshakeTimeoutMs: o['listen.handshakeTimeoutMs'],
        maxConnectionsPerSource: o['proxy.maxConnectionsPerSource'],
      },
      (error) => logger.error({ err: error }, 'request failed inside the gateway; this is a bug'),
      (message, fields) => logger.warn(fields, message),
    )
    this.#sources = this.#makeSources()
    this.#admin = this.#reader === null ? null : this.#makeAdmin(this.#reader)
    this.apply(config)
  }

  /** Takes over what a reload may change: routes, trust in proxies, log level. All else needs a restart. */
  apply(config: Config): void {
    const { publicUrl } = config.options
    const url = publicUrl === '' ? null : new URL(publicUrl)
    this.#handler.routes = new RouteTable(config.routes)
    this.#handler.trust = {
      trustedProxies: compileNetworks(config.options['proxy.trustedProxies']),
      publicProto: url === null ? null : url.protocol.slice(0, -1),
      publicHost: url === null ? null : url.host,
      addressField: config.options['proxy.clientAddressField'],
    }
    readCertificates(this.#proxy, config, this.#logger)
    this.#handler.probePath = config.options['proxy.probePath'] || null
    this.#handler.isReady = () => this.readiness().ready
    this.#handler.endsRevoked = config.options['proxy.revokedExchanges'] === 'end'
    this.#pools.retain(config.routes)
    // From 0 on, so that a rate sees a route's first request.
    for (const { name } of config.routes) this.#counters.route(name)
    this.#logger.level = config.options['log.level']
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
    const snapshot = this.#directory.start()
    this.#log.start()
    this.#deaths.start()
    this.#rollUps?.start()
    this.#audit?.start()
    const admin = await this.#admin.start()
    await snapshot
    const proxy = await this.#proxy.start(options['listen.host'], options['listen.port'])
    this.#onReady()
    return { proxy: { host: proxy.address, port: proxy.port }, admin }
  }

  /** As `start`, in a worker: its connections come by `take`. Never rejects. */
  async startAsWorker(): Promise<void> {
    const snapshot = this.#directory.start()
    this.#log.start()
    this.#deaths.start()
    await snapshot
    this.#proxy.startHanded()
    this.#onReady()
  }

  /** The rest of the program is loaded soon, and not when it is needed: by then an upgrade may have replaced the files. */
  #onReady(): void {
    this.#phase = 'ready'
    setTimeout(() => {
      this.#log.load()
      void this.metrics()
    }, LOAD_REST_MS).unref()
  }

  /** Names who is told of the process life whose entries are written: whoever would have to tell of its death. Before the start. */
  onLife(listener: (life: ToldLife) => void): void {
    this.#log.onLife(listener)
  }

  /** Serves a connection that the primary accepted. */
  take(socket: Socket): void {
    this.#proxy.take(socket)
  }

  /** Ends each connection after its next answer, while another worker takes the new ones; `stop` is still owed. */
  retire(): void {
    this.#proxy.retire()
  }

  /** A stop has begun: not ready, each answer ends its connection; connections are accepted as before. */
  endConnections(): void {
    this.#phase = 'draining'
    this.#proxy.retire()
  }

  /** Open client connections. */
  get connections(): number {
    return this.#proxy.connections
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
          this.#proxy.retire()
          await sleep(acceptMs)
        },
      },
      {
        name: 'requests',
        run: async () => {
          if (!(await this.#proxy.drain(options['shutdown.drainTimeoutMs']))) isClean = false
        },
      },
      {
        name: 'access log',
        run: async () => {
          // No request needs it any more; with the database away its end would come on top. Its phase sees how it ends.
          this.#directory.stop().catch(() => {})
          const { stored, lost, spilled } = await this.#log.drain(options['shutdown.flushTimeoutMs'])
          if (spilled > 0) this.#logger.warn({ spilled }, 'entries are on disk; the next start replays them')
          if (stored) return
          isClean = false
          this.#logger.error({ lost }, 'the access log could not be stored before the deadline')
        },
      },
      { name: 'upstream connections', run: () => this.#pools.destroy() },
      { name: 'directory', run: () => this.#directory.stop() },
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
    return this.#log.ledger.totals.buffered
  }

  /** Whether the data plane knows the key with this digest already. */
  knowsKey(digest: string): boolean {
    return this.#directory.snapshot?.keyByDigest(digest) !== undefined
  }

  /** Whether a balancer should send traffic here, and why not. */
  readiness(): Readiness {
    const { reserveRefusal } = this.#log.channel
    const maxClockOffsetMs = this.#config.options['database.maxClockOffsetMs']
    const readiness = readinessOf({
      phase: this.#phase,
      snapshot: this.#directory.snapshot,
      reserveRefusal,
      clockOffsetMs: this.#clock.offsetMs,
      maxClockOffsetMs,
      contact: this.#contact.reading,
      directory: this.#directory.stats,
    })
    const ofDatabase = this.#upkeep?.warnings ?? []
    return { ...readiness, warnings: [...readiness.warnings, ...this.#log.warnings, ...ofDatabase] }
  }

  /** Whether the process is well, as `/healthz` tells. */
  health(): { healthy: boolean; reasons: readonly StateReason[] } {
    return this.#log.health
  }

  /**
   * What `/metrics` shows; for the primary, when there is one. Loaded when somebody asks for it, which takes 20 ms: prom-client
   * is a tenth of the program, and before its first scrape Prometheus sees nothing of a counter's growth anyway.
   */
  metrics(): Promise<Metrics> {
    this.#metrics ??= import('../metrics/metrics.ts').then((metrics) => {
      const tenantLabels = this.#config.options['metrics.tenantLabels']
      return new metrics.Metrics(this.#sources, { tenantLabels, version: packageVersion() })
    })
    return this.#metrics
  }

  /** The live numbers, as `/api/overview` tells them. */
  overview(): Overview {
    const uptimeMs = performance.now() - this.#startedTick
    return readOverview(this.#sources, { version: packageVersion(), instance: this.instance, uptimeMs })
  }

  #makeSources(): StatsSources {
    return {
      proxy: () => this.#counters,
      limits: () => this.limiter.stats,
      channel: () => this.#log.channel.stats,
      ledger: () => this.#log.ledger,
      writer: () => this.#log.writer.stats,
      vitals: () => ({ ...this.#log.vitals, audit: this.#audit?.stats ?? null }),
      directory: () => ({ ...this.#directory.stats, clockOffsetMs: this.#clock.offsetMs }),
      database: () => this.#contact.reading,
      pools: () => this.#pools.stats,
      droppedLogLines: () => this.#logger.droppedLines,
    }
  }

  #makeAdmin(reader: Sql): AdminListener {
    const { options } = this.#config
    return new AdminListener({
      host: options['admin.host'],
      port: options['admin.port'],
      token: options['admin.token'],
      logger: this.#logger,
      health: () => this.health(),
      readiness: () => this.readiness(),
      metrics: async () => (await this.metrics()).expose(),
      overview: () => this.overview(),
      queries: queriesOf(reader),
      queryTimeoutMs: options['database.statementTimeoutMs'],
    })
  }
}
