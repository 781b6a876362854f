import type { Clock } from '../lib/time/clock.ts'
import { Periodic, tellFailures } from '../lib/time/periodic.ts'
import { Seldom } from '../lib/time/seldom.ts'
import { StateLines } from '../lib/time/state-lines.ts'
import { until } from '../lib/time/sleep.ts'
import type { Reason } from '../model/outcome.ts'
import type { Route } from '../model/route.ts'
import type { AttemptEnd } from './attempt.ts'
import type { BreakerState } from '../upstream/health/circuit-breaker.ts'
import type { DeliveryStore, Lease, Letter } from './delivery-store.ts'
import { Look } from './look.ts'
import { isReceiverFailure, resultsOf, verdictOf } from './results.ts'
import { SafeCursor } from './safe-cursor.ts'
import { RouteQueue, type Batch } from './route-queue.ts'
import { SettleQueue } from './settle-queue.ts'

/** A process that is not heard for so long has lost its routes to others. */
const LEASE_MS = 10_000
const BEAT_MS = 1000
/** A lease is not believed for its last part: what is begun by then shall end within it. */
const LEASE_MARGIN_MS = 2000
/** Deliveries that another process accepted are seen after this long at most. */
const POLL_MS = 200
/** All that waits is looked for so often, wherever it lies: people put deliveries back. */
const SWEEP_MS = 2000
/** A look that was slow is not repeated at once: it gets so many times its duration. */
const POLL_REST = 10
/** Bytes of bodies of a route that are under way at once, beside the first. */
const MAX_ROUTE_BYTES = 8 * 1024 * 1024
/** What cannot be tried now for a reason of ours is looked at again after this long. */
const POSTPONED_MS = 5000

/** Why an attempt came to nothing before its receiver heard of it. */
const NOT_ASKED: ReadonlySet<Reason> = new Set(['breaker_open', 'queue_full', 'queue_timeout'])

/** Who makes the attempts. */
export interface Courier {
  /** Null when it may not be made now: the tenant is not served, or its log takes nothing. Never rejects. */
  deliver(route: Route, batch: Batch, letter: Letter): Promise<AttemptEnd | null>
}

export interface PostOfficeParts {
  /** Of this process life. */
  readonly member: string
  readonly store: DeliveryStore
  readonly courier: Courier
  readonly clock: Clock
  readonly random: () => number
  readonly log: {
    info(fields: object, message: string): void
    warn(fields: object, message: string): void
  }
}

/** A route that this process delivers for. */
interface Post {
  route: Route
  lease: Lease
  readonly queue: RouteQueue
  readonly cursor: SafeCursor
  bytes: number
  sweptAtMs: number
  /** False once another process may have it: nothing more is begun, and it is forgotten when nothing is under way. */
  isOurs: boolean
}

/** A route's figures, as its owner sees them. */
export interface PostStats {
  readonly route: string
  readonly held: number
  readonly underWay: number
  readonly breaker: BreakerState
}

/**
 * Delivers what routes have kept. Of all processes one at a time delivers for a route, the owner of its lease: so that order, the number of
 * attempts at once and the breaker are decided in one memory, and no look-up is needed per delivery. A process that dies loses its leases
 * after LEASE_MS, and what it has not reported is tried again by the next owner.
 */
export class PostOffice {
  readonly attempts = { delivered: 0, failed: 0 }
  readonly #parts: PostOfficeParts
  readonly #posts = new Map<string, Post>()
  readonly #beats: Periodic
  readonly #polls: Periodic
  readonly #settles: SettleQueue
  readonly #seldom = new Seldom()
  readonly #lines: StateLines
  #routes = new Map<string, Route>()
  #cancelWake = (): void => {}
  #underWay = 0
  #isStopping = false
  /** Until then the leases hold, by the monotonic clock. */
  #leasedUntilTick = 0

