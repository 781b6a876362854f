import { IdleConnections } from './idle-connections.ts'
import { HeldPlace, PlaceClaim, RequestClaim } from './pool/claims.ts'
import { Places, type Claim, type Holder } from './places.ts'
import { slowest, type MarkedTransfer, type SlowRule, type Transfer } from './slow-transfers.ts'
import { UpstreamConnection, type ConnectionOwner } from './connection.ts'
import type { Dispatcher } from './dispatcher.ts'
import { QueueFullError, UpstreamOpenError } from './failure.ts'
import type { AddressHealth, AddressLoad } from './health/address-health.ts'
import type { FailureKind } from '../model/upstream/health-rules.ts'
import {
  NOT_QUEUED,
  type Destination,
  type Dispatched,
  type ResponseReceiver,
  type UpstreamRequest,
} from './request.ts'
import { upstreamTarget, type UpstreamTarget } from './socket.ts'

/** What holds for all pools; milliseconds, and bytes per second. */
export interface PoolOptions {
  /** A kept connection takes no further request after this, less up to a fifth. */
  readonly maxAgeMs: number
  /** How long a connection that one holder had rests before another gets it. */
  readonly restMs: number
  /** While others wait, a transfer has to move so many bytes per second, over so long; 0 for no least rate. */
  readonly slowBytesPerSecond: number
  readonly slowAfterMs: number
}

export const DEFAULT_POOL_OPTIONS: PoolOptions = {
  maxAgeMs: 60_000,
  restMs: 200,
  slowBytesPerSecond: 16_384,
  slowAfterMs: 5000,
}

/** Who takes a place without a connection of the pool's: a tunnel, which has its own for good. */
export interface PlaceTaker extends Transfer {
  /** The place is taken; `release` is owed. */
  onPlace(place: Place): void
  /** There is no place, and none to wait for (any more). */
  onRefused(error: NodeJS.ErrnoException): void
}

/** A place that a taker has. */
export interface Place {
  readonly target: UpstreamTarget
  /** The taker's request was answered. */
  answered(status: number): void
  /** The taker's request ended without an answer. */
  failed(error: NodeJS.ErrnoException): void
  /** Gives it back. A second call does nothing. */
  release(): void
}

/** One for all: an overload refuses thousands a second, and a stack for each would be most of the cost. */
const QUEUE_FULL = new QueueFullError()
/** How often idle connections, and the transfers that others wait for, are looked at. */
const SWEEP_MS = 500
/**
 * Connections that may be replaced at once, and per second, because they have not rested and no other is free. Beyond that they are
 * lent all the same, but for those that are suspect: a connection for each request would cost more than it protects.
 */
const REPLACEMENTS = 32
/** So much less than `maxAgeMs` a connection may live, so that not all of them are renewed at once. */
const AGE_JITTER = 0.2

/**
 * Connections to one upstream origin for one route: at most `maxConnections`, kept alive, one request at a time on each; at most
 * `maxQueued` requests wait for a free one, round by holder (see Places). Tunnels take places too.
 *
 * A holder gets the connection that it had last, at once. Another holder gets one that has rested, so that what an upstream in error
 * sends after its answer is nobody else's answer (RFC 9112 §9.2); else a new one.
 */
export class OriginPool implements ConnectionOwner, Dispatcher, AddressLoad {
  readonly #target: UpstreamTarget
  readonly #options: PoolOptions
  readonly #slowRule: SlowRule
  readonly #places: Places
  readonly #open = new Set<UpstreamConnection>()
  readonly #tunnels = new Set<HeldPlace>()
  readonly #idle = new IdleConnections()
  readonly #maxConnections: number
  /** What is known of the address; null where nothing is to be. */
  readonly health: AddressHealth | null
  #sweeper: NodeJS.Timeout | null = null
  #replacements = REPLACEMENTS
  /** The upstream has sent what nobody asked for: its connections stay with whom they are. */
  #hasStrayed = false
  #onEmpty: () => void = () => {}
  /** Takes no new requests. */
  isClosing = false
  /** Monotonic milliseconds of the last request. */
  usedTick = 0

