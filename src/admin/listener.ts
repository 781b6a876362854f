import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import { join } from 'node:path'
import { systemClock } from '../lib/time/clock.ts'
import type { Logger } from '../logger/logger.ts'
import { projectFolder } from '../version.ts'
import { AccessRule } from './access.ts'
import type { ApiListener } from './api/app.ts'
import { ConsoleFiles, type ConsoleFile } from './console-files.ts'
import { adminHandlers, type AdminSources, type Handler } from './handlers.ts'
import { DeadlineError, isDatabaseAway, problemOf, sendProblem, type Problem } from './problem.ts'

/** Address, token and handlers of the admin listener. */
export interface AdminDependencies extends AdminSources {
  readonly host: string
  /** 0 takes a free one. */
  readonly port: number
  /** '' for none; then `host` must be loopback, which the configuration sees to. */
  readonly token: string
  readonly logger: Logger
  /** Answers what lies below /api/v1/. Called at the first request for it: its modules need not be loaded for a start. */
  readonly loadApi: () => Promise<ApiListener>
}

/** The admin listener could not take its address; the cause says why. */
export class AdminListenError extends Error {
  readonly code = 'WAYBILL_ADMIN_LISTEN'

  constructor(host: string, port: number, cause: NodeJS.ErrnoException) {
    const why = cause.code === 'EADDRINUSE' ? 'the port is in use' : (cause.code ?? cause.message)
    super(`admin listener cannot listen on ${host}:${port} (options admin.host, admin.port): ${why}`, {
      cause,
    })
    this.name = 'AdminListenError'
  }
}

const MAX_CONNECTIONS = 256
const MAX_HEADER_BYTES = 16 * 1024
const HEADERS_TIMEOUT_MS = 5000
const REQUEST_TIMEOUT_MS = 10_000
/** A socket without traffic for this long, beyond the wait for a query, is closed: its reader has stopped reading. */
const SILENCE_TIMEOUT_MS = 30_000
/** What requests under way are given when the listener closes. */
const CLOSE_TIMEOUT_MS = 1000
const AWAY_LOG_INTERVAL_MS = 60_000

const SECURITY_HEADERS = [
  ['Cache-Control', 'no-store'],
  ['Content-Security-Policy', "default-src 'none'; frame-ancestors 'none'"],
  ['Cross-Origin-Resource-Policy', 'same-origin'],
  ['Referrer-Policy', 'no-referrer'],
  ['X-Content-Type-Options', 'nosniff'],
] as const

/** It knows by itself who may what. */
const API_PREFIX = '/api/v1/'

const NOT_FOUND: Problem = { status: 404, title: 'Not found' }

const METHOD_NOT_ALLOWED: Problem = {
  status: 405,
  title: 'Method not allowed',
  detail: 'Only GET and HEAD are.',
  headers: { allow: 'GET, HEAD' },
}

/** Health, readiness, metrics, the API and the console, on a listener of their own that tenants do not see. */
export class AdminListener {
  readonly #deps: AdminDependencies
  readonly #access: AccessRule
  readonly #handlers: ReadonlyMap<string, Handler>
  readonly #console = new ConsoleFiles(join(projectFolder(), 'dist/console'))
  readonly #server: Server
  #closed: Promise<void> | null = null
  #api: Promise<ApiListener> | null = null
  /** When the log last said that the database is away; `performance.now()`. */
  #awayLoggedAtMs = -Infinity

