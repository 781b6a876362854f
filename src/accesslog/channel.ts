import { Ring } from '../lib/ring.ts'
import type { AccessEntry, EntrySink } from '../model/access-entry.ts'
import type { ChannelStats as PublicStats } from '../model/stats.ts'
import type { DropReason, Ledger } from './ledger.ts'

/** Heap of an entry without its texts, and of its slot. Measured: an entry with typical texts takes about 900 bytes. */
const ENTRY_OVERHEAD_BYTES = 512

/** Sum of the lengths of an entry's texts, in UTF-16 code units; NaN, or a throw, when one is no text. */
export function textUnits(entry: AccessEntry): number {
  return (
    entry.tenant.length +
    entry.keyId.length +
    entry.route.length +
    entry.method.length +
    entry.host.length +
    entry.path.length +
    entry.upstream.length +
    entry.clientIp.length +
    entry.userAgent.length +
    entry.requestId.length +
    entry.traceId.length +
    entry.ecosystem.length +
    entry.package.length +
    entry.version.length
  )
}

/** The writer's end of the channel: who decides which entry comes next. */
export interface EntrySource {
  /** Entries waiting. */
  readonly size: number
  /** seq of the last entry accepted; 0 before the first. */
  readonly lastSeq: number
  /** Smallest seq among the entries waiting; Infinity when there are none. */
  readonly oldestSeq: number
  /** The entry that `shift` would return; undefined when empty. */
  peek(): AccessEntry | undefined
  /** Removes and returns the next entry; it stays in the ledger's `buffered` until the caller settles it. */
  shift(): AccessEntry | undefined
  /**
   * Names the one listener: called inside `push` when the first entry arrives in the empty channel and when the number
   * waiting reaches `threshold`, so it must be quick and must not throw.
   */
  onWaiting(threshold: number, listener: (size: number) => void): void
  /** From now on every entry is dropped as `shutdown`; what waits is forgotten: the caller has accounted for it. */
  close(): void
}

/** What the channel holds, for metrics. */
export interface ChannelStats extends PublicStats {
  readonly lastSeq: number
  readonly isClosed: boolean
}

/**
 * The meeting point of data plane and background: a first-in-first-out queue of access entries, bounded in entries and in
 * estimated bytes. When full it drops the entry that arrives, and counts it.
 */
export class Channel implements EntrySink, EntrySource {
  readonly #ring: Ring<AccessEntry>
  readonly #ledger: Ledger
  readonly #capacityBytes: number
  #bytes = 0
  #lastSeq = 0
  #isClosed = false
  #threshold = Infinity
  #onWaiting: (size: number) => void = () => {}

  /** `capacityBytes` counts one byte per code unit, as V8 keeps latin1 header texts, and a constant per entry. */
  constructor(options: {
    readonly capacityEntries: number
    readonly capacityBytes: number
    readonly ledger: Ledger
  }) {
    this.#ring = new Ring(options.capacityEntries)
    this.#capacityBytes = options.capacityBytes
    this.#ledger = options.ledger
  }

  /** See EntrySink: the entry belongs to the channel afterwards. Its cost is measured by writer.bench.ts. */
  push(entry: AccessEntry): boolean {
    let bytes: number
    try {
      bytes = entryBytes(entry)
    } catch {
      bytes = Number.NaN
    }
    entry.seq = ++this.#lastSeq
    // Not a number: a text is missing, a bug of the caller's. It costs the entry, never the request.
    if (!(bytes >= 0)) return this.#drop('', 'rejected')
    if (this.#isClosed) return this.#drop(entry.tenant, 'shutdown')
    if (this.#bytes + bytes > this.#capacityBytes || !this.#ring.push(entry)) {
      return this.#drop(entry.tenant, 'channel_full')
    }
    this.#bytes += bytes
    const account = this.#ledger.account(entry.tenant)
    account.accepted++
    account.buffered++
    const size = this.#ring.size
    if (size === 1 || size === this.#threshold) this.#onWaiting(size)
    return true
  }

  get size(): number {
    return this.#ring.size
  }

  get lastSeq(): number {
    return this.#lastSeq
  }

  get oldestSeq(): number {
    return this.#ring.peek()?.seq ?? Infinity
  }

  peek(): AccessEntry | undefined {
    return this.#ring.peek()
  }

  shift(): AccessEntry | undefined {
    const entry = this.#ring.shift()
    if (entry !== undefined) this.#bytes -= entryBytes(entry)
    // Should somebody have changed an entry after its push, the estimate is right again here.
    if (this.#ring.size === 0) this.#bytes = 0
    return entry
  }

  onWaiting(threshold: number, listener: (size: number) => void): void {
    this.#threshold = threshold
    this.#onWaiting = listener
  }

  close(): void {
    this.#isClosed = true
    while (this.#ring.shift() !== undefined);
    this.#bytes = 0
  }

  /** A copy of the numbers at this moment. */
  get stats(): ChannelStats {
    return {
      size: this.#ring.size,
      capacityEntries: this.#ring.capacity,
      bytes: this.#bytes,
      capacityBytes: this.#capacityBytes,
      lastSeq: this.#lastSeq,
      isClosed: this.#isClosed,
    }
  }

  #drop(tenant: string, reason: DropReason): false {
    const account = this.#ledger.account(tenant)
    account.accepted++
    this.#ledger.drop(account, reason)
    return false
  }
}

function entryBytes(entry: AccessEntry): number {
  return ENTRY_OVERHEAD_BYTES + textUnits(entry)
}
