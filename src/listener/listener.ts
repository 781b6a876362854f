import { createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { Seldom } from '../lib/time/seldom.ts'
import type { ConnectionRefusal } from '../model/stats.ts'
import { readByShared } from './accepted-socket.ts'
import { Arrivals, type ArrivalOwner, type ServerNames } from './arrivals.ts'
import type { ClientRequest, ClientResponse } from '../proxy/exchange/client.ts'
import { Connection, type Origin } from '../proxy/exchange/connection.ts'
import type { Handler } from '../proxy/handler.ts'
import { NodeServer, type NodeServerOwner } from './node-server.ts'
import { afterAccepting, listen } from './listen.ts'
import { PlainConnection, type PlainOwner } from './plain-connection.ts'

/** Limits of the listener; milliseconds and bytes. */
export interface ListenerOptions {
  readonly headersTimeoutMs: number
  readonly keepAliveTimeoutMs: number
  readonly maxHeaderBytes: number
  readonly maxConnections: number
  /** After so long without a byte a client that has ended its side is asked whether it is there; 0 never does. */
  readonly halfClosedIdleMs?: number
  /** Once a drain has begun a connection is ended after this long without a request; default 1000. */
  readonly drainIdleMs?: number
  /** Trusted peers begin with a PROXY header. Default false. */
  readonly hasProxyProtocol?: boolean
  /** Longest time for that header and a TLS handshake; default 10,000. */
  readonly handshakeTimeoutMs?: number
  /** Connections of one source that is not trusted; 0, the default, for any number. */
  readonly maxConnectionsPerSource?: number
  /** False has Node's HTTP server read plain requests as well, for comparison. Default true. */
  readonly hasPlainPath?: boolean
}

/** Told of what should never happen. One call per event; the listener goes on. */
export type ReportInternal = (error: unknown) => void

/** Told of what the operator should know, seldom. `times`: how often it happened since it was told last. */
export type Notice = (message: string, fields: object & { readonly times: number }) => void

const REFUSAL_NOTICES: Readonly<Record<ConnectionRefusal, string>> = {
  max_connections: 'connections refused: there are as many as may be',
  max_per_source: 'connections refused: their source has its number (proxy.maxConnectionsPerSource)',
  proxy_header: 'a trusted peer did not begin with a valid PROXY header',
  not_tls: 'a client did not speak TLS (listen.tls)',
  tls_handshake: 'TLS handshakes failed',
  accept_failed: 'connections could not be accepted',
}

/** The clock of all limits of time: one is exact to this. */
const TICK_MS = 250
const CHECK_IDLE_TICKS = 4
const DRAIN_IDLE_MS = 1000

/** The proxy listener: connections and who reads them, the clock, drain. */
export class ProxyListener implements NodeServerOwner, PlainOwner, ArrivalOwner {
  readonly #handler: Handler
  readonly #options: ListenerOptions
  readonly #accepting: Server
  readonly #http: NodeServer
  readonly #report: ReportInternal
  readonly #notice: Notice
  readonly #notices = new Seldom()
  readonly #arrivals: Arrivals
  readonly #connections = new Map<Socket, Connection>()
  readonly #keepAlive: string
  #timer: NodeJS.Timeout | null = null
  #ticks = 0
  #retiredTick = Infinity
  #draining: Promise<boolean> | null = null
  #onEmpty: (() => void) | null = null

  constructor(handler: Handler, options: ListenerOptions, report: ReportInternal, notice: Notice = () => {}) {
    this.#handler = handler
    this.#options = options
    this.#report = report
    this.#notice = notice
    const { hasProxyProtocol = false, handshakeTimeoutMs = 10_000, maxConnectionsPerSource = 0 } = options
    this.#arrivals = new Arrivals({ hasProxyProtocol, handshakeTimeoutMs, maxConnectionsPerSource }, this)
    this.#keepAlive = `timeout=${Math.floor(options.keepAliveTimeoutMs / 1000)}`
    this.#http = new NodeServer(handler, options, this)
    this.#accepting = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => this.take(socket))
    this.#accepting.maxConnections = options.maxConnections
    this.#accepting.on('drop', () => {
      this.refused('max_connections', { maxConnections: options.maxConnections })
    })
  }

  /** Listens; resolves with the address. Rejects with a `ProxyListenError` when it cannot. */
  async start(host: string, port: number): Promise<AddressInfo> {
    const address = await listen(this.#accepting, host, port)
    // Out of descriptors or memory: the listener goes on.
    this.#accepting.on('error', ({ code }: NodeJS.ErrnoException) => {
      this.refused('accept_failed', { code })
    })
    this.startHanded()
    return address
  }

  /** Serves connections that another process accepted, see `take`, instead of listening. */
  startHanded(): void {
    this.#http.start()
    this.#timer = setInterval(() => this.#tick(), TICK_MS)
    this.#timer.unref()
  }

  /** Serves a connection that a `net.Server` accepted with `allowHalfOpen` and `noDelay`. */
  take(accepted: Socket): void {
    this.#arrivals.take(accepted)
  }

  /** Certificates for connections that are accepted from now on; null without TLS. */
  set names(names: ServerNames | null) {
    this.#arrivals.names = names
  }

  get names(): ServerNames | null {
    return this.#arrivals.names
  }

  /** See ArrivalOwner. */
  trusts(peer: string): boolean {
    return this.#handler.trusts(peer)
  }

  /** See ArrivalOwner. */
  refused(reason: ConnectionRefusal, fields: object): void {
    this.#handler.counters.refusedConnections[reason]++
    const message = REFUSAL_NOTICES[reason]
    const times = this.#notices.occur(message, performance.now())
    if (times > 0) this.#notice(message, { ...fields, times })
  }

  /** See ArrivalOwner. */
  refusePlain(socket: Socket, origin: Origin): void {
    this.#http.refusePlain(this.#open(socket, origin))
  }

  /** See ArrivalOwner. What comes by TLS is read by Node's server: it decrypts into buffers of its own. */
  begin(accepted: Socket, origin: Origin, first: Buffer | null): void {
    if (origin.proto === 'https') {
      this.#open(accepted, origin)
      this.#http.take(accepted, null)
      return
    }
    const { hasPlainPath = true, maxHeaderBytes } = this.#options
    const plain = hasPlainPath ? new PlainConnection(this, maxHeaderBytes) : null
    const socket = plain === null ? null : readByShared(accepted, (bytes) => plain.onRead(bytes))
    if (plain === null || socket === null) {
      this.#open(accepted, origin)
      this.#http.take(accepted, first)
      if (accepted.isPaused()) accepted.resume()
    } else {
      plain.start(socket, this.#open(socket, origin))
      if (first !== null) plain.onRead(first)
    }
  }

  /** See PlainOwner. */
  handOver(socket: Socket, first: Buffer): void {
    this.#http.take(socket, first)
  }

  /**
   * From now on each answer is the last on its connection; requests are served and connections accepted as before. Idle
   * connections stay open.
   */
  retire(): void {
    if (this.#handler.isRetiring) return
    this.#retiredTick = performance.now()
    this.#handler.retire()
  }

  /** Open client connections. */
  get connections(): number {
    return this.#connections.size + this.#arrivals.size
  }

  /** The same, one by one. */
  get open(): Iterable<Connection> {
    return this.#connections.values()
  }

  /**
   * Stops accepting. What was sent on open connections is served, each answer the last on its connection; those on which
   * nothing comes are ended. After `timeoutMs` what is left is broken off. Resolves true when nothing had to be. A second call
   * returns the same promise.
   */
  drain(timeoutMs: number): Promise<boolean> {
    this.#draining ??= this.#drain(timeoutMs)
    return this.#draining
  }

  async #drain(timeoutMs: number): Promise<boolean> {
    this.#handler.drain()
    let isClean = true
    const deadline = setTimeout(() => {
      isClean = false
      for (const exchange of this.#handler.exchanges) exchange.end('draining', null)
      for (const socket of this.#connections.keys()) socket.destroy()
      this.#arrivals.destroyAll()
    }, timeoutMs)
    // Answers end connections only when the port is closed: else their clients come back to it at the moment of its end.
    if (this.#accepting.listening) await afterAccepting(() => this.#accepting.close())
    this.retire()
    await this.#whenEmpty()
    clearTimeout(deadline)
    this.#http.close()
    if (this.#timer !== null) clearInterval(this.#timer)
    // Every exchange has recorded itself at its connection's close; this makes it certain.
    for (const exchange of this.#handler.exchanges) this.#handler.close(exchange)
    return isClean
  }

  #whenEmpty(): Promise<void> {
    if (this.connections === 0) return Promise.resolve()
    return new Promise((resolve) => {
      this.#onEmpty = resolve
    })
  }

  #open(socket: Socket, origin: Origin): Connection {
    const connection = new Connection(socket, origin, this.#keepAlive)
    this.#connections.set(socket, connection)
    this.#handler.counters.connections++
    socket.once('end', () => connection.endClient())
    socket.once('close', () => {
      this.#connections.delete(socket)
      this.#handler.counters.connections--
      // Neither Node's pipelined responses whose turn had not come nor plain ones hear of their connection's end.
      for (const exchange of connection.open) this.#handler.close(exchange)
      if (this.connections === 0) this.#onEmpty?.()
    })
    return connection
  }

  /** See NodeServerOwner. */
  connectionOf(socket: Socket): Connection {
    return (
      this.#connections.get(socket) ??
      new Connection(socket, { peer: socket.remoteAddress ?? '', proto: 'http' }, this.#keepAlive)
    )
  }

  /** See NodeServerOwner and PlainOwner. */
  serve(
    connection: Connection,
    req: ClientRequest,
    res: ClientResponse,
    expectsContinue: boolean = false,
  ): void {
    try {
      this.#handler.handle(connection, req, res, expectsContinue)
    } catch (error) {
      this.#report(error)
      if (!res.writableEnded) res.destroy()
    }
  }

  /** See NodeServerOwner. */
  report(error: unknown): void {
    this.#report(error)
  }

  /**
   * Ends connections that ask for nothing more, not before the time that `Keep-Alive` told their clients, and spread over a
   * quarter more: what a balancer opened at once does not end at once. A request that has come meanwhile is read before.
   */
  #endIdle(now: number): void {
    const isDraining = this.#handler.isDraining
    const { keepAliveTimeoutMs, drainIdleMs = DRAIN_IDLE_MS } = this.#options
    if (isDraining && !(now - this.#retiredTick > drainIdleMs)) return
    const idle: Connection[] = []
    for (const connection of this.#connections.values()) {
      const limitMs = isDraining ? drainIdleMs : keepAliveTimeoutMs * connection.patience
      if (connection.isIdleLongerThan(limitMs, now)) idle.push(connection)
    }
    if (idle.length === 0) return
    setImmediate(() => {
      for (const connection of idle) if (connection.isIdleLongerThan(0, now)) connection.socket.destroy()
    })
  }

  #tick(): void {
    const now = performance.now()
    this.#handler.tick(now)
    const { halfClosedIdleMs = 0 } = this.#options
    for (const connection of this.#connections.values()) {
      if (connection.lingerUntilTick < now) connection.socket.destroy()
      else if (halfClosedIdleMs === 0 || connection.endedTick === Infinity) continue
      else if (connection.hasClientLeft(halfClosedIdleMs, now)) connection.socket.destroy()
    }
    this.#arrivals.tick(now)
    // Those that arrive tell nobody of their end.
    if (this.connections === 0) this.#onEmpty?.()
    this.#ticks++
    if (this.#handler.isDraining || this.#ticks % CHECK_IDLE_TICKS === 0) this.#endIdle(now)
  }
}
