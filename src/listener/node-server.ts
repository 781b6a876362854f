import { createServer, type Server } from 'node:http'
import type { Socket } from 'node:net'
import type { Reason } from '../model/outcome.ts'
import type { ClientRequest, ClientResponse } from '../proxy/exchange/client.ts'
import type { Connection } from '../proxy/exchange/connection.ts'
import { NodeRequest } from './node-request.ts'
import { NodeResponse } from './node-response.ts'
import type { Handler } from '../proxy/handler.ts'
import { answerRefusal } from '../proxy/answers/own-answers.ts'
import { reinject } from './reinject.ts'
import { SocketResponse } from './socket-response.ts'

/** What the server needs of the listener. */
export interface NodeServerOwner {
  /** Has a request answered; never throws. */
  serve(connection: Connection, req: ClientRequest, res: ClientResponse, expectsContinue: boolean): void
  connectionOf(socket: Socket): Connection
  /** Told of what should never happen. */
  report(error: unknown): void
}

/** Milliseconds and bytes. */
export interface NodeServerOptions {
  readonly headersTimeoutMs: number
  readonly maxHeaderBytes: number
}

/**
 * Node's HTTP server, which never listens: connections are given to it. It reads all that is more than a plain request, bodies,
 * upgrades, pipelines, and all that is malformed.
 */
export class NodeServer {
  readonly #handler: Handler
  readonly #owner: NodeServerOwner
  readonly #server: Server<typeof NodeRequest, typeof NodeResponse>

  constructor(handler: Handler, options: NodeServerOptions, owner: NodeServerOwner) {
    this.#handler = handler
    this.#owner = owner
    const server = createServer({
      IncomingMessage: NodeRequest,
      ServerResponse: NodeResponse,
      maxHeaderSize: options.maxHeaderBytes,
      headersTimeout: options.headersTimeoutMs,
      requestTimeout: 0, // a body may be 5 GB; its silences are bounded per route
      keepAliveTimeout: 0, // see `Connection.isIdleLongerThan`
      connectionsCheckingInterval: Math.min(1000, options.headersTimeoutMs),
      requireHostHeader: false, // Node would answer by itself, and that request would have no entry
      insecureHTTPParser: false,
      ...UPGRADES,
    })
    // A client that has ended its side is answered all the same; Node's public options do not have this.
    ;(server as unknown as { httpAllowHalfOpen: boolean }).httpAllowHalfOpen = true
    server.maxHeadersCount = 0 // fields beyond a count would vanish silently; the size is bounded
    server.on('request', (req, res) => this.#onRequest(req, res, false))
    server.on('checkContinue', (req, res) => this.#onRequest(req, res, true))
    server.on('checkExpectation', (req, res) => this.#onExpectation(req, res))
    server.on('upgrade', (req, socket: Socket, head) => this.#onUpgrade(req, socket, head))
    server.on('connect', (req, socket: Socket, head) => this.#serveTunnel(req, socket, head))
    server.on('clientError', (error: NodeJS.ErrnoException, socket: Socket) =>
      this.#onClientError(error, socket),
    )
    this.#server = server
  }

  /** Starts Node's watch over `headersTimeoutMs`. */
  start(): void {
    this.#server.emit('listening') // that and nothing else
  }

  /** Serves a connection of which `first` has been read; null: nothing. */
  take(socket: Socket, first: Buffer | null): void {
    if (first !== null) socket.unshift(first)
    this.#server.emit('connection', socket)
  }

  /** Ends the watch. */
  close(): void {
    this.#server.close()
  }

  /** Answers what came without TLS to a listener that speaks it. */
  refusePlain(connection: Connection): void {
    const { socket } = connection
    socket.on('error', () => {})
    connection.isMalformed = true // the rest is read and thrown away
    socket.resume()
    this.#refuseMalformed(connection, 'tls_expected')
  }

  #onRequest(req: NodeRequest, res: NodeResponse, expectsContinue: boolean): void {
    // See UPGRADES: its client is to send again what came behind it, not to wait for an answer.
    if (req.headers.upgrade !== undefined && req.hasBody) res.shouldKeepAlive = false
    this.#owner.serve(this.#owner.connectionOf(req.socket), req, res, expectsContinue)
  }

  #onExpectation(req: NodeRequest, res: NodeResponse): void {
    this.#handler.refuseEarly(this.#owner.connectionOf(req.socket), req, res, 'expectation')
  }

  #onUpgrade(req: NodeRequest, socket: Socket, head: Buffer): void {
    if (isWebSocket(req)) {
      this.#serveTunnel(req, socket, head)
      return
    }
    try {
      this.#ignoreUpgrade(req, socket, head)
    } catch (error) {
      this.#owner.report(error)
      socket.destroy()
    }
  }

  /** Node's server has given the connection away: what is answered is the last on it. */
  #serveTunnel(req: NodeRequest, socket: Socket, head: Buffer): void {
    const connection = this.#owner.connectionOf(socket)
    req.tunnel = { head, readBefore: socket.bytesRead - head.length }
    socket.on('error', () => {}) // 'close' follows and tells all that is needed
    this.#owner.serve(connection, req, lastResponse(connection), false)
  }

  /** Read again without its Upgrade, after the answers before it: Node would answer it beside them, or never. */
  #ignoreUpgrade(req: NodeRequest, socket: Socket, head: Buffer): void {
    const connection = this.#owner.connectionOf(socket)
    const onError = (): void => {} // 'close' follows
    socket.on('error', onError)
    connection.afterOthers(null, () => {
      if (socket.writable) {
        socket.off('error', onError)
        reinject(this.#server, req, socket, head)
        return
      }
      // It came, and nobody is there any more for its answer.
      this.#handler.close(this.#handler.open(connection, req, lastResponse(connection)))
    })
  }

  /** A message that the parser refused, or a head that did not arrive in time. */
  #onClientError(error: NodeJS.ErrnoException, socket: Socket): void {
    const connection = this.#owner.connectionOf(socket)
    // Bytes after a request that said `Connection: close` are nobody's request (RFC 9112 §9.6).
    if (connection.isMalformed || error.code === 'HPE_CLOSED_CONNECTION') return
    // Node counts from the connection on; one that has asked for nothing may be open for as long as any idle one.
    if (socket.bytesRead === 0 && error.code === 'ERR_HTTP_REQUEST_TIMEOUT') return
    const unfinished = connection.open.find((exchange) => !exchange.req.complete)
    const reason = malformedReason(error.code ?? '')
    connection.isMalformed = true
    if (error.code === 'HPE_INVALID_EOF_STATE' && isOwedAnswers(connection)) {
      // Pipelined: its client ended within a request, which is given up; those before it are answered.
      unfinished?.carrier?.cancel()
      for (const { req, res } of connection.open) {
        if (req.complete) res.once('close', () => isOwedAnswers(connection) || socket.destroySoon())
      }
    } else if (reason === null || socket.destroyed) {
      socket.destroy()
    } else if (unfinished !== undefined) {
      // The body of a request that is being served: its exchange ends, upstream included.
      unfinished.carrier?.cancel()
      if (!unfinished.res.headersSent) answerRefusal(unfinished, 'bad_request', 'framing')
      else unfinished.end('bad_request', 'framing')
      socket.destroySoon()
    } else if (socket.bytesRead === 0) {
      socket.destroy() // nothing was asked
    } else if (connection.open.length > 0) {
      // Pipelined: the answers under way come first.
      for (const { res } of connection.open) {
        res.once('close', () => {
          if (connection.open.length === 0 && !socket.destroyed) this.#refuseMalformed(connection, reason)
        })
      }
    } else {
      this.#refuseMalformed(connection, reason)
    }
  }

