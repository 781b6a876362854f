/** The request of a sender, as its receiver shall get it. */
export interface ParcelHead {
  readonly method: string
  /** At the gateway: its beginning as the route writes it; where it leads upstream is told by the route of the attempt. */
  readonly path: string
  /** Path and query as entries show them, without secrets. */
  readonly shown: string
  /** With its `?`, or ''. */
  readonly query: string
  /** Value of the Host field where the route passes the client's; null for the origin's. */
  readonly host: string | null
  /** Fields for the receiver, without credentials of the gateway's: name, value, …. */
  readonly fields: readonly string[]
}

/** What a sender gave, and is promised to be delivered. */
export interface Parcel {
  /** UUID of version 7: begins with `receivedAtMs`. */
  readonly id: string
  /** Epoch milliseconds, whole. */
  readonly receivedAtMs: number
  readonly tenant: string
  readonly route: string
  /** See docs/integrations.md: those with the same keep their order; '' for none. */
  readonly lane: string
  /** Those of the same become one call; '' for none. */
  readonly coalesceBy: string
  /** The sender's id, or the digest of the body, by which duplicates are told; null where they are not. */
  readonly senderKey: string | null
  /** For how long, milliseconds. */
  readonly dedupeMs: number
  readonly requestId: string
  readonly traceId: string
  readonly head: ParcelHead
  readonly body: Buffer
}

/** What is kept of a body: see `packBody`. */
export interface PackedBody {
  readonly packing: string
  readonly bytes: Buffer
}
