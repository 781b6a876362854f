import type { ClientRequest as UpstreamClient, IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import httpProxy from 'http-proxy'
import type { Outcome, Reason } from '../model/outcome.ts'
import type { ClientRequest } from './exchange/client.ts'
import type { Connection } from './exchange/connection.ts'
import type { Refusal } from './decide/context.ts'
import { decide, decideLater } from './decide/decide.ts'
import type { Exchange } from './exchange/exchange.ts'
import type { Handler } from './handler.ts'
import { clientHeaders } from './headers/headers.ts'
import type { Place, PlaceTaker } from '../upstream/origin-pool.ts'
import { returnThroughRoute } from './headers/redirects.ts'
import { problemReply, writeReply } from './replies.ts'
import { TunnelAgent } from '../upstream/tunnel-agent.ts'
import { upstreamRequest } from './upstream-request.ts'
import { TunnelLimits } from './tunnel-limits.ts'
import type { UpstreamRequest } from '../upstream/request.ts'
import { upstreamFailure } from '../upstream/failure.ts'

/**
 * WebSocket (RFC 6455 §4) through http-proxy, with the same decision, header policy, limits and entry as a request. Any
 * other Upgrade, `h2c` first of all, is ignored by the listener (docs/decisions/0003).
 *
 * http-proxy 1.18 has known faults, each met here: it lets the client's reset in the handshake crash the process (an error
 * listener stands before it sees the socket), relays a refusal's body without its framing (this file does), passes on
 * hop-by-hop fields (both header lists are replaced), and keeps the upstream's half open when the client is reset (closed
 * here).
 */
export class Upgrader {
  readonly #handler: Handler
  readonly #proxy = httpProxy.createProxyServer({ ws: true, xfwd: false })
  readonly #tunnels = new Map<Exchange, Socket>()
  readonly #pending = new WeakMap<IncomingMessage, Handshake>()

  constructor(handler: Handler) {
    this.#handler = handler
    this.#proxy.on('proxyReqWs', (proxyReq, req, socket) => this.#onRequest(proxyReq, req, socket))
  }

  /** Takes over a connection whose client asked for a WebSocket. `head` is what arrived after the request's head. */
  upgrade(connection: Connection, req: UpgradeRequest, socket: Socket, head: Buffer): void {
    const handler = this.#handler
    const exchange = handler.open(connection, req, null)
    const readBefore = socket.bytesRead - head.length
    socket.on('error', () => {}) // 'close' follows and tells all that is needed
    socket.once('finish', () => {
      if (exchange.phase === 'upgraded') return
      // Answered, and no tunnel: what the client may still send is read and thrown away for a while.
      handler.close(exchange)
      connection.linger()
      socket.resume()
    })
    // First among the listeners: the one that records the exchange needs the count.
    socket.prependOnceListener('close', () => {
      if (exchange.phase === 'upgraded') exchange.bytesReceived = socket.bytesRead - readBefore
      handler.close(exchange)
    })
    // Pipelined: the answers before it come first (RFC 9112 §9.3.2), and what they decide, a limit or an end, holds for it.
    connection.afterOthers(exchange, () => {
      try {
        this.#decide(exchange, req, socket, head)
      } catch (error) {
        handler.report(error)
        this.failInternally(req, connection)
      }
    })
  }

  #decide(exchange: Exchange, req: UpgradeRequest, socket: Socket, head: Buffer): void {
    if (exchange.isClosed || !socket.writable) return
    const refusal = decide(exchange, this.#handler)
    const act = (final: Refusal | null): void => {
      if (final === null) {
        this.#reserve(exchange, req, socket, head)
        return
      }
      const reply = problemReply(final, exchange)
      answer(exchange, socket, final.outcome, final.reason, reply)
    }
    if (refusal?.limit?.mayCome !== true) {
      act(refusal)
      return
    }
    decideLater(exchange, this.#handler, act, (error) => {
      this.#handler.report(error)
      this.failInternally(req, exchange.connection)
    })
  }

  /** Answers a handshake that failed inside the gateway. */
  failInternally(req: UpgradeRequest, connection: Connection): void {
    for (const exchange of connection.open) {
      if (exchange.req !== req) continue
      exchange.carrier?.cancel()
      fail(exchange, connection.socket, 'internal', null)
    }
  }

  /** Breaks every tunnel off: a drain does not wait for a chat to end. */
  destroyAll(): void {
    for (const socket of this.#tunnels.values()) socket.destroy()
  }

  /** A tunnel takes a place among the connections of its route's upstream, and waits for one as a request does. */
  #reserve(exchange: Exchange, req: IncomingMessage, socket: Socket, head: Buffer): void {
    const request = upstreamRequest(exchange, this.#handler.via, null, performance.now())
    exchange.enter('queued', request.route.headerTimeoutMs, request.tick)
    const taker: PlaceTaker = {
      onPlace: (place) => {
        if (exchange.isClosed || exchange.status !== 0) {
          place.release()
          return
        }
        // The exchange may end in any way; the place is needed until its connection has.
        this.#connect(exchange, { req, socket, head, request, place })
      },
      onRefused: (error) => {
        const { outcome, reason } = upstreamFailure(error)
        fail(exchange, socket, outcome, reason)
      },
      moved: () => (exchange.phase === 'head' ? -1 : socket.bytesRead + socket.bytesWritten),
      movingSince: () => exchange.respondedTick,
      giveWay: () => {
        exchange.end('overloaded', 'gave_way')
        socket.destroy()
      },
    }
    const place = this.#handler.pools.reserve(request, taker)
    // Before that, `onPlace` may have been called already, and made another carrier.
    exchange.carrier ??= {
      cancel: () => void place.leave(),
      timeOut: () => {
        if (exchange.phase === 'queued') fail(exchange, socket, 'overloaded', 'queue_timeout')
      },
      stop: (outcome, reason) => fail(exchange, socket, outcome, reason),
    }
  }

  #connect(exchange: Exchange, parts: HandshakeParts): void {
    const { req, socket, head, request, place } = parts
    const { route, origin } = request
    const target = new URL(origin)
    req.headers = toHeaderObject([...request.headers, 'host', request.host ?? place.target.host])
    req.headers.connection = 'Upgrade'
    req.headers.upgrade = 'websocket'
    req.url = request.path
    const handshake: Handshake = { exchange, place, proxyReq: null }
    this.#pending.set(req, handshake)
    exchange.enter('head', route.headerTimeoutMs, performance.now())
    exchange.sentTick = performance.now()
    const options = { target, toProxy: true, prependPath: false, agent: new TunnelAgent(place.target) }
    this.#proxy.ws(req, socket, head, options, (error) => {
      const failure = upstreamFailure(error)
      if (exchange.phase === 'body') {
        cutRefusal(exchange, socket)
        return
      }
      if (exchange.phase === 'upgraded') exchange.end(failure.outcome, failure.reason)
      else fail(exchange, socket, failure.outcome, failure.reason)
      socket.destroySoon()
    })
    // http-proxy would write an answer that is no 101 without its framing.
    handshake.proxyReq?.removeAllListeners('response')
    handshake.proxyReq?.once('response', (response) => relayRefusal(exchange, socket, response))
  }

  /** http-proxy made the upstream request and has not sent it; listeners set here run before its own. */
  #onRequest(proxyReq: UpstreamClient, req: IncomingMessage, socket: Socket): void {
    const handshake = this.#pending.get(req)
    if (handshake === undefined) return
    handshake.proxyReq = proxyReq
    const { exchange, place } = handshake
    // However the handshake or the tunnel ends, its connection's end is the last of it.
    proxyReq.once('close', () => {
      if (exchange.phase !== 'upgraded') place.release()
    })
    socket.once('close', () => place.release())
    // Verbatim: http-proxy re-joins paths and would fold slashes.
    proxyReq.path = req.url ?? '/'
    exchange.carrier = {
      cancel: () => proxyReq.destroy(),
      timeOut: () => {
        fail(exchange, socket, 'upstream_timeout', 'response_timeout')
        proxyReq.destroy()
      },
      stop: (outcome, reason) => {
        fail(exchange, socket, outcome, reason)
        proxyReq.destroy()
      },
    }
    proxyReq.once('upgrade', (response, upstreamSocket: Socket) => {
      this.#onUpgraded(exchange, socket, response, upstreamSocket)
    })
  }

  #onUpgraded(exchange: Exchange, socket: Socket, response: IncomingMessage, upstreamSocket: Socket): void {
    const tick = performance.now()
    const { counters } = this.#handler
    exchange.respondedTick = tick
    exchange.outcome = 'forwarded'
    exchange.status = 101
    const limits = new TunnelLimits(exchange, socket, upstreamSocket)
    exchange.enter('upgraded', limits.intervalMs, tick)
    exchange.carrier = limits
    counters.upgradesOpen++
    this.#tunnels.set(exchange, socket)
    const { fields } = clientHeaders(response.rawHeaders, 200)
    const kept = toHeaderObject([...fields, 'X-Request-Id', exchange.requestId])
    response.headers = { ...kept, connection: 'Upgrade', upgrade: 'websocket' }
    let writtenBefore = -1
    // http-proxy writes the 101 right after this listener; what follows it is the tunnel's.
    process.nextTick(() => {
      writtenBefore = socket.bytesWritten
    })
    upstreamSocket.once('close', () => socket.destroySoon())
    // First among the listeners: the one that records the exchange needs the count.
    socket.prependOnceListener('close', () => {
      exchange.bytesSent = writtenBefore < 0 ? 0 : Math.max(0, socket.bytesWritten - writtenBefore)
      counters.upgradesOpen--
      this.#tunnels.delete(exchange)
    })
  }
}

