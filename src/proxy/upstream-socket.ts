import { connect, isIP, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'

/** Where and how an origin is reached. */
export interface UpstreamTarget {
  readonly isTls: boolean
  readonly hostname: string
  readonly port: number
  /** Value of the Host field: without the scheme's own port. */
  readonly host: string
  readonly connectTimeoutMs: number
  /** Of an earlier connection, for a short handshake; null before there was one. */
  session: Buffer | null
}

const KEEP_ALIVE_PROBE_MS = 60_000

/** Reads an origin (`http:` or `https:` URL without path). */
export function upstreamTarget(origin: string, connectTimeoutMs: number): UpstreamTarget {
  const { protocol, hostname, port, host } = new URL(origin)
  const isTls = protocol === 'https:'
  return {
    isTls,
    hostname: hostname.startsWith('[') ? hostname.slice(1, -1) : hostname,
    port: port === '' ? (isTls ? 443 : 80) : Number(port),
    host,
    connectTimeoutMs,
    session: null,
  }
}

/** Who reads a socket. */
export interface SocketReader {
  /** So many bytes were read into the buffer that `nextBuffer` gave last. */
  onRead(length: number): void
  /** Asked once at first, and after each `onRead`. */
  nextBuffer(): Buffer
}

/** Begins to connect; `connect` or `secureConnect` follows, then `reader` hears of each read. */
export function openUpstreamSocket(target: UpstreamTarget, reader: SocketReader): Socket {
  const options = {
    host: target.hostname,
    port: target.port,
    noDelay: true,
    keepAlive: true,
    keepAliveInitialDelay: KEEP_ALIVE_PROBE_MS,
    onread: {
      buffer: () => reader.nextBuffer(),
      callback: (length: number): boolean => {
        reader.onRead(length)
        return true
      },
    },
  }
  if (!target.isTls) return connect(options)
  const socket = connectTls({
    ...options,
    servername: isIP(target.hostname) === 0 ? target.hostname : '',
    ALPNProtocols: ['http/1.1'],
    ...(target.session === null ? {} : { session: target.session }),
  })
  socket.on('session', (session) => {
    target.session = session
  })
  return socket
}