  constructor(
    to: Pick<Destination, 'route' | 'origin' | 'standing'>,
    options: PoolOptions,
    health: AddressHealth | null = null,
  ) {
    const { route } = to
    this.health = health
    if (health !== null) health.load = this
    this.#maxConnections = route.maxConnections
    this.#options = options
    this.#slowRule = {
      bytesPerSecond: options.slowBytesPerSecond,
      // Well before those who wait have waited too long.
      afterMs: Math.min(options.slowAfterMs, route.headerTimeoutMs / 4),
    }
    this.#places = new Places(route.maxConnections, route.maxQueued)
    this.#target = upstreamTarget(to)
  }

  get busy(): number {
    return this.#places.running
  }

  get idle(): number {
    return this.#idle.size
  }

  get queued(): number {
    return this.#places.queued
  }

  /** See Dispatcher. */
  dispatch(request: UpstreamRequest, receiver: ResponseReceiver): Dispatched {
    if (this.health !== null && !this.health.isPassable(request.tick)) {
      receiver.onError(new UpstreamOpenError(this.health.waitMs(request.tick)), false)
      return NOT_QUEUED
    }
    const holder = this.#places.holder(request.holder)
    if (this.#places.tryTake(holder)) {
      this.health?.canTry(request.tick)
      this.#take(holder, request.tick).send(request, receiver)
      return NOT_QUEUED
    }
    return this.#enqueue(new RequestClaim(holder, this, request, receiver))
  }

  /** Takes a place for a tunnel, now or later. */
  reserve(to: Destination, taker: PlaceTaker): Dispatched {
    if (this.health !== null && !this.health.isPassable(to.tick)) {
      taker.onRefused(new UpstreamOpenError(this.health.waitMs(to.tick)))
      return NOT_QUEUED
    }
    const holder = this.#places.holder(to.holder)
    if (this.#places.tryTake(holder)) {
      this.health?.canTry(to.tick)
      this.hold(holder, taker)
      return NOT_QUEUED
    }
    return this.#enqueue(new PlaceClaim(holder, to.tick, this, taker))
  }

  /** Ends idle connections, and the others when the requests that are on them, or wait, have ended. */
  close(): void {
    this.isClosing = true
    for (const connection of this.#idle) connection.destroy()
  }

  /** Breaks every connection off; resolves when all have closed. */
  destroy(): Promise<void> {
    this.isClosing = true
    for (const holder of this.#places.holders) {
      for (let claim = holder.first; claim !== null; claim = holder.first) this.#places.leave(claim)
    }
    this.#stopSweeping()
    for (const connection of this.#open) connection.destroy()
    if (this.#open.size === 0) return Promise.resolve()
    return new Promise((resolve) => {
      this.#onEmpty = resolve
    })
  }

  /** See ConnectionOwner: the place goes to who has waited, round by holder. */
  onFree(connection: UpstreamConnection, isReusable: boolean): void {
    this.#places.release(connection.holder)
    if (isReusable) this.#idle.add(connection)
    this.#serve()
    if (this.isClosing && connection.isIdle) connection.destroy()
    if (this.#idle.size > 0) this.#startSweeping()
  }

  /** See ConnectionOwner. */
  onLost(connection: UpstreamConnection): void {
    this.#idle.remove(connection)
  }

  /** See ConnectionOwner. */
  onStray(): void {
    this.#hasStrayed = true
  }

  /** See ConnectionOwner. */
  onAnswer(status: number, tick: number): void {
    // `tick` is that of the sending. What is left alone is so from the answer on, which may be long after; for the rest no clock is read.
    this.health?.answered(status, status < 400 ? tick : performance.now())
  }

  /** See ConnectionOwner. */
  onFault(kind: FailureKind | null): void {
    if (this.health === null) return
    if (kind === null) this.health.abandoned(performance.now())
    else this.health.failed(kind, performance.now())
  }

  /** See ConnectionOwner. */
  onClose(connection: UpstreamConnection): void {
    this.#open.delete(connection)
    if (this.#open.size === 0) this.#onEmpty()
  }

  /** Sends a request whose place has been taken. */
  send(holder: Holder, request: UpstreamRequest, receiver: ResponseReceiver): void {
    this.#take(holder, performance.now()).send(request, receiver)
  }

  /** Hands a place that has been taken to a taker. */
  hold(holder: Holder, taker: PlaceTaker): void {
    const place = new HeldPlace(this, this.#target, holder, taker, (held) => {
      if (!this.#tunnels.delete(held)) return
      this.#places.release(holder)
      this.#serve()
    })
    this.#tunnels.add(place)
    taker.onPlace(place)
  }

  #enqueue(claim: Claim): Dispatched {
    if (!this.#places.enqueue(claim)) {
      claim.refuse(QUEUE_FULL)
      return NOT_QUEUED
    }
    this.#startSweeping()
    return { leave: () => this.#places.leave(claim) }
  }

  #serve(): void {
    const { health } = this
    for (let claim = this.#places.next(); claim !== null; claim = this.#places.next()) {
      const now = health === null ? 0 : performance.now()
      if (health === null || health.canTry(now)) claim.take()
      else {
        this.#places.release(claim.holder)
        claim.refuse(new UpstreamOpenError(health.waitMs(now)))
      }
    }
  }

  /** A connection for a holder: its own, one that has rested, or a new one. */
  #take(holder: Holder, tick: number): UpstreamConnection {
    const connection = this.#choose(holder, tick) ?? this.#connect(holder)
    this.#idle.remove(connection)
    connection.holder = holder
    connection.mark.reset(tick)
    return connection
  }

  #choose(holder: Holder, tick: number): UpstreamConnection | null {
    let own = this.#idle.ofHolder(holder)
    while (own !== null && own.idleUntilTick < tick) {
      own.destroy() // and leaves the list
      own = this.#idle.ofHolder(holder)
    }
    if (own !== null) return own
    let { oldest } = this.#idle
    while (oldest !== null && oldest.idleUntilTick < tick) {
      oldest.destroy()
      oldest = this.#idle.oldest
    }
    if (oldest === null) return null
    if (!this.#hasStrayed && tick - oldest.idleSinceTick >= this.#options.restMs) return oldest
    // The place is counted already.
    if (this.#places.running + this.#idle.size <= this.#maxConnections) return null
    if (!this.#hasStrayed && !oldest.isSuspect && this.#replacements < 1) return oldest
    this.#replacements--
    oldest.destroy()
    return null
  }

  #connect(holder: Holder): UpstreamConnection {
    const ageMs = this.#options.maxAgeMs * (1 - AGE_JITTER * Math.random())
    const connection = new UpstreamConnection(this.#target, this, holder, performance.now() + ageMs)
    this.#open.add(connection)
    return connection
  }

  #startSweeping(): void {
    this.#sweeper ??= setInterval(() => this.#sweep(performance.now()), SWEEP_MS).unref()
  }

  #stopSweeping(): void {
    if (this.#sweeper !== null) clearInterval(this.#sweeper)
    this.#sweeper = null
  }

  #sweep(tick: number): void {
    this.#replacements = Math.min(
      REPLACEMENTS,
      Math.max(0, this.#replacements) + (REPLACEMENTS * SWEEP_MS) / 1000,
    )
    for (const connection of this.#idle) {
      const { address } = connection
      const isCurrent = address === null || this.#target.names.leadsTo(this.#target.hostname, address)
      if (connection.idleUntilTick < tick || !isCurrent) connection.destroy()
    }
    if (this.#places.queued > 0) this.#makeRoom(tick)
    if (this.#idle.size === 0 && this.#places.queued === 0) this.#stopSweeping()
  }

  /** One who has less than an equal share waits: the slowest transfer of one who has more gives way. */
  #makeRoom(tick: number): void {
    const fair = this.#places.fairShare
    let hungry = 0
    let greediest: Holder | null = null
    for (const holder of this.#places.holders) {
      const { first } = holder
      const isHungry = first !== null && holder.busy + 1 <= Math.max(1, fair)
      if (isHungry && tick - first.sinceTick >= SWEEP_MS) hungry++
      if (holder.busy > fair && (greediest === null || holder.busy > greediest.busy)) greediest = holder
    }
    if (hungry === 0 || greediest === null) return
    const spare = Math.max(1, Math.floor(greediest.busy - fair))
    for (const transfer of slowest(
      this.#transfersOf(greediest),
      Math.min(hungry, spare),
      this.#slowRule,
      tick,
    )) {
      transfer.giveWay()
    }
  }

  *#transfersOf(holder: Holder): Iterable<MarkedTransfer> {
    for (const { receiver, mark, holder: owner } of this.#open) {
      if (owner !== holder || receiver === null) continue
      yield { mark, transfer: receiver }
    }
    for (const { taker, mark, holder: owner } of this.#tunnels) {
      if (owner === holder) yield { mark, transfer: taker }
    }
  }
}
