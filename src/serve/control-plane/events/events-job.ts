import { backoffMs } from '../../../lib/time/backoff.ts'
import { systemClock, type Clock } from '../../../lib/time/clock.ts'
import { Periodic, tellFailures } from '../../../lib/time/periodic.ts'
import { Seldom } from '../../../lib/time/seldom.ts'
import type { Logger } from '../../../logger/logger.ts'
import type { AuditGap, AuditGapKind } from '../../../model/audit/audit.ts'
import {
  receiverId,
  receiverName,
  type EventLoss,
  type EventReceiver,
  type Finding,
} from '../../../model/events/event.ts'
import { messageId } from '../../../model/events/signature.ts'
import type { EventsStats } from '../../../model/stats.ts'
import { findEvents } from '../../../store/events/findings.ts'
import {
  dropDeliveries,
  endDelivery,
  failDelivery,
  forgetOldEvents,
  publishEvents,
  takeDeliveries,
  type Delivery,
} from '../../../store/events/outbox.ts'
import type { Sql } from '../../../store/sql.ts'
import { sendEvent } from './send.ts'

const SEND_INTERVAL_MS = 5000
const LOOK_INTERVAL_MS = 60_000
/** Of one receiver at once. */
const BATCH = 10
/** 5 s, 10 s, 20 s … an hour, less up to half of each at random: 1.8 hours from first to last, at most 2.4. */
const MAX_ATTEMPTS = 12
const BACKOFF_MIN_MS = 5000
const BACKOFF_MAX_MS = 3_600_000

/** Not whole for now, or told of as something else. */
const UNTOLD: ReadonlySet<AuditGapKind> = new Set(['spilled', 'set_aside', 'quarantined'])

/** Whether gaps of this kind are told of as events. */
export function isTold(kind: AuditGapKind): boolean {
  return !UNTOLD.has(kind)
}

/**
 * Finds what is to be told, and sends it. What was found lies in the database until a receiver has taken it: a restart loses nothing,
 * and of all gateways one sends it. Nothing is done where there are no receivers.
 */
export class EventsJob {
  readonly #sql: Sql
  readonly #logger: Logger
  readonly #receivers: () => readonly EventReceiver[]
  readonly #findOwn: () => Promise<readonly Finding[]>
  /** Two jobs: what cannot be found keeps nothing from being sent. */
  readonly #looks: Periodic
  readonly #sends: Periodic
  /** Answered 410; asked again after a reload, which makes them anew. */
  readonly #gone = new WeakSet<EventReceiver>()
  /** Ends what is being sent: its lease ends soon, and another gateway sends it. */
  readonly #stopped = new AbortController()
  /** Of a receiver that is down each event fails. */
  readonly #untaken = new Seldom()
  readonly #lost: Record<EventLoss, number> = { full: 0, given_up: 0, gone: 0 }
  #sent = 0

