import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { AccessEntry } from '../model/access-entry.ts'
import { statusOf, type Reason } from '../model/outcome.ts'
import { plainAddress } from '../model/network.ts'
import { Connection } from './connection.ts'
import type { Handler } from './handler.ts'
import { requestIdOf } from './ids.ts'
import { listen } from './listen.ts'
import { reinject } from './reinject.ts'
import { problemReply, writeReply } from './replies.ts'
import { Upgrader } from './upgrade.ts'

/** Limits of the listener; milliseconds and bytes. */
export interface ListenerOptions {
  readonly headersTimeoutMs: number
  readonly keepAliveTimeoutMs: number
  readonly maxHeaderBytes: number
  readonly maxConnections: number
}

/** Told of what should never happen. One call per event; the listener goes on. */
export type ReportInternal = (error: unknown) => void

/** How often phases are held against their limits: a limit is exact to this. */
const TICK_MS = 250
const RECHECK_TUNNELS_TICKS = 20
const CHECK_IDLE_TICKS = 4

/** The proxy listener: connections, framing errors, the clock of all time limits, drain. */
export class ProxyListener {
  readonly #handler: Handler
  readonly #upgrader: Upgrader
  readonly #server: Server
  readonly #report: ReportInternal
  readonly #connections = new Map<Socket, Connection>()
  readonly #keepAliveMs: number
  readonly #keepAlive: string
  #timer: NodeJS.Timeout | null = null
  #ticks = 0
  #snapshot: unknown = null
  #draining: Promise<boolean> | null = null
  #onEmpty: (() => void) | null = null

