import { Ring } from '../lib/ring.ts'
import type { AccessEntry } from '../model/access-entry.ts'

/** Entries of one tenant in the order of their arrival, linked through `AccessEntry.next`. */
class EntryList {
  #head: AccessEntry | null = null
  #tail: AccessEntry | null = null

  get isEmpty(): boolean {
    return this.#head === null
  }

  append(entry: AccessEntry): void {
    if (this.#tail === null) this.#head = entry
    else this.#tail.next = entry
    this.#tail = entry
  }

  /** Removes and returns the oldest; null when empty. */
  shift(): AccessEntry | null {
    const entry = this.#head
    if (entry === null) return null
    this.#head = entry.next
    if (this.#head === null) this.#tail = null
    entry.next = null
    return entry
  }
}

/** A tenant's part of the queue. Belongs to the tenant's account, so that a push needs one look-up and not two. */
export class Share {
  /** Entries in the queue. */
  waiting = 0
  /** Successful reads: the first to go. */
  readonly bulk = new EntryList()
  /** Refusals, failures and writes. */
  readonly kept = new EntryList()
}

/** After a search for the heaviest tenant it is taken for that until it has lost a tenth of its entries. */
const HEAVIEST_FLOOR = 0.9

/**
 * The channel's queue: first in, first out, bounded in entries and bytes, and fair under pressure. Only a full queue looks at
 * shares; then somebody's entry goes:
 *
 *   1. the oldest of an unauthenticated request, if there is one: a flood of garbage displaces nobody
 *   2. the arriving tenant's own, when it has its fair share (capacity ÷ tenants with entries waiting) or more: a successful read
 *      is not taken in; anything else displaces the tenant's oldest successful read
 *   3. else one of the tenant with the most entries waiting, the oldest successful read first
 *
 * So a tenant below nine tenths of its fair share loses nothing to others, however hard they push: that is its guaranteed
 * minimum. (The last tenth is the price of not searching for the heaviest tenant at every push: see HEAVIEST_FLOOR.)
 *
 * An evicted entry keeps its slot, marked, until its turn comes or the slots are compacted: order is kept, eviction is O(1).
 */
export class FairQueue {
  readonly capacityEntries: number
  readonly capacityBytes: number
  readonly #slots: Ring<AccessEntry>
  readonly #unattributed: Share
  readonly #shareOf: (tenant: string) => Share
  readonly #shares: () => Iterable<Share>
  readonly #onEvicted: (entry: AccessEntry) => void
  #size = 0
  #bytes = 0
  /** Attributed tenants with entries waiting. */
  #active = 0
  #heaviest: Share | null = null
  #heaviestFloor = 0

  constructor(options: {
    readonly capacityEntries: number
    readonly capacityBytes: number
    /** The share of a tenant; '' for what could not be attributed. Always the same object. */
    readonly shareOf: (tenant: string) => Share
    readonly shares: () => Iterable<Share>
    /** An entry that was in the queue is not any more, and will not be stored. */
    readonly onEvicted: (entry: AccessEntry) => void
  }) {
    this.capacityEntries = options.capacityEntries
    this.capacityBytes = options.capacityBytes
    this.#slots = new Ring(options.capacityEntries * 2 + 64)
    this.#shareOf = options.shareOf
    this.#unattributed = options.shareOf('')
    this.#shares = options.shares
    this.#onEvicted = options.onEvicted
  }

  get size(): number {
    return this.#size
  }

  get bytes(): number {
    return this.#bytes
  }

  /** Takes an entry of `entry.bytes` estimated bytes in, evicting others where that is fair; false when it is not taken. */
  push(entry: AccessEntry, share: Share): boolean {
    while (this.#size >= this.capacityEntries || this.#bytes + entry.bytes > this.capacityBytes) {
      if (!this.#makeRoom(entry, share)) return false
    }
    if (!this.#slots.push(entry)) {
      this.#compact()
      this.#slots.push(entry)
    }
    ;(isBulk(entry) ? share.bulk : share.kept).append(entry)
    if (share.waiting++ === 0 && share !== this.#unattributed) this.#active++
    this.#size++
    this.#bytes += entry.bytes
    return true
  }

  /** The oldest entry, left in place; undefined when empty. */
  peek(): AccessEntry | undefined {
    let entry = this.#slots.peek()
    while (entry?.isEvicted === true) {
      this.#slots.shift()
      entry = this.#slots.peek()
    }
    return entry
  }

  /** Removes and returns the oldest entry; undefined when empty. */
  shift(): AccessEntry | undefined {
    const entry = this.peek()
    if (entry === undefined) return undefined
    this.#slots.shift()
    const share = this.#shareOf(entry.tenant)
    // The oldest of the queue is the oldest of its list.
    ;(isBulk(entry) ? share.bulk : share.kept).shift()
    this.#leave(entry, share)
    return entry
  }

  #makeRoom(entry: AccessEntry, share: Share): boolean {
    const victim = this.#victim(share)
    if (victim === share && (share === this.#unattributed || isBulk(entry) || share.bulk.isEmpty))
      return false
    const evicted = victim.bulk.shift() ?? victim.kept.shift()
    if (evicted === null) return false
    evicted.isEvicted = true
    this.#leave(evicted, victim)
    this.#onEvicted(evicted)
    return true
  }

  /** Who is to lose an entry for one of this share to come in. */
  #victim(share: Share): Share {
    if (this.#unattributed.waiting > 0 || share === this.#unattributed) return this.#unattributed
    const tenants = this.#active + (share.waiting === 0 ? 1 : 0)
    if (share.waiting >= this.capacityEntries / tenants) return share
    const heaviest = this.#findHeaviest()
    return heaviest.waiting > share.waiting ? heaviest : share
  }

  #findHeaviest(): Share {
    let heaviest = this.#heaviest
    if (heaviest !== null && heaviest.waiting >= this.#heaviestFloor) return heaviest
    heaviest = this.#unattributed
    for (const share of this.#shares()) if (share.waiting > heaviest.waiting) heaviest = share
    this.#heaviest = heaviest
    this.#heaviestFloor = Math.max(1, heaviest.waiting * HEAVIEST_FLOOR)
    return heaviest
  }

  #leave(entry: AccessEntry, share: Share): void {
    if (--share.waiting === 0 && share !== this.#unattributed) this.#active--
    this.#size--
    this.#bytes -= entry.bytes
  }

  /** Takes the evicted entries' slots out. At least half the slots are such when this runs: O(1) for each of them. */
  #compact(): void {
    for (let i = this.#slots.size; i > 0; i--) {
      const entry = this.#slots.shift()
      if (entry !== undefined && !entry.isEvicted) this.#slots.push(entry)
    }
  }
}

/** What a security responder misses least: a read that succeeded. */
function isBulk(entry: AccessEntry): boolean {
  return (
    entry.outcome === 'forwarded' && entry.status < 400 && (entry.method === 'GET' || entry.method === 'HEAD')
  )
}
