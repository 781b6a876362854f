/** What bounds a stream. */
export interface EventStreamBounds {
  /** Entries that wait for a client that reads slowly; the oldest are left out beyond. */
  readonly maxQueued: number
  /** A client that has taken nothing for so long is cut off. */
  readonly maxStallMs: number
}

/** What bounds the streams of a process. */
export interface StreamBounds extends EventStreamBounds {
  /** How often new entries are looked for while somebody listens. */
  readonly pollMs: number
  readonly maxListeners: number
  readonly beatMs: number
  /** How often it is asked whether the client may still listen. */
  readonly recheckMs: number
  /** A client that comes again is caught up on so long, and so many entries. */
  readonly maxCatchUpMs: number
  readonly maxCatchUpEntries: number
}

/** The usual ones. */
export const STREAM_BOUNDS: StreamBounds = {
  pollMs: 500,
  maxListeners: 64,
  maxQueued: 1000,
  maxStallMs: 300_000,
  beatMs: 15_000,
  recheckMs: 5000,
  maxCatchUpMs: 600_000,
  maxCatchUpEntries: 5000,
}