  #refuseMalformed(connection: Connection, reason: Reason): void {
    const { socket } = connection
    this.#handler.refuseEarly(
      connection,
      null,
      new SocketResponse(socket, { isLast: true }, () => {}),
      reason,
    )
    // Now and not when it is written: a client that does not read it is waited for as briefly as one that goes on sending.
    socket.destroySoon()
  }
}

/** A response on a connection that Node's server has given away. What the client may still send is read and thrown away for a while. */
function lastResponse(connection: Connection): SocketResponse {
  const { socket } = connection
  const res = new SocketResponse(socket, { isLast: true }, () => {
    connection.linger()
    socket.end()
    socket.resume()
  })
  res.canChunk = false
  return res
}

/** Whether a request that came whole has not been answered yet. */
function isOwedAnswers({ open }: Connection): boolean {
  return open.some(({ req }) => req.tunnel === null && req.complete)
}

function isWebSocket(req: NodeRequest): boolean {
  return req.method === 'GET' && req.headers.upgrade?.toLowerCase() === 'websocket' && !req.hasBody
}

/**
 * Which requests become an `upgrade` event; see `#ignoreUpgrade` for those that are no WebSocket. From Node 24.9 on the server asks, serves
 * the others as if they had no Upgrade (RFC 9110 §7.8), and loses what came in the same read behind one: measured on 24.21 and 26.12. So
 * only those with a body are left to it, which Node 26 would hand over without their body. Before 24.9 every Upgrade is an event.
 */
const UPGRADES = { shouldUpgradeCallback: (req: NodeRequest): boolean => !req.hasBody }

/** Parser or server error code → reason; null when the client just went away. */
function malformedReason(code: string): Reason | null {
  if (code === 'HPE_HEADER_OVERFLOW') return 'headers_too_large'
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return 'header_timeout'
  if (code === 'HPE_INVALID_EOF_STATE' || !code.startsWith('HPE_')) return null
  return 'framing'
}
