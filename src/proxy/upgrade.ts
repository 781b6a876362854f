import type { ClientRequest as HandshakeRequest, IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import httpProxy from 'http-proxy'
import type { Dispatcher } from '../upstream/dispatcher.ts'
import { UpstreamClosedError } from '../upstream/failure.ts'
import type { Place, PlaceTaker } from '../upstream/origin-pool.ts'
import type { UpstreamPools } from '../upstream/pools.ts'
import { hostOf } from '../model/upstream/upstream-place.ts'
import {
  NOT_QUEUED,
  type Dispatched,
  type ResponseReceiver,
  type ResponseSource,
  type UpstreamRequest,
} from '../upstream/request.ts'
import { TunnelAgent } from '../upstream/tunnel-agent.ts'
import type { TunnelStart } from './exchange/client.ts'
import type { Exchange } from './exchange/exchange.ts'
import { clientHeaders } from './headers/headers.ts'
import type { ProxyCounters } from './stats.ts'
import { Tunnel } from './tunnel.ts'

/** A handshake is sent once. */
const NONE_TRIED: ReadonlySet<string> = new Set()

/** What tunnels are made from. */
export interface UpgraderOwner {
  readonly pools: UpstreamPools
  readonly counters: ProxyCounters
  readonly isDraining: boolean
}

/** Makes handshakes, and knows the tunnels that came of them. */
export class Upgrader {
  readonly #owner: UpgraderOwner
  readonly #tunnels = new Set<Tunnel>()

  constructor(owner: UpgraderOwner) {
    this.#owner = owner
  }

  /** Sends the exchange's handshake, once. */
  dispatcherOf(exchange: Exchange, start: TunnelStart): Dispatcher {
    return new Handshake(exchange, start, this)
  }

  /** Breaks every tunnel off: a drain does not wait for a chat to end. */
  destroyAll(): void {
    for (const tunnel of this.#tunnels) tunnel.socket.destroy()
  }

  get pools(): UpstreamPools {
    return this.#owner.pools
  }

  opened(tunnel: Tunnel): void {
    this.#owner.counters.upgradesOpen++
    this.#tunnels.add(tunnel)
    // Its handshake was under way when the drain began.
    if (this.#owner.isDraining) tunnel.socket.destroy()
  }

  closed(tunnel: Tunnel): void {
    this.#owner.counters.upgradesOpen--
    this.#tunnels.delete(tunnel)
  }
}

/**
 * A WebSocket handshake (RFC 6455 §4) through http-proxy, dispatched as any request is: it waits for a place among its route's
 * connections, and an answer that is no 101, or none, is its receiver's. With a 101 the exchange becomes a tunnel. Any other Upgrade,
 * `h2c` first of all, is ignored by the listener (docs/decisions/0003).
 *
 *     dispatch ──► queued ──place──► asked ──101──► tunnel          the receiver hears of all that is not in the tunnel
 *                     └──refused       └──other──► answered
 *
 * http-proxy 1.18 has known faults, each met here: it lets the client's reset in the handshake crash the process (the listener
 * listens for errors before), relays a refusal's body without its framing (the receiver does that), passes on hop-by-hop fields (both
 * header lists are replaced), and keeps the upstream's half open when the client is reset (closed here).
 */
class Handshake implements Dispatcher, PlaceTaker, ResponseSource {
  readonly isUpstream = true
  readonly #exchange: Exchange
  readonly #start: TunnelStart
  readonly #upgrader: Upgrader
  readonly #socket: Socket
  #request: UpstreamRequest | null = null
  #receiver: ResponseReceiver | null = null
  #asked: HandshakeRequest | null = null
  #response: IncomingMessage | null = null
  #tunnel: Tunnel | null = null
  #place: Place | null = null

  constructor(exchange: Exchange, start: TunnelStart, upgrader: Upgrader) {
    this.#exchange = exchange
    this.#start = start
    this.#upgrader = upgrader
    this.#socket = exchange.connection.socket
  }

  /** See Dispatcher. */
  dispatch(request: UpstreamRequest, receiver: ResponseReceiver): Dispatched {
    this.#receiver = receiver
    const { pools } = this.#upgrader
    const origin = pools.originFor(request, NONE_TRIED)
    if (origin instanceof Error) {
      receiver.onError(origin, false)
      return NOT_QUEUED
    }
    this.#request = origin === request.origin ? request : { ...request, origin }
    this.#exchange.upstream = hostOf(origin)
    return pools.reserve(this.#request, this)
  }

  /** See PlaceTaker. However the handshake or the tunnel ends, the place is needed until its connection has ended. */
  onPlace(place: Place): void {
    const request = this.#request
    if (request === null || this.#receiver?.onConnect(this) !== true) {
      place.release()
      return
    }
    this.#place = place
    this.#socket.once('close', () => place.release())
    const proxy = httpProxy.createProxyServer({ ws: true, xfwd: false })
    proxy.once('proxyReqWs', (asked: HandshakeRequest) => {
      this.#asked = asked
      asked.path = request.path // http-proxy re-joins paths and would fold slashes
      asked.once('close', () => {
        if (this.#tunnel === null) place.release()
      })
      // Before http-proxy's own listener, which writes the head to the client.
      asked.once('upgrade', (response, upstreamSocket: Socket) => this.#onUpgraded(response, upstreamSocket))
    })
    const { method, path: url } = request
    const headers = toHeaderObject([...request.headers, 'host', request.host ?? place.target.host])
    Object.assign(headers, { connection: 'Upgrade', upgrade: 'websocket' })
    const options = {
      target: new URL(request.origin),
      toProxy: true,
      prependPath: false,
      agent: new TunnelAgent(place.target),
    }
    // All that http-proxy reads of a request.
    const message = { method, url, headers } as unknown as IncomingMessage
    proxy.ws(message, this.#socket, this.#start.head, options, (error) => this.#onError(error))
    this.#asked?.removeAllListeners('response')
    this.#asked?.once('response', (response) => this.#onResponse(response))
  }

  /** See PlaceTaker. */
  onRefused(error: NodeJS.ErrnoException): void {
    this.#receiver?.onError(error, false)
  }

  /** See Transfer. */
  moved(): number {
    return (this.#tunnel ?? this.#receiver)?.moved() ?? -1
  }

  /** See Transfer. */
  movingSince(): number {
    return (this.#tunnel ?? this.#receiver)?.movingSince() ?? 0
  }

  /** See Transfer. */
  giveWay(): void {
    ;(this.#tunnel ?? this.#receiver)?.giveWay()
  }

  /** See ResponseSource. */
  resume(): void {
    this.#response?.resume()
  }

  /** See ResponseSource: Node's buffers are not used again. */
  hold(bytes: Buffer): Buffer {
    return bytes
  }

  /** See ResponseSource. */
  abort(error: Error): void {
    this.#asked?.destroy(error)
  }

  #onError(error: NodeJS.ErrnoException): void {
    if (this.#tunnel === null) {
      this.#place?.failed(error)
      this.#receiver?.onError(error, false)
    } else this.#tunnel.fail(error)
  }

  /** An answer that is no 101. */
  #onResponse(response: IncomingMessage): void {
    const receiver = this.#receiver
    if (receiver === null) return
    this.#response = response
    this.#place?.answered(response.statusCode ?? 502)
    receiver.onHeaders(response.statusCode ?? 502, response.rawHeaders, response.statusMessage ?? '')
    receiver.onPause()
    response.on('data', (bytes: Buffer) => {
      if (!receiver.onData(bytes, false)) response.pause()
      receiver.onPause()
    })
    response.once('end', () => receiver.onEnd(response.rawTrailers, false))
    response.on('error', () => {}) // 'close' follows
    response.once('close', () => {
      if (!response.complete) receiver.onError(new UpstreamClosedError(), false)
    })
  }

  #onUpgraded(response: IncomingMessage, upstreamSocket: Socket): void {
    const { fields } = clientHeaders(response.rawHeaders, 200)
    const kept = toHeaderObject([...fields, 'X-Request-Id', this.#exchange.requestId])
    response.headers = { ...kept, connection: 'Upgrade', upgrade: 'websocket' }
    const tunnel = new Tunnel(this.#exchange, upstreamSocket, this.#start)
    this.#tunnel = tunnel
    this.#place?.answered(101)
    this.#upgrader.opened(tunnel)
    // First among the listeners: the one that closes the exchange needs the counts.
    this.#socket.prependOnceListener('close', () => {
      tunnel.count()
      this.#upgrader.closed(tunnel)
    })
  }
}

/** Flat list → the object that `http.request` takes: repeated fields become arrays. */
function toHeaderObject(fields: readonly string[]): Record<string, string | string[]> {
  const headers: Record<string, string | string[]> = {}
  for (let i = 0; i < fields.length; i += 2) {
    const name = (fields[i] ?? '').toLowerCase()
    const value = fields[i + 1] ?? ''
    const known = Object.hasOwn(headers, name) ? headers[name] : undefined
    if (known === undefined) headers[name] = value
    else if (Array.isArray(known)) known.push(value)
    else headers[name] = [known, value]
  }
  return headers
}