  constructor(parts: {
    readonly sql: Sql
    readonly logger: Logger
    readonly receivers: () => readonly EventReceiver[]
    /** What this gateway has found of itself; asked at each look. */
    readonly findOwn?: () => Promise<readonly Finding[]>
    readonly clock?: Clock
  }) {
    this.#sql = parts.sql
    this.#logger = parts.logger
    this.#receivers = parts.receivers
    this.#findOwn = parts.findOwn ?? (() => Promise.resolve([]))
    const { clock = systemClock, logger } = parts
    const common = {
      pace: 'rest',
      jitter: 0.2,
      backoff: { minMs: SEND_INTERVAL_MS, maxMs: LOOK_INTERVAL_MS },
      clock,
    } as const
    this.#looks = new Periodic({
      ...common,
      run: () => this.#look(),
      intervalMs: LOOK_INTERVAL_MS,
      ...tellFailures(logger, {
        failed: 'events are not looked for; trying again',
        well: 'events are looked for again',
      }),
    })
    this.#sends = new Periodic({
      ...common,
      run: () => this.#send(),
      intervalMs: SEND_INTERVAL_MS,
      ...tellFailures(logger, { failed: 'events are not sent; trying again', well: 'events are sent again' }),
    })
  }

  start(): void {
    this.#looks.start(SEND_INTERVAL_MS)
    this.#sends.start()
  }

  /** Begins nothing more, and breaks off what is being sent. */
  async stop(ms: number): Promise<void> {
    this.#stopped.abort()
    await Promise.all([this.#looks.stop(ms), this.#sends.stop(ms)])
  }

  /** null without receivers. */
  get stats(): EventsStats | null {
    return this.#receivers().length === 0 ? null : { sent: this.#sent, lost: { ...this.#lost } }
  }

  /** Whether a receiver has answered that it wants no more. */
  isGone(receiver: EventReceiver): boolean {
    return this.#gone.has(receiver)
  }

  /** Looks and sends once. For tests. Rejects with the driver's error. */
  async run(): Promise<void> {
    await this.#looks.now()
    await this.#sends.now()
  }

  /** Tells of what an audit found, of kinds that are told: each kind once a day for an instance and tenant. Rejects with the driver's error. */
  async tellGaps(gaps: readonly AuditGap[], now: Date): Promise<void> {
    const day = now.toISOString().slice(0, 10)
    const events = new Map<string, Finding>()
    for (const { kind, instance, tenant, entries, entriesAtMost, line } of gaps) {
      const type = kind === 'dropped' ? 'entries.dropped' : 'ledger.gap'
      const id = `${type}:${kind}:${instance}:${tenant ?? '*'}:${day}`
      events.set(id, { id, type, data: { kind, instance, tenant, entries, entriesAtMost, line } })
    }
    await this.#publish([...events.values()])
  }

  async #publish(events: readonly Finding[]): Promise<void> {
    const receivers = this.#receivers()
    if (receivers.length === 0 || events.length === 0) return
    const { lost } = await publishEvents(this.#sql, events, receivers)
    this.#lost.full += lost
    if (lost > 0) this.#logger.warn({ lost }, 'too many events wait for a receiver: these are not told')
    this.#sends.kick()
  }

  async #look(): Promise<void> {
    if (this.#receivers().length === 0) return
    await this.#publish([...(await findEvents(this.#sql)), ...(await this.#findOwn())])
    await forgetOldEvents(this.#sql)
  }

  async #send(): Promise<void> {
    await Promise.all(this.#receivers().map(async (one) => await this.#serve(one)))
  }

  async #serve(receiver: EventReceiver): Promise<void> {
    if (this.#gone.has(receiver)) return
    const due = await takeDeliveries(this.#sql, receiver, BATCH)
    await Promise.all(due.map(async (one) => await this.#deliver(receiver, one)))
  }

  async #deliver(receiver: EventReceiver, { event, attempt }: Delivery): Promise<void> {
    const result = await sendEvent(receiver, event, { stopped: this.#stopped.signal })
    const fields = { receiver: receiverName(receiver), event: event.id, message: messageId(event), attempt }
    if (result.kind === 'taken') {
      this.#sent++
      return await endDelivery(this.#sql, receiver, event.id)
    }
    if (result.kind === 'gone') {
      if (this.#gone.has(receiver)) return
      this.#gone.add(receiver)
      const dropped = await dropDeliveries(this.#sql, receiver)
      this.#lost.gone += dropped
      this.#logger.warn(
        { ...fields, dropped },
        'a receiver of events wants no more (410): it gets none until a reload',
      )
      return
    }
    if (this.#stopped.signal.aborted) return
    const { reason } = result
    if (attempt >= MAX_ATTEMPTS) {
      this.#lost.given_up++
      this.#logger.warn({ ...fields, reason }, 'an event was given up: its receiver did not take it')
      return await failDelivery(this.#sql, receiver, { eventId: event.id, ms: null, reason })
    }
    const times = attempt === 1 ? this.#untaken.occur(receiverId(receiver), performance.now()) : 0
    if (times > 0) this.#logger.warn({ ...fields, reason, times }, 'an event was not taken; trying again')
    const ms = backoffMs(attempt - 1, BACKOFF_MIN_MS, BACKOFF_MAX_MS, Math.random)
    await failDelivery(this.#sql, receiver, { eventId: event.id, ms, reason })
  }
}
