import type { Socket } from 'node:net'
import type { StateReason } from '../admin/handlers.ts'
import { readOverview, type Overview } from '../admin/overview.ts'
import type { Config } from '../config/config.ts'
import type { DirectoryRefresher } from '../directory/refresher.ts'
import type { DatabaseContact } from '../lib/database-contact.ts'
import { systemClock } from '../lib/time/clock.ts'
import { DatabaseClock } from '../lib/time/database-clock.ts'
import type { LimitMember } from '../limits/limit-exchange.ts'
import type { LimitLoans } from '../limits/limit-news.ts'
import type { Limiter, LimitPeers } from '../limits/limiter.ts'
import { ProxyListener } from '../listener/listener.ts'
import type { RootLogger } from '../logger/logger.ts'
import type { Metrics } from '../metrics/metrics.ts'
import type { DatabaseTarget } from '../model/database-target.ts'
import type { GatewayVitals, StatsSources } from '../model/stats.ts'
import { Handler } from '../proxy/handler.ts'
import { Sampling } from '../proxy/headers/sampling.ts'
import { RouteTable } from '../proxy/routing/route-table.ts'
import { ProxyCounters } from '../proxy/stats.ts'
import type { Sql } from '../store/sql.ts'
import type { UpstreamPools } from '../upstream/pools.ts'
import { HealthChecks } from '../upstream/checks/health-checks.ts'
import { RouteChains } from '../upstream/route-chains.ts'
import { RetryCounters } from '../upstream/health/retry-counters.ts'
import { TokenCounters } from '../upstream/tokens/token-counters.ts'
import type { Traces } from '../traces/traces.ts'
import { packageVersion } from '../version.ts'
import { AccessLog } from './data-plane/access-log.ts'
import { readCertificates } from './data-plane/certificates.ts'
import { Deliveries } from './data-plane/deliveries.ts'
import { IdempotencyKeys } from './data-plane/idempotency.ts'
import { tracesOf } from './data-plane/traces.ts'
import { databaseContact, openDirectory } from './data-plane/directory.ts'
import type { ToldLife } from './data-plane/instance-record.ts'
import { reportTo } from './data-plane/report.ts'
import { openLimiter } from './data-plane/limits.ts'
import { trafficOf } from './data-plane/traffic.ts'
import { trustOf } from './data-plane/trust.ts'
import { interceptorsOf, openUpstreams } from './data-plane/upstreams.ts'
import type { Service } from './lifecycle.ts'
import { ownFolder } from './own-folder.ts'
import type { Address } from './running-gateway.ts'
import { readinessOf, type Readiness, type ReadinessFacts } from './data-plane/readiness.ts'

/** After the start, the rest of the program is loaded. */
const LOAD_REST_MS = 1000

/** What the process around a data plane gives it. */
export interface DataPlaneParts {
  readonly config: Config
  readonly target: DatabaseTarget
  /** For short statements. Its owner closes it, after the data plane has stopped. */
  readonly control: Sql
  readonly logger: RootLogger
  /** Id of this process' first life. */
  readonly instance: string
  /** Pseudonym in Via, the same in all processes of a gateway. */
  readonly via: string
  /** Whether this process writes tenants and keys to disk: one of a gateway does. */
  readonly isDirectoryWriter: boolean
  /** Connections that the listener accepts; those of `take` are not counted. */
  readonly maxConnections: number
  /** Processes that share the limits; null when there is no other. */
  readonly peers: LimitPeers | null
  /** Told of a dead process whose spill was taken over: see `Spill`. */
  readonly onDead: (instance: string, isCutOff: boolean) => boolean
  readonly state: () => ReadinessFacts['phase']
  /** For the metrics. */
  readonly gatewayVitals: () => GatewayVitals
}

/** What a stop has for the last spans: a collector that is away costs no more. */
const TRACES_STOP_MS = 500

/** Serves requests and stores what happened: directory, limits, upstream pools, handler, proxy listener, access log. */
export class DataPlane implements Service, LimitMember {
  /** See LimitMember: it is of this process. */
  readonly isHeard = true
  readonly #parts: DataPlaneParts
  /** What everything that others see goes by: expiry, times of entries. */
  readonly #clock = new DatabaseClock()
  readonly #contact: DatabaseContact
  readonly #directory: DirectoryRefresher
  readonly #limiter: Limiter
  readonly #pools: UpstreamPools
  readonly #chains: RouteChains
  readonly #checks: HealthChecks
  readonly #counters = new ProxyCounters()
  readonly #tokens = new TokenCounters()
  readonly #retries = new RetryCounters()
  readonly #log: AccessLog
  readonly #traces: Traces | null
  readonly #deliveries: Deliveries
  readonly #idempotency: IdempotencyKeys
  readonly #handler: Handler
  readonly #proxy: ProxyListener
  readonly #sources: StatsSources
  readonly #startedTick = performance.now()
  #listening: Promise<Address> | null = null
  #metrics: Promise<Metrics> | null = null

