import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import type { Options } from '../../config/options.ts'
import { Brim } from '../../deliveries/brim.ts'
import { Depths } from '../../deliveries/depths.ts'
import { InboxLog } from '../../deliveries/inbox-log.ts'
import { parcelCodec } from '../../deliveries/parcel-codec.ts'
import { PostCourier } from '../../deliveries/post-courier.ts'
import { PostInbox } from '../../deliveries/post-inbox.ts'
import { PostOffice } from '../../deliveries/post-office.ts'
import { systemClock } from '../../lib/time/clock.ts'
import { Periodic, tellFailures } from '../../lib/time/periodic.ts'
import { StateLines } from '../../lib/time/state-lines.ts'
import { Seldom } from '../../lib/time/seldom.ts'
import type { Logger } from '../../logger/logger.ts'
import type { EntrySink } from '../../model/access-entry.ts'
import type { DatabaseTarget } from '../../model/database-target.ts'
import { bodyKeys } from '../../model/delivery/body-key.ts'
import type { Inbox, Kept } from '../../model/delivery/inbox.ts'
import type { Parcel } from '../../model/delivery/parcel.ts'
import type { Directory } from '../../model/grant.ts'
import type { Route } from '../../model/route.ts'
import type { DeliveryStats } from '../../model/stats.ts'
import type { StoredParcel } from '../../deliveries/delivery-store.ts'
import { Spool } from '../../spool/spool.ts'
import { DELIVERY_CONNECTIONS, PostgresDeliveries } from '../../store/deliveries/delivery-store.ts'
import { openControl } from '../../store/sql.ts'
import type { Dispatcher } from '../../upstream/dispatcher.ts'
import type { DeliveryRoom } from './readiness.ts'

const DEPTHS_MS = 2000
/** A count of very many is slow, and every process makes it: it is repeated after so many times its duration at the soonest. */
const DEPTHS_REST = 10
const UPKEEP_MS = 600_000
const DISK = 'disk'
/** Frames are synced one by one before anybody hears of them: this timer has nothing to do. */
const SYNC_MS = 3_600_000

export interface DeliveriesParts {
  readonly options: Options
  readonly target: DatabaseTarget
  /** Where this process keeps its state. */
  readonly folder: string
  readonly instance: string
  readonly directory: Pick<Directory, 'snapshot'>
  readonly dispatcher: Dispatcher
  readonly sink: EntrySink
  readonly nowMs: () => number
  readonly logger: Logger
}

/** What routes with `mode: accept` need, from the first one on: without any, nothing of it is made. */
export class Deliveries implements Inbox {
  readonly #parts: DeliveriesParts
  #routes: readonly Route[] = []
  #isStarted = false
  #work: DeliveryWork | null = null

  constructor(parts: DeliveriesParts) {
    this.#parts = parts
  }

  /** Takes over what a reload may change. */
  apply(routes: readonly Route[]): void {
    this.#routes = routes
    if (this.#work === null && this.#isStarted && this.#isUsed) this.#begin()
    this.#work?.office.apply(routes)
  }

  start(): void {
    this.#isStarted = true
    if (this.#isUsed) this.#begin()
  }

  /** Nothing more is accepted or tried; results of what is under way are noted within `ms`. */
  async stop(ms: number): Promise<void> {
    await this.#work?.stop(ms)
  }

  /** See Inbox. */
  async accept(parcel: Parcel, patienceMs: number): Promise<Kept> {
    return (await this.#work?.inbox.accept(parcel, patienceMs)) ?? { kind: 'unavailable' }
  }

  /** Null while no route accepts. */
  get room(): DeliveryRoom | null {
    return this.#work?.room(this.#routes) ?? null
  }

  /** Null while no route accepts. */
  get stats(): DeliveryStats | null {
    return this.#work?.stats ?? null
  }

  get #isUsed(): boolean {
    return this.#routes.some(({ delivery }) => delivery !== null)
  }

  #begin(): void {
    this.#work = new DeliveryWork(this.#parts)
    this.#work.office.apply(this.#routes)
    this.#work.start()
  }
}

class DeliveryWork {
  readonly inbox: PostInbox
  readonly office: PostOffice
  readonly depths: Depths
  readonly #member = randomUUID()
  readonly #store: PostgresDeliveries
  readonly #spool: Spool<readonly StoredParcel[]>
  readonly #disk = new Brim()
  readonly #jobs: readonly Periodic[]
  readonly #seldom = new Seldom()
  readonly #lines = new StateLines(systemClock)

