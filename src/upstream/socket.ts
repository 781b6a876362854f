import { connect, isIP, type LookupFunction, type Socket } from 'node:net'
import { connect as connectTls, createSecureContext, type SecureContext, type TLSSocket } from 'node:tls'
import type { Names } from '../lib/host/names.ts'
import { systemNames } from '../lib/host/system-names.ts'
import type { UpstreamTls } from '../model/route.ts'
import { withoutLinkLocal } from './address.ts'
import type { Destination } from './request.ts'

/** Where and how an origin is reached. */
export interface UpstreamTarget {
  readonly isTls: boolean
  readonly hostname: string
  readonly port: number
  /** Value of the Host field: without the scheme's own port. */
  readonly host: string
  readonly connectTimeoutMs: number
  readonly names: Pick<Names, 'leadsTo'>
  readonly lookup: LookupFunction
  /** Name that the certificate must bear and that is asked for (SNI); '' for an address. */
  readonly serverName: string
  /** CAs, client certificate and version; null without TLS. */
  readonly secureContext: SecureContext | null
  /** Of an earlier connection, for a short handshake; null before there was one. */
  session: Buffer | null
}

const KEEP_ALIVE_PROBE_MS = 60_000

/**
 * How a route reaches an origin. What the route says of its upstream's name is for that alone, and its certificates for that and its
 * siblings. Throws on TLS files that do not fit together.
 */
export function upstreamTarget(
  { route, origin, standing }: Pick<Destination, 'route' | 'origin' | 'standing'>,
  names: Pick<Names, 'lookup' | 'leadsTo'> = systemNames,
): UpstreamTarget {
  const { protocol, hostname, port, host } = new URL(origin)
  const isTls = protocol === 'https:'
  const bare = hostname.startsWith('[') ? hostname.slice(1, -1) : hostname
  const isOwn = standing === 'upstream'
  const { upstreamHost = null } = route.upstream
  const tls = standing === 'stranger' ? null : (route.upstream.tls ?? null)
  const fixedHost = upstreamHost === 'pass' || !isOwn ? null : upstreamHost
  const serverName = (isOwn ? tls?.serverName : null) ?? fixedHost?.replace(/:\d+$/, '') ?? bare
  return {
    isTls,
    hostname: bare,
    port: port === '' ? (isTls ? 443 : 80) : Number(port),
    host: fixedHost ?? host,
    connectTimeoutMs: route.connectTimeoutMs,
    names,
    lookup: isOwn ? names.lookup : withoutLinkLocal(names.lookup),
    serverName: isIP(serverName) === 0 ? serverName : '',
    secureContext: isTls ? createSecureContext(secureOptions(tls)) : null,
    session: null,
  }
}

function secureOptions(tls: UpstreamTls | null): Parameters<typeof createSecureContext>[0] {
  if (tls === null) return {}
  const { ca, cert, key, minVersion } = tls
  return {
    ...(ca === null ? {} : { ca }),
    ...(cert === null ? {} : { cert }),
    ...(key === null ? {} : { key }),
    ...(minVersion === null ? {} : { minVersion }),
  }
}

/** Who reads a socket. */
export interface SocketReader {
  /** So many bytes were read into the buffer that `nextBuffer` gave last. */
  onRead(length: number): void
  /** Asked once at first, and after each `onRead`. */
  nextBuffer(): Buffer
}

/** Begins to connect; `connect` or `secureConnect` follows, then `reader` hears of each read; null: `data` events do. */
export function openUpstreamSocket(target: UpstreamTarget, reader: SocketReader | null): Socket {
  const options = {
    host: target.hostname,
    port: target.port,
    noDelay: true,
    keepAlive: true,
    keepAliveInitialDelay: KEEP_ALIVE_PROBE_MS,
    lookup: target.lookup,
    ...(reader === null ? {} : { onread: readInto(reader) }),
  }
  if (target.secureContext === null) return connect(options)
  const socket = connectTls({
    ...options,
    servername: target.serverName,
    secureContext: target.secureContext,
    ALPNProtocols: ['http/1.1'],
    ...(target.session === null ? {} : { session: target.session }),
  })
  socket.on('session', (session) => {
    target.session = session
  })
  return socket
}

function readInto(reader: SocketReader): {
  buffer: () => Buffer
  callback: (length: number) => boolean
} {
  return {
    buffer: () => reader.nextBuffer(),
    callback: (length) => {
      reader.onRead(length)
      return true
    },
  }
}

/** Where Node keeps the TCP handle under a TLS connection. */
interface TlsInside {
  readonly _handle?: { readonly _parent?: { readStart?: () => number } | null } | null
}

/** How an end that the peer did not announce is told from one that it did. */
const IS_READING = new Set([-114, -149, -37, -4084]) // EALREADY of Linux, musl and MIPS, macOS and BSD, Windows

/**
 * Whether a TLS connection whose end was read has been ended by its peer, and not cut by somebody in between: the peer says so
 * by a `close_notify` (RFC 8446 §6.1, RFC 9112 §9.8). Node tells both as `end`. They differ in one thing: a `close_notify` is data, so
 * the TCP connection below is still being read when it is told of; after a bare FIN it is not. `isPaused`: then nothing
 * was read but what had come before, and a FIN can not have been. True without TLS, where nothing can be told.
 */
export function isEndProven(socket: Socket, isPaused: boolean): boolean {
  if (!isTlsSocket(socket) || isPaused) return true
  const tcp = (socket as unknown as TlsInside)._handle?._parent
  const verdict = typeof tcp?.readStart === 'function' ? tcp.readStart() : 0
  return IS_READING.has(verdict)
}

function isTlsSocket(socket: Socket): socket is TLSSocket {
  return 'encrypted' in socket && socket.encrypted === true
}
