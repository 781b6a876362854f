import type { Socket } from 'node:net'
import { TLSSocket, type SecureContext } from 'node:tls'
import type { CertificateExpiry, ConnectionRefusal } from '../model/stats.ts'
import { readProxyHeader } from './proxy-protocol.ts'
import { sourceOf } from '../model/source-network.ts'
import { Sources } from './connections-per-source.ts'
import type { Origin } from '../proxy/exchange/connection.ts'

/** The certificates of a listener, by the names that clients ask for. */
export interface ServerNames {
  /** For a name, or the first one. */
  contextFor(name: string): SecureContext
  readonly expiries: readonly CertificateExpiry[]
}

/** Who goes on with connections. */
export interface ArrivalOwner {
  /** Serves it; `first` was read already. */
  begin(socket: Socket, origin: Origin, first: Buffer | null): void
  /** Answers a request that came without TLS where TLS is spoken. */
  refusePlain(socket: Socket, origin: Origin): void
  /** Whether the peer's word is taken for whom it speaks. */
  trusts(peer: string): boolean
  /** A connection was refused: counted, and told now and then. */
  refused(reason: ConnectionRefusal, fields: object): void
}

/** Milliseconds and connections. */
export interface ArrivalOptions {
  readonly hasProxyProtocol: boolean
  readonly handshakeTimeoutMs: number
  readonly maxConnectionsPerSource: number
}

const HANDSHAKE = 0x16
const isLetter = (byte: number): boolean => byte >= 0x41 && byte <= 0x5a

/**
 * A connection from its acceptance to its first request: whose it is, and, with TLS, the handshake. All of it takes
 * `handshakeTimeoutMs` at most.
 *
 *     accepted ──(PROXY header, of trusted peers)──► counted by its source ──(TLS handshake)──► begun
 */
export class Arrivals {
  readonly #options: ArrivalOptions
  readonly #owner: ArrivalOwner
  readonly #sources: Sources
  /** Those on the way, and when they are broken off. */
  readonly #underWay = new Map<Socket, number>()
  /** Certificates; null without TLS. Counts for what is accepted from now on. */
  names: ServerNames | null = null

  constructor(options: ArrivalOptions, owner: ArrivalOwner) {
    this.#options = options
    this.#owner = owner
    this.#sources = new Sources(options.maxConnectionsPerSource)
  }

  get size(): number {
    return this.#underWay.size
  }

  take(accepted: Socket): void {
    const peer = accepted.remoteAddress ?? ''
    if (this.#options.hasProxyProtocol && this.#owner.trusts(peer)) this.#readHeader(accepted, peer)
    else this.#admit(accepted, peer, null)
  }

  /** Breaks off what takes too long. */
  tick(nowTick: number): void {
    for (const [socket, deadline] of this.#underWay) if (deadline < nowTick) socket.destroy()
  }

  destroyAll(): void {
    for (const socket of this.#underWay.keys()) socket.destroy()
  }

  #readHeader(accepted: Socket, peer: string): void {
    this.#readFirst(
      accepted,
      (bytes) => {
        const header = readProxyHeader(bytes)
        return header.state === 'partial' ? null : header
      },
      (header, bytes) => {
        if (header.state === 'invalid') {
          this.#owner.refused('proxy_header', { peer })
          accepted.destroy()
          return
        }
        const rest = bytes.subarray(header.length)
        this.#admit(accepted, header.source ?? peer, rest.length === 0 ? null : rest)
      },
    )
  }

  #admit(accepted: Socket, peer: string, first: Buffer | null): void {
    // Balancers have many; whose address is not known cannot be counted.
    if (peer !== '' && this.#options.maxConnectionsPerSource > 0 && !this.#owner.trusts(peer)) {
      const source = sourceOf(peer)
      if (!this.#sources.enter(source)) {
        const { max } = this.#sources
        this.#owner.refused('max_per_source', { source, max })
        accepted.destroy()
        return
      }
      accepted.once('close', () => this.#sources.leave(source))
    }
    const { names } = this
    if (names === null) {
      this.#owner.begin(accepted, { peer, proto: 'http' }, first)
      return
    }
    if (first !== null) this.#secure(accepted, peer, names, first)
    else
      this.#readFirst(
        accepted,
        (bytes) => bytes,
        (bytes) => this.#secure(accepted, peer, names, bytes),
      )
  }

  #secure(accepted: Socket, peer: string, names: ServerNames, first: Buffer): void {
    const byte = first[0] ?? 0
    if (byte !== HANDSHAKE) {
      this.#owner.refused('not_tls', { peer })
      if (isLetter(byte)) this.#owner.refusePlain(accepted, { peer, proto: 'http' })
      else accepted.destroy()
      return
    }
    this.#underWay.set(accepted, performance.now() + this.#options.handshakeTimeoutMs)
    accepted.unshift(first)
    const secure = new TLSSocket(accepted, {
      isServer: true,
      secureContext: names.contextFor(''),
      SNICallback: (name, done) => done(null, names.contextFor(name)),
      ALPNProtocols: ['http/1.1'],
    })
    // Only the TCP connection below can be reset.
    secure.resetAndDestroy = () => {
      accepted.resetAndDestroy()
      return secure
    }
    secure.on('error', () => {})
    let isSecure = false
    secure.once('close', () => {
      if (!isSecure) this.#owner.refused('tls_handshake', { peer })
      accepted.destroy()
    })
    secure.once('secure', () => {
      isSecure = true
      this.#underWay.delete(accepted)
      this.#owner.begin(secure, { peer, proto: 'https' }, null)
    })
  }

  /** Reads until `parse` has something, and then stops reading. A client that ends before has left. */
  #readFirst<T>(
    accepted: Socket,
    parse: (bytes: Buffer) => T | null,
    next: (parsed: T, bytes: Buffer) => void,
  ): void {
    this.#underWay.set(accepted, performance.now() + this.#options.handshakeTimeoutMs)
    let held: Buffer = Buffer.alloc(0)
    const onEnd = (): void => void accepted.destroy()
    const onData = (bytes: Buffer): void => {
      held = held.length === 0 ? bytes : Buffer.concat([held, bytes])
      const parsed = parse(held)
      if (parsed === null) return
      accepted.off('data', onData)
      accepted.off('end', onEnd)
      accepted.pause()
      this.#underWay.delete(accepted)
      // Not from within the read: whoever goes on may take the handle over.
      process.nextTick(() => {
        if (!accepted.destroyed) next(parsed, held)
      })
    }
    accepted.on('error', () => {}) // 'close' follows, and tells all that is needed
    accepted.once('close', () => this.#underWay.delete(accepted))
    accepted.on('data', onData)
    accepted.once('end', onEnd)
    // Paused by the reading before this one: a listener alone does not set it going again.
    if (accepted.isPaused()) accepted.resume()
  }
}
