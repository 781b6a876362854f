import type { AdminSources, StateReason } from '../admin/handlers.ts'
import { AdminListener } from '../admin/listener.ts'
import { queriesOf } from '../admin/queries.ts'
import type { Config } from '../config/config.ts'
import { oidcSettings } from '../config/admin/oidc-settings.ts'
import { shownConfiguration } from '../config/shown-config.ts'
import { readTlsFiles } from '../config/tls-files.ts'
import { endsWithin } from '../lib/time/within.ts'
import { LimitExchange } from '../limits/limit-exchange.ts'
import type { Logger } from '../logger/logger.ts'
import type { CertificateExpiry, GatewayVitals } from '../model/stats.ts'
import { closeSql, openReader, type Sql } from '../store/sql.ts'
import { auditJobOf, type AuditJob } from './control-plane/audit-job.ts'
import type { DatabaseUpkeep, GatewayDatabase } from './control-plane/database.ts'
import { DeathWatch } from './control-plane/death-watch.ts'
import { EventsJob } from './control-plane/events/events-job.ts'
import { OwnFindings } from './control-plane/events/own-findings.ts'
import { FiguresWatch } from './control-plane/figures-watch.ts'
import { PartitionIndexJob } from './control-plane/partition-index-job.ts'
import { RollUpJob, rollUpTimes } from './control-plane/roll-up-job.ts'
import type { Service } from './lifecycle.ts'
import { ownFolder } from './own-folder.ts'
import type { Address } from './running-gateway.ts'
import { packageVersion } from '../version.ts'

/** What the admin listener tells of the processes that serve. */
export type Served = Pick<AdminSources, 'health' | 'readiness' | 'metrics' | 'overview'>

/** What a gateway gives its control plane. */
export interface ControlPlaneParts {
  readonly config: Config
  readonly database: GatewayDatabase
  /** Its handle for short statements is that of the whole process, and closed with the rest. */
  readonly upkeep: DatabaseUpkeep
  readonly logger: Logger
  /** Processes that serve. */
  readonly processes: number
  readonly served: Served
}

/** What a gateway has one of, however many processes serve: upkeep, roll-ups, audit, deaths, shared limits, admin listener. */
export class ControlPlane implements Service {
  readonly deaths: DeathWatch
  readonly limits: LimitExchange
  readonly #parts: ControlPlaneParts
  /** The one in force: reloads replace it. */
  #config: Config
  /** Those of the listener, where somebody is told of them. */
  #certificates: readonly CertificateExpiry[]
  readonly #reader: Sql
  readonly #rollUps: RollUpJob
  readonly #audit: AuditJob | null
  readonly #figures: FiguresWatch
  readonly #events: EventsJob
  readonly #partitionIndexes: PartitionIndexJob
  readonly #admin: AdminListener
  #listening: Promise<Address> | null = null

  constructor(parts: ControlPlaneParts) {
    const { config, database, upkeep, logger, served } = parts
    const { options: o } = config
    this.#parts = parts
    this.#config = config
    this.#certificates = expiriesOf(config)
    this.#reader = openReader(database.readerTarget, { statementTimeoutMs: o['database.statementTimeoutMs'] })
    this.#rollUps = new RollUpJob({ target: database.target, ...rollUpTimes(o), logger })
    const { target } = database
    this.#partitionIndexes = new PartitionIndexJob({ control: upkeep.control, target, logger })
    this.#figures = new FiguresWatch({ sql: upkeep.control, logger })
    const own = new OwnFindings({
      certificates: () => this.#certificates,
      readiness: () => this.#readiness(),
    })
    this.#events = new EventsJob({
      sql: upkeep.control,
      logger,
      receivers: () => this.#config.options.events,
      findOwn: async () => await own.find(),
    })
    this.#audit = auditJobOf(config, {
      sql: this.#reader,
      logger,
      onGaps: async (gaps, now) => await this.#events.tellGaps(gaps, now),
    })
    this.deaths = new DeathWatch({ sql: upkeep.control, logger, folder: ownFolder(o.stateDir) })
    this.limits = new LimitExchange(parts.processes)
    const queries = queriesOf(this.#reader)
    this.#admin = new AdminListener({
      ...served,
      readiness: () => this.#readiness(),
      host: o['admin.host'],
      port: o['admin.port'],
      token: o['admin.token'],
      logger,
      queries,
      queryTimeoutMs: o['database.statementTimeoutMs'],
      loadApi: async () => {
        const { apiListener } = await import('../admin/api/app.ts')
        return apiListener({
          control: upkeep.control,
          reader: this.#reader,
          served: { ...served, readiness: () => this.#readiness(), queries },
          receivers: () =>
            this.#config.options.events.map((one) => ({ receiver: one, isGone: this.#events.isGone(one) })),
          configuration: () => shownConfiguration(this.#config),
          queryTimeoutMs: o['database.statementTimeoutMs'],
          token: o['admin.token'],
          oidc: () => oidcSettings(this.#config.options),
          host: o['admin.host'],
          version: packageVersion(),
          logger,
        })
      },
    })
  }

  /** Has the admin listener listen; resolves with its address, rejects with an `AdminListenError`. A second call returns the same promise. */
  listen(): Promise<Address> {
    this.#listening ??= this.#admin.start()
    return this.#listening
  }

  /** A reload: what is shown from now on. */
  apply(config: Config): void {
    this.#config = config
    this.#certificates = expiriesOf(config)
  }

  /** The newest audit and figures of all gateways of the database, and the events that this one sent. */
  get vitals(): GatewayVitals {
    const audit = this.#audit?.stats ?? null
    return { audit, figures: this.#figures.figures, events: this.#events.stats }
  }

  readonly starts: Service['starts'] = {
    database: async (onProgress) => {
      const isThere = await this.#parts.upkeep.start(onProgress)
      if (!isThere) onProgress('the database is away; starting without it')
    },
    deaths: () => this.deaths.start(),
    upkeep: () => {
      this.#rollUps.start()
      this.#audit?.start()
      this.#figures.start()
      this.#events.start()
      this.#partitionIndexes.start()
    },
    'admin listener': () => this.listen(),
  }

  readonly stops: Service['stops'] = {
    audit: () => {
      this.#audit?.stop()
      this.#figures.stop()
    },
    deaths: (ms) => this.deaths.stop(ms),
    upkeep: (ms) => {
      this.limits.stop()
      return Promise.all([
        this.#parts.upkeep.stop(),
        this.#rollUps.stop(),
        this.#partitionIndexes.stop(),
        this.#events.stop(ms),
      ])
    },
    'admin listener': () => this.#admin.close(),
    'database handles': (ms) =>
      Promise.all([closeSql(this.#parts.upkeep.control, ms), closeSql(this.#reader, ms)]),
    // The embedded server stops by itself once we have gone; one that is frozen takes its supervisor 15 s.
    database: async (ms) => void (await endsWithin(this.#parts.database.release(), ms)),
  }

  /** Of the processes that serve, and what is wrong with the database although it serves. */
  async #readiness(): Promise<Awaited<ReturnType<Served['readiness']>>> {
    const { warnings = [], ...readiness } = await this.#parts.served.readiness()
    const ofDatabase: readonly StateReason[] = this.#parts.upkeep.warnings
    return { ...readiness, warnings: [...warnings, ...ofDatabase] }
  }
}

function expiriesOf({ options }: Config): readonly CertificateExpiry[] {
  if (options.events.length === 0) return []
  return readTlsFiles(options['listen.tls']).certificates?.expiries ?? []
}