  constructor(handler: Handler, options: ListenerOptions, report: ReportInternal) {
    this.#handler = handler
    this.#report = report
    handler.report = report
    this.#upgrader = new Upgrader(handler)
    this.#keepAliveMs = options.keepAliveTimeoutMs
    this.#keepAlive = `timeout=${Math.floor(options.keepAliveTimeoutMs / 1000)}`
    const server = createServer({
      maxHeaderSize: options.maxHeaderBytes,
      headersTimeout: options.headersTimeoutMs,
      requestTimeout: 0, // a body may be 5 GB; its silences are bounded per route
      keepAliveTimeout: 0, // see `#endIdle`
      connectionsCheckingInterval: Math.min(1000, options.headersTimeoutMs),
      requireHostHeader: false, // Node would answer by itself, and that request would have no entry
      insecureHTTPParser: false,
      noDelay: true,
    })
    server.maxHeadersCount = 0 // fields beyond a count would vanish silently; the size is bounded
    server.maxConnections = options.maxConnections
    server.on('connection', (socket) => this.#onConnection(socket))
    server.on('request', (req, res) => this.#onRequest(req, res, false))
    server.on('checkContinue', (req, res) => this.#onRequest(req, res, true))
    server.on('checkExpectation', (req, res) => this.#onExpectation(req, res))
    server.on('upgrade', (req, socket: Socket, head) => this.#onUpgrade(req, socket, head))
    server.on('connect', (req, socket: Socket) => this.#onConnect(req, socket))
    server.on('clientError', (error: NodeJS.ErrnoException, socket: Socket) =>
      this.#onClientError(error, socket),
    )
    this.#server = server
  }

  /** Listens; resolves with the address. Rejects with a `ProxyListenError` when it cannot. */
  async start(host: string, port: number): Promise<AddressInfo> {
    const address = await listen(this.#server, host, port)
    this.#server.on('error', this.#report) // out of descriptors while accepting: the listener goes on
    this.#startClock()
    return address
  }

  /** Serves connections that another process accepted, see `take`, instead of listening. */
  startHanded(): void {
    this.#server.emit('listening') // starts Node's watch over `headersTimeoutMs`, and nothing else
    this.#startClock()
  }

  /** Serves a connection that a `net.Server` accepted, with `allowHalfOpen` and `noDelay` as Node's HTTP server has them. */
  take(socket: Socket): void {
    this.#server.emit('connection', socket)
  }

  /** From now on each answer is the last on its connection; requests are served as before. Idle connections stay open. */
  retire(): void {
    this.#handler.isRetiring = true
    for (const { connection, res } of this.#handler.exchanges) if (res !== null) endAfter(connection, res)
  }

  /** Open client connections. */
  get connections(): number {
    return this.#connections.size
  }

  #startClock(): void {
    this.#timer = setInterval(() => this.#tick(), TICK_MS)
    this.#timer.unref()
  }

  /**
   * Stops accepting, ends idle connections, refuses new requests on others, waits for those in flight up to `timeoutMs`, then
   * breaks off what is left. Resolves true when nothing had to be broken off. A second call returns the same promise.
   */
  drain(timeoutMs: number): Promise<boolean> {
    this.#draining ??= this.#drain(timeoutMs)
    return this.#draining
  }

  async #drain(timeoutMs: number): Promise<boolean> {
    this.#handler.isDraining = true
    const closed = new Promise<void>((resolve) => {
      this.#server.close(() => resolve())
    })
    this.#server.closeIdleConnections()
    this.#upgrader.destroyAll()
    for (const { connection, res } of this.#handler.exchanges) if (res !== null) endAfter(connection, res)
    let isClean = true
    const deadline = setTimeout(() => {
      isClean = false
      for (const exchange of this.#handler.exchanges) exchange.end('draining', null)
      for (const socket of this.#connections.keys()) socket.destroy()
    }, timeoutMs)
    await closed
    await this.#whenEmpty() // handed connections are none of the server's
    clearTimeout(deadline)
    if (this.#timer !== null) clearInterval(this.#timer)
    // Every exchange has recorded itself at its connection's close; this makes it certain.
    for (const exchange of this.#handler.exchanges) this.#handler.close(exchange)
    return isClean
  }

  #whenEmpty(): Promise<void> {
    if (this.#connections.size === 0) return Promise.resolve()
    return new Promise((resolve) => {
      this.#onEmpty = resolve
    })
  }

  #onConnection(socket: Socket): void {
    if (this.#connections.has(socket)) return // re-injected after an ignored Upgrade
    const connection = new Connection(socket, this.#keepAlive)
    this.#connections.set(socket, connection)
    this.#handler.deps.counters.connections++
    socket.once('close', () => {
      this.#connections.delete(socket)
      this.#handler.deps.counters.connections--
      // Pipelined responses whose turn had not come hear nothing from Node.
      for (const exchange of connection.open) this.#handler.close(exchange)
      if (this.#connections.size === 0) this.#onEmpty?.()
    })
  }

  #connectionOf(socket: Socket): Connection {
    return this.#connections.get(socket) ?? new Connection(socket, this.#keepAlive)
  }

  #onRequest(req: IncomingMessage, res: ServerResponse, expectsContinue: boolean): void {
    const connection = this.#connectionOf(req.socket)
    try {
      if (this.#handler.isRetiring) res.shouldKeepAlive = false
      this.#handler.handle(connection, req, res, expectsContinue)
      if (this.#handler.isDraining) endAfter(connection, res)
    } catch (error) {
      this.#report(error)
      this.#failInternally(connection, req, res)
    }
  }

  #failInternally(connection: Connection, req: IncomingMessage, res: ServerResponse): void {
    for (const exchange of connection.open) {
      if (exchange.req !== req) continue
      exchange.carrier?.cancel()
      if (!res.headersSent) this.#handler.refuse(exchange, res, 'internal', null)
    }
    if (!res.writableEnded) res.destroy()
  }

  #onExpectation(req: IncomingMessage, res: ServerResponse): void {
    const exchange = this.#handler.open(this.#connectionOf(req.socket), req, res)
    res.once('close', () => this.#handler.close(exchange))
    exchange.expectsContinue = true
    this.#handler.refuse(exchange, res, 'bad_request', 'expectation')
  }

  #onUpgrade(req: IncomingMessage, socket: Socket, head: Buffer): void {
    try {
      if (req.method === 'GET' && req.headers.upgrade?.toLowerCase() === 'websocket') {
        this.#upgrader.upgrade(this.#connectionOf(socket), req, socket, head)
      } else {
        reinject(this.#server, req, socket, head)
      }
    } catch (error) {
      this.#report(error)
      this.#upgrader.failInternally(req, this.#connectionOf(socket))
    }
  }

  #onConnect(req: IncomingMessage, socket: Socket): void {
    const connection = this.#connectionOf(socket)
    const exchange = this.#handler.open(connection, req, null)
    socket.on('error', () => {})
    socket.once('close', () => this.#handler.close(exchange))
    socket.once('finish', () => {
      this.#handler.close(exchange)
      connection.linger()
    })
    const reply = problemReply('method_not_allowed', null, exchange.requestId, null)
    exchange.end('method_not_allowed', null)
    exchange.status = reply.status
    exchange.bytesSent = reply.body.length
    writeReply(socket, reply)
    socket.end()
    socket.resume()
  }

  /** A message that the parser refused, or a head that did not arrive in time. */
  #onClientError(error: NodeJS.ErrnoException, socket: Socket): void {
    const connection = this.#connectionOf(socket)
    // Bytes after a request that said `Connection: close` are nobody's request (RFC 9112 §9.6).
    if (connection.isMalformed || error.code === 'HPE_CLOSED_CONNECTION') return
    const unfinished = connection.open.find((exchange) => !exchange.req.complete)
    const reason = malformedReason(error.code ?? '')
    connection.isMalformed = true
    if (reason === null || socket.destroyed) {
      socket.destroy()
    } else if (unfinished !== undefined) {
      // The body of a request that is being served: its exchange ends, upstream included.
      unfinished.carrier?.cancel()
      const { res } = unfinished
      if (res !== null && !res.headersSent) this.#handler.refuse(unfinished, res, 'bad_request', 'framing')
      else unfinished.end('bad_request', 'framing')
      socket.destroySoon()
    } else if (socket.bytesRead === 0) {
      socket.destroy() // nothing was asked
    } else if (connection.open.length > 0) {
      // Pipelined: the answers under way come first.
      for (const { res } of connection.open) {
        res?.once('close', () => {
          if (connection.open.length === 0 && !socket.destroyed) this.#refuseMalformed(connection, reason)
        })
      }
    } else {
      this.#refuseMalformed(connection, reason)
    }
  }

  #refuseMalformed(connection: Connection, reason: Reason): void {
    const entry = new AccessEntry()
    entry.requestId = requestIdOf(null)
    const reply = problemReply('bad_request', reason, entry.requestId, null)
    entry.startedAtMs = Date.now()
    entry.outcome = 'bad_request'
    entry.reason = reason
    entry.status = statusOf('bad_request', reason)
    entry.clientIp = plainAddress(connection.peer)
    entry.bytesSent = reply.body.length
    this.#handler.deps.counters.route('').count(entry.outcome, entry.status)
    this.#handler.deps.sink.push(entry)
    writeReply(connection.socket, reply)
    connection.socket.destroySoon()
  }

  /** Ends connections that ask for nothing more, not before the time that `Keep-Alive` told their clients. */
  #endIdle(now: number): void {
    for (const connection of this.#connections.values()) {
      if (connection.isIdleLongerThan(this.#keepAliveMs, now)) connection.socket.destroy()
    }
  }

  #tick(): void {
    const now = performance.now()
    const { exchanges, deps } = this.#handler
    for (const exchange of exchanges) {
      if (exchange.limitMs === 0 || now - exchange.activeTick <= exchange.limitMs) continue
      exchange.activeTick = now
      exchange.carrier?.timeOut()
    }
    for (const { socket, lingerUntilTick } of this.#connections.values()) {
      if (lingerUntilTick < now) socket.destroy()
    }
    this.#ticks++
    if (this.#ticks % CHECK_IDLE_TICKS === 0) this.#endIdle(now)
    const { snapshot } = deps.directory
    if (snapshot === this.#snapshot && this.#ticks % RECHECK_TUNNELS_TICKS !== 0) return
    this.#snapshot = snapshot
    this.#upgrader.recheck(Date.now())
    deps.limiter.evictIdle(now)
  }
}

/** Ends a connection after the responses that are open on it. */
function endAfter(connection: Connection, res: ServerResponse): void {
  if (!res.headersSent) res.shouldKeepAlive = false
  res.once('close', () => {
    if (connection.open.length === 0) connection.socket.destroySoon()
  })
}

/** Parser or server error code → reason; null when the client just went away. */
function malformedReason(code: string): Reason | null {
  if (code === 'HPE_HEADER_OVERFLOW') return 'headers_too_large'
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return 'header_timeout'
  if (code === 'HPE_INVALID_EOF_STATE' || !code.startsWith('HPE_')) return null
  return 'framing'
}