  constructor({ options: o, target, folder, instance, logger, ...parts }: DeliveriesParts) {
    const sql = openControl(target, { applicationName: 'waybill deliveries', max: DELIVERY_CONNECTIONS })
    const store = (this.#store = new PostgresDeliveries(sql))
    const keys = bodyKeys(o['deliveries.encryptionKeys']) ?? []
    const bounds = { deliveries: o['deliveries.maxWaiting'], bytes: o['deliveries.maxWaitingBytes'] }
    const depths = (this.depths = new Depths(bounds, (...brim) => this.#tellBrim(logger, ...brim)))
    const later = (ms: number, fn: () => void): (() => void) => systemClock.later(ms, fn)
    this.office = new PostOffice({
      member: this.#member,
      store,
      courier: new PostCourier({ ...parts, later, keys, log: logger }),
      clock: systemClock,
      random: Math.random,
      log: logger,
    })
    this.#spool = new Spool({
      directory: join(folder, 'deliveries'),
      instance,
      maxBytes: o['deliveries.spoolBytes'],
      syncIntervalMs: SYNC_MS,
      codec: parcelCodec,
      log: new InboxLog(logger),
    })
    this.inbox = new PostInbox({
      store,
      spool: this.#spool,
      clock: systemClock,
      keys,
      isFull: (tenant) => depths.isFull(tenant),
      onStored: (parcels) => {
        for (const { tenant, bodyBytes } of parcels) depths.note(tenant, bodyBytes)
        this.office.noteStored()
      },
      onFailure: (error) => {
        const times = this.#seldom.occur('keep', performance.now())
        if (times > 0) logger.warn({ err: error, times }, 'deliveries: the database takes none')
      },
    })
    const job = (what: string, intervalMs: number, run: () => Promise<number | void>): Periodic =>
      new Periodic({
        run,
        intervalMs,
        pace: 'rest',
        jitter: 0.2,
        ...tellFailures(logger, {
          failed: `deliveries: ${what} failed; trying again`,
          well: `deliveries: ${what} goes on`,
        }),
      })
    this.#jobs = [
      job('counting', DEPTHS_MS, async () => {
        const begun = performance.now()
        depths.set(await store.depths())
        const restMs = (performance.now() - begun) * DEPTHS_REST
        return restMs > DEPTHS_MS ? restMs : undefined
      }),
      job('upkeep', UPKEEP_MS, () => store.upkeep(o['deliveries.retentionDays'])),
    ]
  }

  start(): void {
    for (const job of this.#jobs) job.start(1)
    this.inbox.start()
    this.office.start()
  }

  async stop(ms: number): Promise<void> {
    await this.inbox.stop(ms)
    await this.office.stop(ms)
    await Promise.all(this.#jobs.map((job) => job.stop(0)))
    await this.#store.leave(this.#member).catch(() => {})
    await this.#store.close()
  }

  get stats(): DeliveryStats {
    return {
      ...this.inbox.counts,
      attempts: this.office.attempts,
      tenants: this.depths.all,
      routes: this.office.stats,
      fill: { tenant: this.depths.fullest, disk: this.#diskFill },
    }
  }

  room(routes: readonly Route[]): DeliveryRoom {
    const { nearlyFull, fullest } = this.depths
    const disk = this.#diskFill
    this.#disk.look(DISK, disk)
    const isDiskNearlyFull = this.#disk.full.has(DISK)
    const isAllFull =
      isDiskNearlyFull || routes.every(({ signature }) => nearlyFull.has(signature?.tenant ?? ''))
    return {
      tenants: nearlyFull.size,
      fullest,
      disk,
      isDiskNearlyFull,
      isNothingElse: isAllFull && routes.length > 0 && routes.every(({ delivery }) => delivery !== null),
    }
  }

  get #diskFill(): number {
    const { bytes, foreignBytes, maxBytes } = this.#spool.stats
    return maxBytes === 0 ? 0 : (bytes + foreignBytes) / maxBytes
  }

  #tellBrim(logger: Logger, tenant: string, isFull: boolean, fill: number): void {
    const percent = Math.round(100 * fill)
    this.#lines.note(tenant, String(isFull), () => {
      if (isFull)
        logger.warn({ tenant, percent }, 'deliveries: a tenant has nearly as many waiting as it may')
      else logger.info({ tenant, percent }, 'deliveries: a tenant has room again')
    })
  }
}
