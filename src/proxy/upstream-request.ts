import type { Readable } from 'node:stream'

/** A request for an upstream, ready to be sent. `path` starts with '/', `headers` is a flat list. */
export interface UpstreamRequest {
  readonly method: string
  readonly path: string
  readonly headers: string[]
  readonly body: Readable | null
}

/** Where a response comes from. */
export interface ResponseSource {
  /** More data is welcome after an `onData` that returned false. */
  resume(): void
}

/** Who hears of the response. Calls come in this order; `onError` may come at any point and is the last. */
export interface ResponseReceiver {
  /** A connection was found; `abort` destroys it with the request. A throw gives the connection back unused. */
  onConnect(abort: (error: Error) => void): void
  /** A response head, 1xx ones included. `raw` holds names and values in turn. */
  onHeaders(status: number, raw: Buffer[], source: ResponseSource, statusText: string): void
  /** False asks to hold back; up to one read of the socket may still follow. */
  onData(chunk: Buffer): boolean
  /** The response is complete. `isCut` when its end was a broken connection and not an end. */
  onEnd(rawTrailers: (Buffer | string)[], isCut: boolean): void
  /**
   * It failed. `isUnheard`: a kept-alive connection ended before a byte of the response came, as happens when the
   * upstream closes it at that very moment; such a request may be sent once more (RFC 9112 §9.3.1).
   */
  onError(error: NodeJS.ErrnoException, isUnheard: boolean): void
}

/** A place taken in an upstream's queue, or on one of its connections. */
export interface Dispatched {
  /** Leaves the queue. Returns false when the request is no longer in it: then `abort` of `onConnect` ends it. */
  leave(): boolean
}
