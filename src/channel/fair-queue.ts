import { Ring } from '../lib/ring.ts'
import type { AccessEntry } from '../model/access-entry.ts'
import { HeaviestTenant } from './heaviest-tenant.ts'
import { type EvictableEntries, isBulk, type TenantShare } from './tenant-share.ts'

/** The part of the queue's places that may be promised. The rest is for entries without a promise. */
const RESERVABLE = 1 / 2

/** What is set aside for an entry that is still to come: more than the longest takes (channel.test.ts). */
export const RESERVED_BYTES = 4608

/**
 * The channel's queue: first in, first out, bounded in entries and bytes, and fair under pressure. Only a full queue looks at
 * shares; then one entry is dropped:
 *
 *   1. the oldest of an unauthenticated request, if there is one: a flood of garbage, or of a revoked key, displaces no tenant
 *   2. for an entry that is not loose itself: one of the tenant with the most loose entries, if there are any
 *   3. the arriving tenant's own, when it has its fair share (capacity ÷ tenants with entries waiting) or more: a successful read
 *      is not taken in; anything else displaces the tenant's oldest successful read
 *   4. else one of the tenant with the most entries of the same standing, the oldest successful read first
 *
 * So a tenant below nine tenths of its fair share loses no firm entry to others, however hard they push: that is its guaranteed
 * minimum. (The last tenth is the price of not searching for the heaviest tenant at every push: see HeaviestTenant. While strict
 * tenants hold their half of the queue, the fair share is that of the other half.)
 *
 * A held entry has its place since before its request was let through (`reserve`), and is never displaced. A tenant may claim as
 * many places as are still free to be claimed by others, no more: a tenant that claims all it can leaves as much again, and n such
 * tenants leave 1/(n+1) to the next (the dynamic threshold of Choudhury and Hahne, IEEE/ACM Trans. Networking 6(2), 1998).
 *
 * An evicted entry keeps its slot, marked, until its turn comes or the slots are compacted: order is kept, eviction is O(1).
 */
export class FairQueue {
  readonly capacityEntries: number
  readonly capacityBytes: number
  readonly #slots: Ring<AccessEntry>
  readonly #unattributed: TenantShare
  readonly #shareOf: (tenant: string) => TenantShare
  readonly #onEvicted: (entry: AccessEntry) => void
  readonly #heaviestFirm: HeaviestTenant
  readonly #heaviestLoose: HeaviestTenant
  #size = 0
  #bytes = 0
  /** Attributed tenants with entries waiting. */
  #active = 0
  #loose = 0
  /** Places promised, those whose entries wait in them included; of these, those whose entries are still to come. */
  #claims = 0
  #promised = 0
  #heldBytes = 0

  constructor(options: {
    readonly capacityEntries: number
    readonly capacityBytes: number
    /** The share of a tenant; '' for what could not be attributed. Always the same object. */
    readonly shareOf: (tenant: string) => TenantShare
    readonly shares: () => Iterable<TenantShare>
    /** An entry that was in the queue is not any more, and will not be stored. */
    readonly onEvicted: (entry: AccessEntry) => void
  }) {
    this.capacityEntries = options.capacityEntries
    this.capacityBytes = options.capacityBytes
    this.#slots = new Ring(options.capacityEntries * 2 + 64)
    this.#shareOf = options.shareOf
    this.#unattributed = options.shareOf('')
    this.#onEvicted = options.onEvicted
    this.#heaviestFirm = new HeaviestTenant(options.shares, (share) => share.firm.size)
    this.#heaviestLoose = new HeaviestTenant(options.shares, (share) => share.loose.size)
  }

  get size(): number {
    return this.#size
  }

  get bytes(): number {
    return this.#bytes
  }

  /** Places promised to entries to come, and held by entries waiting. */
  get claims(): number {
    return this.#claims
  }

  /** Whether a tenant that claims nothing yet could have a place. */
  get isReservable(): boolean {
    return this.#mayClaim(0)
  }

