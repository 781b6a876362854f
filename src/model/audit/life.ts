/** What is remembered of a process life: that the ledger has acknowledged this batch of it. */
export interface RememberedLife {
  /** UUID, lower case. */
  readonly instance: string
  readonly host: string
  /** The highest number that was stored. */
  readonly batch: number
  /** Its chain digest, hex. */
  readonly digest: string
  /** Entries settled, as rows or drops, when that batch was sealed, it included. */
  readonly settled: number
  /** Within which its entries started, as far as the process that remembers it has stored them; epoch milliseconds. */
  readonly firstAtMs: number
  readonly lastAtMs: number
}

/** A life of which the database does not have what it had acknowledged. */
export interface LostLife extends Omit<RememberedLife, 'digest'> {
  /** The life that tells of it. */
  readonly witness: string
  /** The last batch that is there, the entries settled up to it, and its time; null when there is none. */
  readonly newest: { readonly batch: number; readonly settled: number | null; readonly atMs: number } | null
  /** The batch is there, and is another one. */
  readonly isOther: boolean
}
