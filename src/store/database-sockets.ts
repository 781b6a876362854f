import { once } from 'node:events'
import { connect, isIP, Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { systemNames } from '../lib/host/system-names.ts'
import { sleep } from '../lib/time/sleep.ts'
import type { DatabaseTarget } from '../model/database-target.ts'
import { startSession } from './session-start.ts'

/** PostgreSQL manual §55.7, SSLRequest: length 8, code 80877103. The server answers with one byte, 'S' for yes. */
const SSL_REQUEST = Buffer.from([0, 0, 0, 8, 4, 210, 22, 47])
const SSL_YES = 83

/** A connection that ended sooner than this was refused, one way or another. */
const SHORT_LIFE_MS = 1000
const PAUSE_MIN_MS = 25
const PAUSE_MAX_MS = 1000

export interface DatabaseSocketsOptions {
  /** Bounds reaching the server and agreeing on TLS. */
  readonly connectTimeoutMs: number
  /** 0 for no bound. */
  readonly maxSilenceMs: number
  /** Run on each connection before its driver may use it. */
  readonly statement?: string
}

/**
 * Opens and remembers the sockets of one handle. It can destroy them, which postgres.js never does: it waits for the server to
 * close. And it bounds their silence: a server that is frozen, or gone without a FIN, would keep a query pending for ever;
 * a connection without work is closed before that. With TLS it does the handshake too, because postgres.js would remove these
 * guards on the way. And it tells postgres.js of a connection's end in two steps (see `closeInSteps`), and paces its attempts: a
 * server that is starting or stopping, and refuses (57P03), is asked again without any pause otherwise, 500 times a second.
 */
export class DatabaseSockets {
  readonly #target: DatabaseTarget
  readonly #options: DatabaseSocketsOptions
  readonly #sockets = new Set<Socket>()
  #isDestroyed = false
  /** Connections in a row that were refused. */
  #refusals = 0

  constructor(target: DatabaseTarget, options: DatabaseSocketsOptions) {
    this.#target = target
    this.#options = options
  }

  /**
   * A socket for one connection, to write the startup packet to. It never rejects: what goes wrong comes as the socket's
   * `error` and `close`, because postgres.js loses the connection's slot otherwise. Throws after `destroy`.
   */
  open(): Socket | Promise<Socket> {
    // Also ends postgres.js' own reconnecting, which a handle that was ended may still have under way.
    if (this.#isDestroyed) throw new Error('database handle is closed')
    return this.#refusals === 0 ? this.#open() : this.#openLater()
  }

  async #openLater(): Promise<Socket> {
    await sleep(Math.min(PAUSE_MIN_MS * 2 ** Math.min(this.#refusals - 1, 10), PAUSE_MAX_MS))
    if (this.#isDestroyed) throw new Error('database handle is closed')
    return await this.#open()
  }

  #open(): Socket | Promise<Socket> {
    const { host, port, tls } = this.#target
    const isLocal = host.startsWith('/')
    const socket = isLocal
      ? connect(`${host}/.s.PGSQL.${port}`)
      : connect({ port, host, lookup: systemNames.lookup })
    socket.setNoDelay(true)
    this.#remember(socket)
    return tls === 'disable' || isLocal ? this.#guard(socket) : this.#secure(socket, tls === 'verify')
  }

  /** Destroys every socket; no more are opened. */
  destroy(): void {
    this.#isDestroyed = true
    for (const socket of this.#sockets) socket.destroy()
  }

  async #secure(socket: Socket, isVerified: boolean): Promise<Socket> {
    const { host } = this.#target
    const signal = AbortSignal.timeout(this.#options.connectTimeoutMs)
    try {
      await once(socket, 'connect', { signal })
      socket.write(SSL_REQUEST)
      const [answer] = (await once(socket, 'data', { signal })) as [Buffer]
      // More than the one byte was not sent by this server under this protocol, but by a machine in between (CVE-2021-23222).
      if (answer.length !== 1 || answer[0] !== SSL_YES) throw new Error('the database server offers no TLS')
      // `host` is what the certificate is checked against; a server name must not be an address (RFC 6066 §3).
      const name = isIP(host) === 0 ? { servername: host } : {}
      const secure = connectTls({ socket, host, ...name, rejectUnauthorized: isVerified })
      this.#remember(secure)
      await once(secure, 'secureConnect', { signal })
      return this.#guard(secure)
    } catch (error) {
      socket.on('error', () => {}) // `cause` is what is reported
      socket.destroy()
      const cause = error instanceof Error ? error : new Error(String(error))
      return failingSocket(signal.aborted ? timeoutError('no TLS connection in time', cause) : cause)
    }
  }

  #guard(socket: Socket): Socket {
    closeInSteps(socket)
    if (this.#options.statement !== undefined) startSession(socket, this.#options.statement)
    if (this.#options.maxSilenceMs > 0) {
      socket.setTimeout(this.#options.maxSilenceMs, () => {
        socket.destroy(timeoutError('the database has been silent for too long'))
      })
    }
    return socket
  }

  #remember(socket: Socket): void {
    this.#sockets.add(socket)
    const openedTick = performance.now()
    socket.once('close', () => {
      this.#sockets.delete(socket)
      this.#refusals = performance.now() - openedTick < SHORT_LIFE_MS ? this.#refusals + 1 : 0
    })
  }
}

/**
 * postgres.js 3.4.9 forgets the socket at its `close`, and at the same moment rejects what was under way. A transaction answers
 * with a ROLLBACK, whose write then has no socket: an exception out of a timer, which ends the process; or the write stays
 * scheduled, and that connection never writes again (its issues 1133, 1154, 1208). So an established connection's end comes as
 * `error`, which rejects what is under way, and as `close` two turns later, when what that led to has been written to nowhere:
 * `close` without an error rejects that as well. Of a connection that was closed before its session began, as a proxy with no server behind
 * it does, it would tell nobody, and connect anew for ever.
 */
function closeInSteps(socket: Socket): void {
  const emit = socket.emit.bind(socket) as (event: string | symbol, ...args: unknown[]) => boolean
  let hasFailed = false
  socket.emit = (event: string | symbol, ...args: unknown[]): boolean => {
    if (event === 'error') hasFailed = true
    if (event !== 'close') return emit(event, ...args)
    if (!hasFailed && socket.listenerCount('error') > 0) {
      emit(
        'error',
        Object.assign(new Error('the database closed the connection'), { code: 'CONNECTION_CLOSED' }),
      )
    }
    if (socket.bytesRead === 0) return emit(event, ...args)
    setImmediate(() => setImmediate(() => emit('close', false)))
    return true
  }
}

/** A socket that fails as soon as it has a listener. */
function failingSocket(error: Error): Socket {
  const socket = new Socket()
  setImmediate(() => socket.destroy(error))
  return socket
}

function timeoutError(message: string, cause?: Error): Error {
  return Object.assign(new Error(message, { cause }), { code: 'ETIMEDOUT' })
}