  /** Promises a place for one held entry of this share, or not. The entry, or `forgo`, is owed. */
  reserve(share: TenantShare): boolean {
    if (!this.#mayClaim(share.claims)) return false
    share.claims++
    this.#claims++
    this.#promised++
    return true
  }

  /** Gives a promised place back. */
  forgo(share: TenantShare): void {
    this.#promised--
    this.#release(share)
  }

  /** Takes an entry of `entry.bytes` estimated bytes in, evicting others where that is fair; false when it is not taken. */
  push(entry: AccessEntry, ofTenant: TenantShare): boolean {
    const share = entry.standing === 'stray' ? this.#unattributed : ofTenant
    const isHeld = entry.standing === 'held'
    while (this.#size >= this.capacityEntries || this.#bytes + entry.bytes > this.capacityBytes) {
      if (this.#makeRoom(entry, share)) continue
      if (!isHeld) return false
      // Nothing but held entries is left: one of them has longer texts than RESERVED_BYTES. They are bounded even so.
      break
    }
    if (!this.#slots.push(entry)) {
      this.#compact()
      this.#slots.push(entry)
    }
    if (isHeld) {
      this.#promised--
      this.#heldBytes += entry.bytes
    } else {
      listOf(entry, share).add(entry)
      if (entry.standing === 'loose') this.#loose++
    }
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
    const share = this.#shareFor(entry)
    if (entry.standing === 'held') {
      this.#heldBytes -= entry.bytes
      this.#release(share)
    } else {
      listOf(entry, share).leave(entry)
    }
    this.#leave(entry, share)
    return entry
  }

  #shareFor(entry: AccessEntry): TenantShare {
    return entry.standing === 'stray' ? this.#unattributed : this.#shareOf(entry.tenant)
  }

  #mayClaim(claims: number): boolean {
    const left = Math.floor(this.capacityEntries * RESERVABLE) - this.#claims
    const bytes = this.#heldBytes + (this.#promised + 1) * RESERVED_BYTES
    return claims < left && bytes <= this.capacityBytes
  }

  #release(share: TenantShare): void {
    share.claims--
    this.#claims--
  }

  #makeRoom(entry: AccessEntry, share: TenantShare): boolean {
    const own = listOf(entry, share)
    const victim = this.#victim(entry, share, own)
    const isKeeping = share === this.#unattributed || isBulk(entry) || !own.hasBulk
    if (victim === own && isKeeping && entry.standing !== 'held') return false
    const evicted = victim.evict()
    if (evicted === null) return false
    evicted.isEvicted = true
    this.#leave(evicted, this.#shareFor(evicted))
    this.#onEvicted(evicted)
    return true
  }

  /** The list that loses an entry, so that this one, of this share, can come in. */
  #victim(entry: AccessEntry, share: TenantShare, own: EvictableEntries): EvictableEntries {
    const { standing } = entry
    if (this.#unattributed.waiting > 0 || share === this.#unattributed) return this.#unattributed.firm
    if (standing !== 'loose' && this.#loose > 0) return this.#heaviestLoose.find()?.loose ?? own
    const tenants = this.#active + (share.waiting === 0 ? 1 : 0)
    const isOver = share.waiting >= this.capacityEntries / tenants
    if (isOver && (standing !== 'held' || own.size > 0)) return own
    const heaviest =
      standing === 'loose' ? this.#heaviestLoose.find()?.loose : this.#heaviestFirm.find()?.firm
    if (heaviest === undefined) return own
    return standing === 'held' || heaviest.size > share.waiting ? heaviest : own
  }

  #leave(entry: AccessEntry, share: TenantShare): void {
    if (--share.waiting === 0 && share !== this.#unattributed) this.#active--
    this.#size--
    this.#bytes -= entry.bytes
    if (entry.standing === 'loose') this.#loose--
  }

  /** Takes the evicted entries' slots out. At least half the slots are such when this runs: O(1) for each of them. */
  #compact(): void {
    for (let i = this.#slots.size; i > 0; i--) {
      const entry = this.#slots.shift()
      if (entry !== undefined && !entry.isEvicted) this.#slots.push(entry)
    }
  }
}

/** Where it stands; a held entry is in no list. */
function listOf(entry: AccessEntry, share: TenantShare): EvictableEntries {
  return entry.standing === 'loose' ? share.loose : share.firm
}