  constructor(parts: PostOfficeParts) {
    this.#parts = parts
    const { clock, log } = parts
    this.#lines = new StateLines(clock)
    this.#settles = new SettleQueue(parts.store, parts.member, clock, log)
    this.#beats = new Periodic({
      run: () => this.#beat(),
      intervalMs: BEAT_MS,
      pace: 'rest',
      clock,
      ...tellFailures(log, {
        failed: 'deliveries: leases cannot be renewed',
        well: 'deliveries: leases are renewed again',
      }),
    })
    this.#polls = new Periodic({
      run: () => this.#poll(),
      intervalMs: POLL_MS,
      pace: 'rest',
      clock,
      ...tellFailures(log, {
        failed: 'deliveries: what waits cannot be read',
        well: 'deliveries: what waits can be read again',
      }),
    })
  }

  /** Takes over what a reload may change. */
  apply(routes: readonly Route[]): void {
    this.#routes = new Map(
      routes.filter(({ delivery }) => delivery !== null).map((route) => [route.name, route]),
    )
    for (const [name, post] of this.#posts) {
      const route = this.#routes.get(name)
      if (route === undefined || route.delivery === null) continue
      post.route = route
      post.queue.rules = route.delivery.deliver
    }
  }

  start(): void {
    this.#beats.start(0)
    this.#polls.start()
  }

  /** Something of a route was stored by this process. */
  noteStored(): void {
    this.#polls.kick()
  }

  /** Begins no attempt any more; those under way may end within `ms`, and their results are noted. */
  async stop(ms: number): Promise<void> {
    this.#isStopping = true
    this.#cancelWake()
    const { clock } = this.#parts
    const untilMs = clock.nowMs() + ms
    await Promise.all([this.#beats.stop(ms), this.#polls.stop(ms)])
    await until(() => this.#underWay === 0, { everyMs: 20, ms, clock })
    await this.#settles.stop(Math.max(0, untilMs - clock.nowMs()))
    this.#posts.clear()
  }

  get stats(): PostStats[] {
    return [...this.#posts.values()].map(({ route, queue }) => ({
      route: route.name,
      held: queue.size,
      underWay: queue.busy,
      breaker: queue.breaker.state,
    }))
  }

  async #beat(): Promise<void> {
    const names = [...this.#routes.keys()]
    if (names.length === 0 && this.#posts.size === 0) return
    const { store, member } = this.#parts
    const askedTick = performance.now()
    const leases = await store.beat(member, names, LEASE_MS)
    this.#leasedUntilTick = askedTick + LEASE_MS - LEASE_MARGIN_MS
    const held = new Map(leases.map((lease) => [lease.route, lease]))
    for (const [name, post] of this.#posts) {
      // One that was lost meanwhile begins anew, if it is ours again: others may have delivered of it.
      post.isOurs = held.get(name)?.epoch === post.lease.epoch
      if (post.isOurs) continue
      if (post.queue.busy === 0) this.#posts.delete(name)
      else held.delete(name)
    }
    const surplus: string[] = []
    for (const lease of held.values()) {
      const post = this.#posts.get(lease.route)
      if (post !== undefined) post.lease = lease
      if (lease.isSurplus && (post === undefined || post.queue.busy === 0)) surplus.push(lease.route)
      else if (post === undefined) this.#open(lease)
    }
    if (surplus.length > 0) await this.#release(surplus)
    this.#polls.kick()
  }

  #open(lease: Lease): void {
    const route = this.#routes.get(lease.route)
    if (route === undefined || route.delivery === null) return
    const queue = new RouteQueue(route.delivery.deliver, (state) => this.#tellBreaker(route.name, state))
    const cursor = new SafeCursor()
    this.#posts.set(route.name, { route, lease, queue, cursor, bytes: 0, sweptAtMs: 0, isOurs: true })
  }

  /** Those of which something may be begun. */
  #working(): Post[] {
    return [...this.#posts.values()].filter(({ isOurs, lease }) => isOurs && !lease.isSurplus)
  }

  async #release(names: readonly string[]): Promise<void> {
    for (const name of names) this.#posts.delete(name)
    await this.#parts.store.release(this.#parts.member, names)
  }

  /** Reads what is new of the routes that have room, and what lies behind. */
  async #poll(): Promise<number> {
    const { store, clock } = this.#parts
    const nowMs = clock.nowMs()
    const posts = this.#working().filter(({ queue }) => queue.room > 0)
    if (posts.length === 0) return POLL_MS
    const looks = new Map(posts.map((post) => [post.route.name, lookAt(post, nowMs)]))
    const begun = performance.now()
    let tick = begun
    try {
      const found = await store.waiting([...looks.values()].map(({ asked }) => asked))
      tick = performance.now()
      for (const { route, item } of found) looks.get(route)?.found(item, tick)
    } catch (error) {
      for (const look of looks.values()) look.fail()
      throw error
    }
    for (const look of looks.values()) look.end()
    this.#pump()
    return Math.max(POLL_MS, (tick - begun) * POLL_REST)
  }

  /** Begins all attempts that may begin now. */
  #pump(): void {
    const tick = performance.now()
    if (this.#isStopping || tick > this.#leasedUntilTick) return
    const begun: { post: Post; batch: Batch }[] = []
    for (const post of this.#working()) {
      while (post.bytes === 0 || post.bytes < MAX_ROUTE_BYTES) {
        const batch = post.queue.next(tick)
        if (batch === null) break
        post.bytes += batch.item.bodyBytes
        begun.push({ post, batch })
      }
    }
    if (begun.length > 0) void this.#send(begun)
    this.#wakeLater(tick)
  }

  #wakeLater(tick: number): void {
    this.#cancelWake()
    let inMs = Infinity
    for (const { queue } of this.#working()) inMs = Math.min(inMs, queue.dueInMs(tick))
    this.#cancelWake =
      inMs === Infinity
        ? (): void => {}
        : this.#parts.clock.later(Math.max(1, Math.ceil(inMs)), () => this.#pump())
  }

  async #send(begun: readonly { post: Post; batch: Batch }[]): Promise<void> {
    this.#underWay += begun.length
    let letters: ReadonlyMap<string, Letter> | null = null
    try {
      const found = await this.#parts.store.letters(begun.map(({ batch }) => batch.item))
      letters = new Map(found.map((letter) => [letter.id, letter]))
    } catch (error) {
      const times = this.#seldom.occur('letters', performance.now())
      if (times > 0) this.#parts.log.warn({ err: error, times }, 'deliveries: bodies cannot be read')
    }
    for (const { post, batch } of begun) {
      const letter = letters?.get(batch.item.id)
      if (letter !== undefined) void this.#deliver(post, batch, letter)
      else if (letters === null) this.#postpone(post, batch)
      // Somebody has decided on it meanwhile.
      else this.#skip(post, batch)
    }
  }

  async #deliver(post: Post, batch: Batch, letter: Letter): Promise<void> {
    const end = await this.#parts.courier.deliver(post.route, batch, letter)
    const rules = post.route.delivery?.deliver
    // Where the receiver was not asked no attempt is used up.
    if (end === null || rules === undefined || (end.reason !== null && NOT_ASKED.has(end.reason))) {
      this.#postpone(post, batch)
      return
    }
    this.#count(post, end)
    const verdict = verdictOf(end, batch.attempt, rules, this.#parts.random)
    const isTaken = await this.#settles.add(resultsOf(batch, post.lease, end, verdict))
    // Another has the route: what is behind this one is not ours either.
    if (!isTaken) post.isOurs = false
    const isGone = !isTaken || verdict.state !== 'waiting'
    this.#finish(post, batch, isGone ? 'gone' : { delayMs: verdict.delayMs, isMade: true })
  }

  #postpone(post: Post, batch: Batch): void {
    post.queue.breaker.abandoned(performance.now())
    this.#finish(post, batch, { delayMs: POSTPONED_MS, isMade: false })
  }

  /** Of several that were to become one call only the one that is gone: the others are tried without it. */
  #skip(post: Post, batch: Batch): void {
    post.queue.breaker.abandoned(performance.now())
    this.#finish(post, { ...batch, all: [batch.item] }, 'gone')
  }

  #count({ queue: { breaker } }: Post, end: AttemptEnd): void {
    if (end.reason === null) this.attempts.delivered++
    else this.attempts.failed++
    if (isReceiverFailure(end)) breaker.failed(performance.now())
    else breaker.succeeded(performance.now())
  }

  #tellBreaker(route: string, state: BreakerState): void {
    const { log } = this.#parts
    if (state === 'half_open') return
    this.#lines.note(route, state, (times) => {
      const fields = { route, ...(times > 1 ? { times } : {}) }
      if (state === 'closed') log.info(fields, 'deliveries: the receiver is well again')
      else log.warn(fields, 'deliveries: the receiver fails; it is left alone for a while')
    })
  }

  #finish(post: Post, batch: Batch, ending: Parameters<RouteQueue['end']>[1]): void {
    this.#underWay--
    post.bytes -= batch.item.bodyBytes
    post.queue.end(batch, ending, performance.now())
    if (post.queue.hasGaps) this.#polls.kick()
    this.#pump()
  }
}

/** At what is new, or now and then at all. */
function lookAt(post: Post, nowMs: number): Look {
  const { route, queue, cursor } = post
  const afterSeq = cursor.after(queue.lastSeq, nowMs)
  const isSweep = queue.hasGaps || nowMs - post.sweptAtMs > SWEEP_MS
  if (isSweep) post.sweptAtMs = nowMs
  return new Look(route.name, queue, isSweep ? 0 : afterSeq)
}
