import type { Socket } from 'node:net'
import type { BodySource } from '../../http/body.ts'

/** A body of which not all came with its head. */
export interface ClientBody extends BodySource {
  /** See BodySource: the rest is read and thrown away, and `then` called when that has come to its end. */
  stop(then?: () => void): void
}

/** Where a tunnel begins: Node's server has given the connection away with the request for it. */
export interface TunnelStart {
  /** What came behind the request. */
  readonly head: Buffer
  /** Bytes that the connection had read before that. */
  readonly readBefore: number
}

/**
 * A request as the client's connection read it: by Node's HTTP server, see `NodeRequest`, or by the gateway itself when the request is
 * plain, see `PlainConnection`.
 */
export interface ClientRequest {
  readonly method?: string | undefined
  /** The request target as it came. */
  readonly url?: string | undefined
  readonly httpVersionMajor: number
  readonly httpVersionMinor: number
  /** Names and values in turn, latin1, as received. */
  readonly rawHeaders: string[]
  /** A Buffer is all of it; null when there is none, or an empty one. */
  readonly body: Buffer | ClientBody | null
  /** Set when the client asks for a tunnel: by Upgrade, or CONNECT. */
  readonly tunnel: TunnelStart | null
  /** All of the request has arrived, the body included. */
  readonly complete: boolean
}

/** Where a response is written; what the data plane uses of Node's `ServerResponse`, see `NodeResponse`, `SocketResponse`. */
export interface ClientResponse {
  /** Whether the connection may serve another request; counts until the head is written. */
  shouldKeepAlive: boolean
  readonly headersSent: boolean
  readonly writableEnded: boolean
  /** All of it was handed to the system. */
  readonly writableFinished: boolean
  /** null while an earlier response of the connection is under way. */
  readonly socket: Socket | null
  /** Has the client send the body that it holds back (RFC 9110 §10.1.1). */
  writeContinue(): void
  /** Sets the head; it goes out with the first write. `fields`: names and values in turn. */
  writeHead(status: number, fields: string[]): unknown
  writeHead(status: number, statusText: string, fields: string[]): unknown
  /**
   * Writes a part of the body; nothing of it still writes the head. The bytes must not change before `onWritten` was called, or
   * the socket has nothing left to write.
   */
  write(bytes: Buffer, onWritten?: (error: Error | null | undefined) => void): unknown
  /** Writes a whole body, small and only lent, with its head in one go; `end` follows. */
  writeWhole(bytes: Buffer): void
  addTrailers(trailers: [string, string][]): void
  /** Ends the body, with a whole one as for `writeWhole` if it is given, and lets out what a corked socket held back. */
  end(body?: Buffer): unknown
  /** Breaks the connection off. */
  destroy(): unknown
  /** It is finished, or can be no more. */
  once(event: 'close', listener: () => void): unknown
}

/** What came and is no request. */
export const UNREAD: ClientRequest = {
  httpVersionMajor: 1,
  httpVersionMinor: 1,
  rawHeaders: [],
  body: null,
  tunnel: null,
  complete: true,
}