  constructor(deps: AdminDependencies) {
    this.#deps = deps
    this.#access = new AccessRule(deps.token, deps.host)
    this.#handlers = adminHandlers(deps)
    this.#server = createServer(
      {
        maxHeaderSize: MAX_HEADER_BYTES,
        headersTimeout: HEADERS_TIMEOUT_MS,
        requestTimeout: REQUEST_TIMEOUT_MS,
        keepAliveTimeout: HEADERS_TIMEOUT_MS,
        connectionsCheckingInterval: 1000,
      },
      (request, response) => void this.#handle(request, response),
    )
    this.#server.maxConnections = MAX_CONNECTIONS
    this.#server.timeout = deps.queryTimeoutMs + SILENCE_TIMEOUT_MS
    this.#server.on('clientError', refuseMalformed)
  }

  /** Listens; resolves with where. Rejects with an AdminListenError. To be called once. */
  async start(): Promise<{ host: string; port: number }> {
    const { host, port, logger } = this.#deps
    await new Promise<void>((resolve, reject) => {
      const onError = (error: Error): void => reject(new AdminListenError(host, port, error))
      this.#server.once('error', onError)
      this.#server.listen(port, host, () => {
        this.#server.off('error', onError)
        resolve()
      })
    })
    // Out of descriptors while accepting, for instance: the listener goes on.
    this.#server.on('error', (error) => logger.error({ err: error }, 'admin listener'))
    const { address, port: taken } = this.#server.address() as AddressInfo
    return { host: address, port: taken }
  }

  /** Stops accepting, gives requests under way a second, then cuts them off. A second call returns the same promise. */
  close(): Promise<void> {
    this.#closed ??= new Promise((resolve) => {
      const cancel = systemClock.after(CLOSE_TIMEOUT_MS, () => this.#server.closeAllConnections())
      // Its only error is that the server was not listening, and then it is closed.
      this.#server.close(() => {
        cancel()
        resolve()
      })
      this.#server.closeIdleConnections()
    })
    return this.#closed
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    for (const [name, value] of SECURITY_HEADERS) response.setHeader(name, value)
    // A body, which no endpoint but those of the API takes, is read and thrown away by Node, for as long as the request timeout allows.
    const { url = '', method, headers } = request
    const [path, query] = splitTarget(url)
    try {
      if (path.startsWith(API_PREFIX)) {
        const answer = await this.#loadApi()
        return await answer(request, response)
      }
      const handler = this.#handlers.get(path)
      const refusal = this.#access.refusal(path, headers)
      if (refusal !== null) return sendProblem(response, refusal)
      const file = handler === undefined ? this.#console.find(path) : null
      if (handler === undefined && file === null) return sendProblem(response, NOT_FOUND)
      if (method !== 'GET' && method !== 'HEAD') return sendProblem(response, METHOD_NOT_ALLOWED)
      if (file !== null) return sendFile(response, file, headers['accept-encoding'])
      if (handler === undefined) return
      await this.#answer(handler, { query, headers }, response)
    } catch (error) {
      this.#fail(path, response, error)
    }
  }

  /** Loads the API once; what could not be loaded is tried again. */
  #loadApi(): Promise<ApiListener> {
    this.#api ??= this.#deps.loadApi().catch((error: unknown) => {
      this.#api = null
      throw error
    })
    return this.#api
  }

  async #answer(
    handler: Handler,
    { query, headers }: { readonly query: string; readonly headers: IncomingHttpHeaders },
    response: ServerResponse,
  ): Promise<void> {
    const gone = new AbortController()
    response.once('close', () => gone.abort(new DeadlineError()))
    const answer = await handler(new URLSearchParams(query), gone.signal, headers)
    response.writeHead(answer.status, {
      ...answer.headers,
      'content-type': answer.contentType,
      'content-length': Buffer.byteLength(answer.body),
    })
    response.end(answer.body)
  }

  #fail(path: string, response: ServerResponse, error: unknown): void {
    const problem = problemOf(error)
    const isLogged = problem.status >= 500 && !response.destroyed && !this.#wasAwayAlready(error)
    if (isLogged) this.#deps.logger.warn({ err: error, path, status: problem.status }, 'admin request failed')
    sendProblem(response, problem)
  }

  /** A database that is away makes one line in a minute, not one for each poll of the console. */
  #wasAwayAlready(error: unknown): boolean {
    if (!isDatabaseAway(error)) return false
    const nowMs = performance.now()
    if (nowMs - this.#awayLoggedAtMs < AWAY_LOG_INTERVAL_MS) return true
    this.#awayLoggedAtMs = nowMs
    return false
  }
}

/** A file of the console, packed for those who take it so (RFC 9110 §12.5.3); there is no body in the answer to HEAD. */
function sendFile(response: ServerResponse, file: ConsoleFile, accepted: string | string[] = ''): void {
  const isZipped = /\bgzip\b(?!\s*;\s*q=0(?:\.0*)?(?:,|$))/i.test(String(accepted))
  const body = isZipped ? file.zipped : file.plain
  response.writeHead(200, {
    ...file.headers,
    ...(isZipped ? { 'content-encoding': 'gzip' } : {}),
    'content-length': body.length,
  })
  response.end(body)
}

/** Path and query of an origin-form target (RFC 9112 §3.2.1); other forms match no path. */
function splitTarget(target: string): [path: string, query: string] {
  const mark = target.indexOf('?')
  return mark === -1 ? [target, ''] : [target.slice(0, mark), target.slice(mark + 1)]
}

const MALFORMED_STATUS: Readonly<Record<string, readonly [number, string]>> = {
  HPE_HEADER_OVERFLOW: [431, 'Request Header Fields Too Large'],
  ERR_HTTP_REQUEST_TIMEOUT: [408, 'Request Timeout'],
}

/** What could not be parsed has no response object: the answer is written by hand. */
function refuseMalformed(error: NodeJS.ErrnoException, socket: Duplex): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy()
    return
  }
  const [status, title] = MALFORMED_STATUS[error.code ?? ''] ?? [400, 'Bad Request']
  const body = JSON.stringify({ status, title })
  socket.end(
    `HTTP/1.1 ${status} ${title}\r\nContent-Type: application/problem+json\r\nContent-Length: ${body.length}\r\n` +
      `Connection: close\r\n\r\n${body}`,
    () => socket.destroy(),
  )
}