  constructor(parts: DataPlaneParts) {
    this.#parts = parts
    const { config, logger, target, control, instance, via, onDead } = parts
    const o = config.options
    this.#contact = databaseContact(o)
    const folder = ownFolder(o.stateDir, logger)
    const clock = this.#clock
    const shared = { instance, target, control, options: o, folder, contact: this.#contact, clock, logger }
    this.#directory = openDirectory({
      ...shared,
      run: via,
      isWriter: parts.isDirectoryWriter,
    })
    const traffic = trafficOf(this.#counters, () => this.#handler)
    this.#traces = tracesOf(o, () => this.#log.writer.life.instance, logger)
    this.#log = new AccessLog({ ...shared, onDead, traffic, traces: this.#traces })
    this.#limiter = openLimiter(o, parts.peers)
    this.#pools = openUpstreams(o, logger)
    this.#checks = new HealthChecks(this.#pools.health)
    this.#chains = new RouteChains(this.#pools, interceptorsOf(o, this.#tokens, this.#retries))
    this.#deliveries = new Deliveries({
      ...shared,
      directory: this.#directory,
      dispatcher: this.#chains,
      sink: this.#log.channel,
      nowMs: () => clock.nowMs(),
    })
    this.#idempotency = new IdempotencyKeys({ target, options: o, logger })
    const report = reportTo(logger)
    this.#handler = new Handler({
      directory: this.#directory,
      limiter: this.#limiter,
      dispatcher: this.#chains,
      pools: this.#pools,
      sink: this.#log.channel,
      inbox: this.#deliveries,
      calls: this.#idempotency,
      counters: this.#counters,
      headBounds: {
        maxFields: o['proxy.maxHeaderFields'],
        maxConnectionTokens: o['proxy.maxConnectionTokens'],
      },
      now: (tick) => this.#clock.nowMs(tick),
      isReady: () => this.readiness().ready,
      report,
      via,
      sampling: this.#traces === null ? null : new Sampling(o['traces.beginOneIn']),
    })
    this.#proxy = new ProxyListener(
      this.#handler,
      {
        headersTimeoutMs: o['proxy.headersTimeoutMs'],
        keepAliveTimeoutMs: o['proxy.keepAliveTimeoutMs'],
        maxHeaderBytes: o['proxy.maxHeaderBytes'],
        maxConnections: parts.maxConnections,
        halfClosedIdleMs: o['proxy.halfClosedIdleMs'],
        drainIdleMs: o['shutdown.idleMs'],
        hasProxyProtocol: o['listen.proxyProtocol'],
        handshakeTimeoutMs: o['listen.handshakeTimeoutMs'],
        maxConnectionsPerSource: o['proxy.maxConnectionsPerSource'],
      },
      report,
      (message, fields) => logger.warn(fields, message),
    )
    this.#sources = this.#makeSources()
    this.apply(config)
  }

  /** Takes over what a reload may change: routes, trust in proxies, certificates, log level. All else needs a restart. */
  apply(config: Config): void {
    this.#handler.apply({
      routes: new RouteTable(config.routes),
      trust: trustOf(config.options),
      probePath: config.options['proxy.probePath'] || null,
      endsRevoked: config.options['proxy.revokedExchanges'] === 'end',
      refusalContact: config.options['proxy.refusalContact'],
    })
    readCertificates(this.#proxy, config, this.#parts.logger)
    this.#chains.apply(config.routes)
    this.#checks.apply(config.routes)
    this.#deliveries.apply(config.routes)
    this.#idempotency.apply(config.routes)
    // From 0 on, so that a rate sees a route's first request.
    for (const { name } of config.routes) this.#counters.route(name)
    this.#parts.logger.level = config.options['log.level']
  }

  readonly starts: Service['starts'] = {
    directory: () => {
      // Its phase is `snapshot`.
      void this.#directory.start()
    },
    'access log': () => {
      this.#log.start()
      this.#traces?.start()
      this.#checks.start()
      this.#deliveries.start()
    },
    snapshot: () => this.#directory.start(),
  }

  readonly stops: Service['stops'] = {
    requests: (ms) => {
      this.#checks.stop()
      return this.#proxy.drain(ms)
    },
    deliveries: (ms) => Promise.all([this.#deliveries.stop(ms), this.#idempotency.stop(ms)]),
    'access log': (ms) => this.#drainLog(ms),
    'upstream connections': () => Promise.all([this.#pools.destroy(), this.#traces?.stop(TRACES_STOP_MS)]),
    directory: () => this.#directory.stop(),
  }

  /**
   * Has the proxy listener listen; resolves with its address, rejects with a `ProxyListenError`. A second call returns the same
   * promise.
   */
  listen(): Promise<Address> {
    this.#listening ??= this.#listen()
    return this.#listening
  }

  async #listen(): Promise<Address> {
    const { options } = this.#parts.config
    const { address, port } = await this.#proxy.start(options['listen.host'], options['listen.port'])
    this.#loadRest()
    return { host: address, port }
  }

  /** Instead of listening: connections come by `take`. */
  startHanded(): void {
    this.#proxy.startHanded()
    this.#loadRest()
  }

  /** The rest of the program is loaded soon, and not when it is needed: by then an upgrade may have replaced the files. */
  #loadRest(): void {
    systemClock.later(LOAD_REST_MS, () => {
      this.#log.load()
      void this.metrics()
    })
  }

  /** Names the listener that is told of the process life whose entries are written. To be called before the start. */
  onLife(listener: (life: ToldLife) => void): void {
    this.#log.onLife(listener)
  }

  /** Serves a connection that another process accepted. */
  take(socket: Socket): void {
    this.#proxy.take(socket)
  }

  /** See LimitMember. */
  lend(loans: LimitLoans): void {
    this.#limiter.lend(loans, performance.now())
  }

  /** From now on each answer is the last on its connection; connections are accepted as before. */
  retire(): void {
    this.#proxy.retire()
  }

  /** Open client connections. */
  get connections(): number {
    return this.#proxy.connections
  }

  /** Resolves false when entries were lost. */
  async #drainLog(timeoutMs: number): Promise<boolean> {
    const { logger } = this.#parts
    // No request needs it any more; with the database away its end would come on top. Its phase sees how it ends.
    this.#directory.stop().catch(() => {})
    const { stored, lost, spilled } = await this.#log.drain(timeoutMs)
    if (spilled > 0) logger.warn({ spilled }, 'entries are on disk; the next start replays them')
    if (!stored) logger.error({ lost }, 'the access log could not be stored before the deadline')
    return stored
  }

  /** Entries accepted and neither stored nor dropped yet. */
  get unstored(): number {
    return this.#log.ledger.totals.buffered
  }

  /** Whether the snapshot has the key with this digest already. */
  knowsKey(digest: string): boolean {
    return this.#directory.snapshot?.keyByDigest(digest) !== undefined
  }

  /** Whether a balancer should send traffic here, and why not. */
  readiness(): Readiness {
    const { reserveRefusal } = this.#log.channel
    const { config, state } = this.#parts
    const readiness = readinessOf({
      phase: state(),
      snapshot: this.#directory.snapshot,
      reserveRefusal,
      clockOffsetMs: this.#clock.offsetMs,
      maxClockOffsetMs: config.options['database.maxClockOffsetMs'],
      contact: this.#contact.reading,
      directory: this.#directory.stats,
      deliveries: this.#deliveries.room,
    })
    return { ...readiness, warnings: [...readiness.warnings, ...this.#log.warnings] }
  }

  /** Whether the process is well, as `/healthz` tells. */
  health(): { healthy: boolean; reasons: readonly StateReason[] } {
    return this.#log.health
  }

  /**
   * What `/metrics` shows of this process. Loaded when somebody asks for it, which takes 20 ms: prom-client is a tenth of the
   * program, and before its first scrape Prometheus sees nothing of a counter's growth anyway.
   */
  metrics(): Promise<Metrics> {
    this.#metrics ??= import('../metrics/metrics.ts').then((metrics) => {
      const tenantLabels = this.#parts.config.options['metrics.tenantLabels']
      return new metrics.Metrics(this.#sources, { tenantLabels, version: packageVersion() })
    })
    return this.#metrics
  }

  /** The live numbers, as `/api/overview` tells them. */
  overview(): Overview {
    const { instance } = this.#parts
    const uptimeMs = performance.now() - this.#startedTick
    return readOverview(this.#sources, { version: packageVersion(), instance, uptimeMs })
  }

  #makeSources(): StatsSources {
    const { logger, gatewayVitals } = this.#parts
    return {
      proxy: () => this.#counters,
      limits: () => this.#limiter.stats,
      channel: () => this.#log.channel.stats,
      ledger: () => this.#log.ledger,
      writer: () => this.#log.writer.stats,
      vitals: () => ({
        ...this.#log.vitals,
        ...gatewayVitals(),
        isReady: this.readiness().ready,
        certificates: this.#proxy.names?.expiries ?? [],
      }),
      directory: () => ({ ...this.#directory.stats, clockOffsetMs: this.#clock.offsetMs }),
      database: () => this.#contact.reading,
      pools: () => this.#pools.stats,
      upstreams: () => this.#pools.health.stats,
      tokens: () => this.#tokens.stats,
      retries: () => this.#retries.stats,
      deliveries: () => this.#deliveries.stats,
      idempotency: () => this.#idempotency.stats,
      traces: () => this.#traces?.stats ?? null,
      droppedLogLines: () => logger.droppedLines,
    }
  }
}
