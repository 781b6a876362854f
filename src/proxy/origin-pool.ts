import { Ring } from '../lib/ring.ts'
import type { Route } from '../model/route.ts'
import { UpstreamConnection, type ConnectionOwner } from './upstream-connection.ts'
import type { Dispatched, ResponseReceiver, UpstreamRequest } from './upstream-request.ts'
import { upstreamTarget, type UpstreamTarget } from './upstream-socket.ts'

interface Waiting {
  readonly request: UpstreamRequest
  readonly receiver: ResponseReceiver
  hasLeft: boolean
}

/** Already on a connection: there is no queue to leave. */
const ON_ITS_WAY: Dispatched = { leave: () => false }
/** How often idle connections are looked at; their time is also held against each request that takes one. */
const SWEEP_MS = 1000

/**
 * Connections to one upstream origin for one route: at most `maxConnections`, kept alive, one request at a time on each; at most
 * `maxQueued` requests wait for a free one, first come first served. Of the idle ones the last used is taken first, so that
 * those too many run out.
 */
export class OriginPool implements ConnectionOwner {
  readonly #target: UpstreamTarget
  readonly #waiting: Ring<Waiting>
  readonly #open = new Set<UpstreamConnection>()
  readonly #idle: UpstreamConnection[] = []
  readonly #maxConnections: number
  #sweeper: NodeJS.Timeout | null = null
  #queued = 0
  #running = 0
  #onEmpty: () => void = () => {}
  /** Takes no new requests. */
  isClosing = false
  /** Monotonic milliseconds of the last request. */
  usedTick = 0

  constructor(origin: string, route: Route) {
    this.#maxConnections = route.maxConnections
    this.#waiting = new Ring(Math.max(1, route.maxQueued))
    this.#target = upstreamTarget(origin, route.connectTimeoutMs)
  }

  get busy(): number {
    return this.#running
  }

  get idle(): number {
    return this.#idle.length
  }

  get queued(): number {
    return this.#queued
  }

  /** Sends the request now or queues it; null when the queue is full. */
  dispatch(request: UpstreamRequest, receiver: ResponseReceiver, maxQueued: number): Dispatched | null {
    if (this.#running < this.#maxConnections) {
      this.#send(request, receiver)
      return ON_ITS_WAY
    }
    if (this.#queued >= maxQueued) return null
    const waiting: Waiting = { request, receiver, hasLeft: false }
    if (!this.#waiting.push(waiting)) {
      this.#sweepLeft()
      if (!this.#waiting.push(waiting)) return null
    }
    this.#queued++
    return { leave: () => this.#leave(waiting) }
  }

  /** Ends idle connections, and the others when the requests that are on them, or wait, have ended. */
  close(): void {
    this.isClosing = true
    this.#endIdle(Infinity)
  }

  /** Breaks every connection off; resolves when all have closed. */
  destroy(): Promise<void> {
    this.isClosing = true
    for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift())
      next.hasLeft = true
    this.#queued = 0
    for (const connection of this.#open) connection.destroy()
    if (this.#open.size === 0) return Promise.resolve()
    return new Promise((resolve) => {
      this.#onEmpty = resolve
    })
  }

  /** See ConnectionOwner: the connection goes to who waits longest. */
  onFree(connection: UpstreamConnection, isReusable: boolean): void {
    this.#running--
    let next = this.#waiting.shift()
    while (next !== undefined && next.hasLeft) next = this.#waiting.shift()
    if (next !== undefined) {
      next.hasLeft = true
      this.#queued--
      this.#running++
      const taken = isReusable ? connection : this.#connect()
      taken.send(next.request, next.receiver)
      return
    }
    if (!isReusable) return
    if (this.isClosing) {
      connection.destroy()
      return
    }
    this.#idle.push(connection)
    this.#sweeper ??= setInterval(() => this.#sweep(), SWEEP_MS).unref()
  }

  /** See ConnectionOwner. */
  onLost(connection: UpstreamConnection): void {
    const at = this.#idle.lastIndexOf(connection)
    if (at !== -1) this.#idle.splice(at, 1)
  }

  /** See ConnectionOwner. */
  onClose(connection: UpstreamConnection): void {
    this.#open.delete(connection)
    if (this.#open.size === 0) this.#onEmpty()
  }

  #leave(waiting: Waiting): boolean {
    if (waiting.hasLeft) return false
    waiting.hasLeft = true
    this.#queued--
    return true
  }

  /** Those who left stay in the ring until their turn; when they fill it, they are taken out. */
  #sweepLeft(): void {
    for (let i = this.#waiting.size; i > 0; i--) {
      const waiting = this.#waiting.shift()
      if (waiting !== undefined && !waiting.hasLeft) this.#waiting.push(waiting)
    }
  }

  #send(request: UpstreamRequest, receiver: ResponseReceiver): void {
    this.#running++
    this.#take().send(request, receiver)
  }

  #take(): UpstreamConnection {
    const connection = this.#idle.at(-1)
    if (connection === undefined) return this.#connect()
    if (connection.idleUntilTick < this.usedTick) {
      connection.destroy() // and leaves the list
      return this.#take()
    }
    this.#idle.pop()
    return connection
  }

  #connect(): UpstreamConnection {
    const connection = new UpstreamConnection(this.#target, this)
    this.#open.add(connection)
    return connection
  }

  #sweep(): void {
    this.#endIdle(performance.now())
    if (this.#idle.length > 0 || this.#sweeper === null) return
    clearInterval(this.#sweeper)
    this.#sweeper = null
  }

  /** Ends connections that may be idle no longer than until `tick`. */
  #endIdle(tick: number): void {
    for (const connection of this.#idle.slice()) if (connection.idleUntilTick < tick) connection.destroy()
  }
}
