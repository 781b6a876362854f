/** A request that may come again. */
export interface RepeatableCall {
  /** Slug. The same key of another tenant, or on another route, is another. */
  readonly tenant: string
  readonly route: string
  /** What the client wrote, without quotes. */
  readonly key: string
  /** SHA-256 of method, path, query and body: 32 bytes. */
  readonly fingerprint: Buffer
}

/** The first answer to a call. */
export interface KeptAnswer {
  readonly status: number
  /** Names and values in turn, latin1, without those of the connection and of the body's length. */
  readonly fields: readonly string[]
  readonly body: Buffer
}

/** What is known of a call's key. */
export type KnownCall =
  /** It was answered before. */
  | { readonly kind: 'answered'; readonly answer: KeptAnswer }
  /** It was answered before with what was too large to keep; the same call is under way; the key is of another call. */
  | { readonly kind: 'unkept' | 'under_way' | 'other' }

/** What is kept of a tenant. */
export interface KeptUsage {
  /** Slug. */
  readonly tenant: string
  readonly keys: number
  /** Of answers, as they are stored. */
  readonly bytes: number
}

/** Where calls are kept, for all gateways: whoever is first is decided there. Methods reject while it is away. */
export interface CallStore {
  /** Claims the key for `leaseMs`, under the id `claim`, unless it is known. */
  claim(call: RepeatableCall, claim: string, leaseMs: number): Promise<KnownCall | { readonly kind: 'first' }>
  /** What is known of the key, which is not claimed; null for nothing. */
  find(call: RepeatableCall): Promise<KnownCall | null>
  /** Keeps the answer, or that there was one, for `ttlMs`; false when the claim does not hold any more. */
  keep(call: RepeatableCall, claim: string, answer: KeptAnswer | null, ttlMs: number): Promise<boolean>
  /** Lets go of the key, unless it is answered or claimed by another. */
  release(call: RepeatableCall, claim: string): Promise<void>
  /** Claims hold for so long from now. */
  renew(claims: readonly string[], leaseMs: number): Promise<void>
  /** Of each tenant of which anything is kept. */
  usage(): Promise<readonly KeptUsage[]>
}

/** A call that is the first with its key. */
export interface HeldCall {
  /** Keeps its answer, or that there was one. Resolves when that is done, or has taken too long. Never rejects. */
  keep(answer: KeptAnswer | null, ttlMs: number): Promise<void>
  /** The next call with the key is the first again. Resolves as `keep`; after that, or a second time, it does nothing. */
  release(): Promise<void>
}

/** What became of a claim; `unknown` when nobody can tell in time, `full` for a new key of a tenant that has as many as it may. */
export type Claimed =
  | KnownCall
  | { readonly kind: 'first'; readonly held: HeldCall }
  | { readonly kind: 'unknown' | 'full' }

/** The data plane's end of what is kept of calls. */
export interface CallBook {
  /** Never rejects, and takes a bounded time. */
  claim(call: RepeatableCall): Promise<Claimed>
}

/** Knows nothing of any call. */
export const NO_CALLS: CallBook = { claim: () => Promise.resolve({ kind: 'unknown' }) }