/** Node's request, which http-proxy wants. */
type UpgradeRequest = IncomingMessage & ClientRequest

/** What a handshake is made of. */
interface HandshakeParts {
  readonly req: IncomingMessage
  readonly socket: Socket
  readonly head: Buffer
  readonly request: UpstreamRequest
  readonly place: Place
}

/** A WebSocket handshake under way. */
interface Handshake {
  readonly exchange: Exchange
  readonly place: Place
  proxyReq: UpstreamClient | null
}

/** Passes on an answer that is no 101, as a whole message that ends the connection; it is never a tunnel. */
function relayRefusal(exchange: Exchange, socket: Socket, response: IncomingMessage): void {
  const status = response.statusCode ?? 502
  const tick = performance.now()
  exchange.respondedTick = tick
  exchange.status = status
  exchange.outcome = 'forwarded'
  exchange.enter('body', exchange.route?.idleTimeoutMs ?? 0, tick)
  exchange.carrier = {
    cancel: () => response.destroy(),
    timeOut: () => {
      exchange.end('upstream_timeout', 'idle_timeout')
      socket.resetAndDestroy()
    },
    stop: (outcome, reason) => {
      exchange.end(outcome, reason)
      socket.resetAndDestroy()
    },
  }
  const { fields } = clientHeaders(response.rawHeaders, status)
  returnThroughRoute(fields, exchange)
  writeReply(socket, {
    status,
    fields: [...fields, 'X-Request-Id', exchange.requestId],
    body: Buffer.alloc(0),
  })
  response.on('data', (chunk: Buffer) => {
    exchange.bytesSent += chunk.length
    exchange.touch()
  })
  response.pipe(socket)
  response.once('close', () => {
    if (!response.complete) cutRefusal(exchange, socket)
  })
}

/** Without length or chunks only a reset says that the body is not whole. */
function cutRefusal(exchange: Exchange, socket: Socket): void {
  exchange.end('upstream_reset', 'truncated')
  socket.resetAndDestroy()
}

function fail(exchange: Exchange, socket: Socket, outcome: Outcome, reason: Reason | null): void {
  if (exchange.status !== 0) return
  answer(exchange, socket, outcome, reason, problemReply({ outcome, reason, limit: null }, exchange))
}

function answer(
  exchange: Exchange,
  socket: Socket,
  outcome: Outcome,
  reason: Reason | null,
  reply: ReturnType<typeof problemReply>,
): void {
  exchange.end(outcome, reason)
  exchange.status = reply.status
  exchange.bytesSent = reply.body.length
  writeReply(socket, reply)
  socket.end()
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
