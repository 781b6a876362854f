import { randomUUID } from 'node:crypto'
import type { Clock } from '../lib/time/clock.ts'
import { endsWithin } from '../lib/time/within.ts'
import type {
  CallBook,
  CallStore,
  Claimed,
  HeldCall,
  KeptAnswer,
  KnownCall,
  RepeatableCall,
} from '../model/idempotency/kept-calls.ts'
import type { KeptShare } from './kept-share.ts'
import type { IdempotencyStats } from '../model/stats.ts'

/** A claim whose gateway has died holds for so long. */
export const LEASE_MS = 30_000
/** Claims are renewed so often: two renewals may fail. */
export const RENEW_MS = 10_000
/** A client waits no longer for what the database says of its key: a connection may have to be made. */
const CLAIM_MS = 5000
/** And no longer for its answer to be kept. */
const END_MS = 2000
/** Statements under way: what comes beyond them finds a database that is too slow to decide. */
const MAX_ASKED = 1000
/**
 * Bytes of answers on their way to the database, which hold several times their room: while it takes none, what comes beyond is kept as
 * an answer that was too large.
 */
const MAX_ENDING_BYTES = 64 * 1024 * 1024

/** What the database says of a key. */
type Heard = KnownCall | { readonly kind: 'first' } | { readonly kind: 'full' }

export interface CallBookParts {
  readonly store: CallStore
  readonly clock: Clock
  /** What is kept of each tenant. */
  readonly share: KeptShare
  /** The database did not do what was asked. */
  readonly onFailure: (error: unknown) => void
}

/**
 * Calls with a key that this process has under way, and what it asks of the database about them. While the database does not answer, one
 * call at a time asks it, and all others are told at once that nobody knows.
 */
export class PostgresCallBook implements CallBook {
  readonly #parts: CallBookParts
  readonly #claims = new Set<string>()
  readonly #counts = {
    first: 0,
    replayed: 0,
    in_use: 0,
    reused: 0,
    unkept: 0,
    unknown: 0,
    full: 0,
  }
  readonly #ends = { kept: 0, too_large: 0, released: 0, failed: 0 }
  /** What the database is being told. */
  readonly #ending = new Set<Promise<void>>()
  #endingBytes = 0
  #asked = 0
  #isAway = false
  #isClosed = false

  constructor(parts: CallBookParts) {
    this.#parts = parts
  }

  get stats(): IdempotencyStats {
    return { results: this.#counts, ends: this.#ends, underWay: this.#claims.size }
  }

  /** See CallBook. */
  async claim(call: RepeatableCall): Promise<Claimed> {
    const claimed = await this.#ask(call)
    this.#counts[COUNTED[claimed.kind]]++
    return claimed
  }

  async #ask(call: RepeatableCall): Promise<Claimed> {
    if (this.#isClosed || this.#asked >= (this.#isAway ? 1 : MAX_ASKED)) return { kind: 'unknown' }
    const { store, clock, share, onFailure } = this.#parts
    const claim = randomUUID()
    const heard: { known: Heard | null; isLate: boolean } = { known: null, isLate: false }
    const isFull = share.isFull(call.tenant)
    this.#asked++
    const asking: Promise<Heard> = isFull
      ? store.find(call).then((known) => known ?? { kind: 'full' })
      : store.claim(call, claim, LEASE_MS)
    const asked = asking
      .then(
        (known) => {
          heard.known = known
          this.#isAway = false
          // Nobody waits for it any more.
          if (heard.isLate && known.kind === 'first') void store.release(call, claim).catch(onFailure)
        },
        (error: unknown) => {
          this.#isAway = true
          onFailure(error)
        },
      )
      .finally(() => this.#asked--)
    if (!(await endsWithin(asked, CLAIM_MS, clock))) {
      heard.isLate = true
      this.#isAway = true
    }
    const { known } = heard
    if (known === null) return { kind: 'unknown' }
    if (known.kind !== 'first') return known
    share.note(call.tenant, 1, 0)
    return { kind: 'first', held: this.#hold(call, claim) }
  }

  #hold(call: RepeatableCall, claim: string): HeldCall {
    this.#claims.add(claim)
    return {
      keep: (answer: KeptAnswer | null, ttlMs: number) => {
        const hasRoom = answer === null || this.#endingBytes + answer.body.length <= MAX_ENDING_BYTES
        return this.#end(claim, () => this.#keep(call, claim, hasRoom ? answer : null, ttlMs))
      },
      release: () =>
        this.#end(claim, async () => {
          await this.#parts.store.release(call, claim)
          this.#ends.released++
        }),
    }
  }

  async #keep(call: RepeatableCall, claim: string, answer: KeptAnswer | null, ttlMs: number): Promise<void> {
    const { store, share } = this.#parts
    const bytes = answer?.body.length ?? 0
    this.#endingBytes += bytes
    try {
      const isKept = await store.keep(call, claim, answer, ttlMs)
      if (isKept && answer !== null) share.note(call.tenant, 0, bytes)
      this.#ends[!isKept ? 'failed' : answer === null ? 'too_large' : 'kept']++
    } finally {
      this.#endingBytes -= bytes
    }
  }

  /** Ends a claim, once. What the database does not hear of ends with its lease. */
  async #end(claim: string, tell: () => Promise<void>): Promise<void> {
    if (!this.#claims.delete(claim)) return
    const { clock, onFailure } = this.#parts
    const told = tell().catch((error: unknown) => {
      this.#ends.failed++
      onFailure(error)
    })
    this.#ending.add(told)
    void told.then(() => this.#ending.delete(told))
    await endsWithin(told, END_MS, clock)
  }

  /** Has the claims of calls under way hold on; to be called every `RENEW_MS`. Rejects as the store does. */
  async renew(): Promise<void> {
    if (this.#claims.size > 0) await this.#parts.store.renew([...this.#claims], LEASE_MS)
  }

  /** Claims no more; what ends is told to the database within `ms`. */
  async stop(ms: number): Promise<void> {
    this.#isClosed = true
    await endsWithin(Promise.all(this.#ending), ms, this.#parts.clock)
  }
}

const COUNTED = {
  first: 'first',
  answered: 'replayed',
  under_way: 'in_use',
  other: 'reused',
  unkept: 'unkept',
  unknown: 'unknown',
  full: 'full',
} as const
