import type { AccessEntry, EntrySink, ReserveRefusal } from '../model/access-entry.ts'
import type { ChannelStats } from '../model/stats.ts'
import { FairQueue } from './fair-queue.ts'
import type { DropReason, Ledger } from './ledger.ts'
import type { TenantShare } from './tenant-share.ts'

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
    entry.version.length +
    entry.qualifiers.length +
    entry.upstreamLimit.length +
    entry.ruleId.length +
    entry.digest.length
  )
}

/**
 * The writer's end of the channel. Entries come in the order of their acceptance: `shift` returns ever larger seqs, with holes
 * where entries were dropped. Digests, `oldestSeq` and the batches' ranges rely on it.
 */
export interface EntrySource {
  /** Entries waiting. */
  readonly size: number
  /** How full it is, 0 to 1: in entries or in bytes, whichever is more. */
  readonly fill: number
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
export interface ChannelReport extends ChannelStats {
  readonly lastSeq: number
  readonly isClosed: boolean
}

/**
 * The meeting point of data plane and background: a first-in-first-out queue of access entries, bounded in entries and in
 * estimated bytes. When it is full, an entry is dropped and counted: the queue decides of which tenant (see FairQueue).
 */
export class Channel implements EntrySink, EntrySource {
  readonly #queue: FairQueue
  readonly #ledger: Ledger
  #lastSeq = 0
  #isClosed = false
  #threshold = Infinity
  #onWaiting: (size: number) => void = () => {}
  #isBlocked: () => boolean = () => false

  /** `capacityBytes` counts one byte per code unit, as V8 keeps latin1 header texts, and a constant per entry. */
  constructor(options: {
    readonly capacityEntries: number
    readonly capacityBytes: number
    readonly ledger: Ledger
  }) {
    const { ledger, ...bounds } = options
    this.#ledger = ledger
    this.#queue = new FairQueue({
      ...bounds,
      shareOf: (tenant) => ledger.account(tenant).queueShare,
      shares: () => sharesOf(ledger),
      onEvicted: (entry) => ledger.dropBuffered(entry.tenant, 1, 'channel_full'),
    })
  }

  /** See EntrySink: the entry belongs to the channel afterwards. Its cost is measured by writer.bench.ts. */
  push(entry: AccessEntry): boolean {
    try {
      entry.bytes = ENTRY_OVERHEAD_BYTES + textUnits(entry)
    } catch {
      entry.bytes = Number.NaN
    }
    entry.seq = ++this.#lastSeq
    // Not a number: a text is missing, a bug of the caller's. It costs the entry, never the request.
    if (!(entry.bytes >= 0)) {
      if (entry.standing === 'held') this.#queue.forgo(this.#ledger.account(entry.tenant).queueShare)
      return this.#drop('', 'rejected')
    }
    if (this.#isClosed) return this.#drop(entry.tenant, 'shutdown')
    const account = this.#ledger.account(entry.tenant)
    if (!this.#queue.push(entry, account.queueShare)) return this.#drop(entry.tenant, 'channel_full')
    this.#ledger.accept(account)
    const { size } = this.#queue
    if (size === 1 || size === this.#threshold) this.#onWaiting(size)
    return true
  }

  reserve(tenant: string): ReserveRefusal | null {
    if (this.#isBlocked()) return 'log_blocked'
    return this.#queue.reserve(this.#ledger.account(tenant).queueShare) ? null : 'log_full'
  }

  /** What `reserve` would say to a tenant that claims nothing yet. */
  get reserveRefusal(): ReserveRefusal | null {
    if (this.#isBlocked()) return 'log_blocked'
    return this.#queue.isReservable ? null : 'log_full'
  }

  /** `isBlocked`: whether nothing can be stored or spilled at present. Called at each `reserve`, so it must be quick. */
  blockedWhen(isBlocked: () => boolean): void {
    this.#isBlocked = isBlocked
  }

  get size(): number {
    return this.#queue.size
  }

  get fill(): number {
    const { size, capacityEntries, bytes, capacityBytes } = this.#queue
    return Math.max(size / capacityEntries, bytes / capacityBytes)
  }

  get lastSeq(): number {
    return this.#lastSeq
  }

  get oldestSeq(): number {
    return this.#queue.peek()?.seq ?? Infinity
  }

  peek(): AccessEntry | undefined {
    return this.#queue.peek()
  }

  shift(): AccessEntry | undefined {
    return this.#queue.shift()
  }

  onWaiting(threshold: number, listener: (size: number) => void): void {
    this.#threshold = threshold
    this.#onWaiting = listener
  }

  close(): void {
    this.#isClosed = true
    while (this.#queue.shift() !== undefined);
  }

  /** A copy of the numbers at this moment. */
  get stats(): ChannelReport {
    return {
      size: this.#queue.size,
      capacityEntries: this.#queue.capacityEntries,
      bytes: this.#queue.bytes,
      capacityBytes: this.#queue.capacityBytes,
      reserved: this.#queue.claims,
      isBlocked: this.#isBlocked(),
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

function* sharesOf(ledger: Ledger): IterableIterator<TenantShare> {
  for (const account of ledger.accounts()) yield account.queueShare
}
