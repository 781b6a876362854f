import { WatchedCount } from '../lib/promised-bound.ts'
import { droppedOf } from '../model/audit/audit-batch.ts'
import { TenantShare } from './tenant-share.ts'

/**
 * Why an entry was not stored. `channel_full`: the channel's bound in entries or bytes was reached. `rejected`: it could
 * not be encoded, or Postgres refused it. `shutdown`: it was still waiting at the end of the drain, or came after it.
 */
export const DROP_REASONS = ['channel_full', 'rejected', 'shutdown'] as const

/** One of the closed set of drop reasons. */
export type DropReason = (typeof DROP_REASONS)[number]

/** Number of entries by drop reason. */
export type DropCounts = Record<DropReason, number>

/** Drops by tenant and reason, reasons without a drop left out: what the `dropped` column of `access_ledger` holds. */
export type DropReport = Readonly<Record<string, Readonly<Partial<DropCounts>>>>

/** Account of all tenants beyond `maxTenants` together; no slug can look like this. */
export const OTHER_TENANTS = '__other__'

/**
 * The books of one tenant; '' is the tenant of requests that could not be attributed. Law 3 holds between any two statements:
 * accepted = stored + spilled + quarantined + buffered + the sum of dropped.
 */
export interface Account {
  readonly tenant: string
  /** Entries that were given a seq: all that reached the channel, kept or dropped. */
  accepted: number
  stored: number
  /** Entries in segments on disk. */
  spilled: number
  quarantined: number
  /** Entries in the channel or in the batch in hand. */
  buffered: number
  readonly dropped: DropCounts
  /** The part of `dropped` that is in no ledger row, and in no batch in hand, yet. */
  readonly unreported: DropCounts
  /** The tenant's part of the channel's queue; the channel's own. */
  readonly queueShare: TenantShare
}

/** The sums over all tenants, plain numbers. */
export type LedgerTotals = Omit<Account, 'tenant' | 'unreported' | 'queueShare'>

/**
 * Counts entries accepted, stored and lost, by tenant; shared by the channel (accepts, drops) and the writer (settles).
 * Bounded: accounts are never removed, and tenants beyond `maxTenants` share the account `__other__`.
 */
export class Ledger {
  readonly #accounts = new Map<string, Account>()
  readonly #unattributed = openAccount('')
  readonly #others = openAccount(OTHER_TENANTS)
  readonly #maxTenants: number
  /** Accounts with unreported drops, so that a report need not look at all of them. */
  readonly #dirty = new Set<Account>()
  #watched: Account | null = null
  #onWatched: () => void = () => {}
  #onDrop: (() => void) | null = null
  /** The count of `unsettled`, which can be watched. */
  readonly unsettledEntries = new WatchedCount()

  /** `maxTenants`: accounts held, besides '' and `__other__`. */
  constructor(options?: { readonly maxTenants?: number }) {
    this.#maxTenants = options?.maxTenants ?? 10_000
  }

  /** The account of a tenant, opened on first use. The same tenant has the same account for life. */
  account(tenant: string): Account {
    if (tenant === '') return this.#unattributed
    return this.#accounts.get(tenant) ?? this.#open(tenant)
  }

  /** Watches this one account: `listener` is called after each change of it by the writer; it must be quick. */
  watch(account: Account, listener: () => void): void {
    this.#watched = account
    this.#onWatched = listener
  }

  /** `listener` is called at the next drop, once; it must be quick. */
  onDrop(listener: () => void): void {
    this.#onDrop = listener
  }

  /**
   * Accepted entries, of all tenants, of which neither the database nor the disk knows: those in memory, and drops that are in no
   * ledger row yet. What a kill would cost.
   */
  get unsettled(): number {
    return this.unsettledEntries.value()
  }

  /** Counts an entry that was accepted, and is in memory from now on. */
  accept(account: Account): void {
    account.accepted++
    account.buffered++
    this.unsettledEntries.rise()
  }

  /** Counts the drop of an entry that was accepted and never buffered. */
  drop(account: Account, reason: DropReason): void {
    account.dropped[reason]++
    account.unreported[reason]++
    this.unsettledEntries.rise()
    this.#dropped(account)
  }

  /** Moves `count` buffered entries of a tenant to stored. */
  settle(tenant: string, count: number): void {
    const account = this.account(tenant)
    account.buffered -= count
    this.unsettledEntries.fall(count)
    account.stored += count
    if (account === this.#watched) this.#onWatched()
  }

  /** Moves `count` entries of a tenant from one state to another. */
  move(
    tenant: string,
    count: number,
    from: 'buffered' | 'spilled',
    to: 'stored' | 'spilled' | 'quarantined',
  ): void {
    const account = this.account(tenant)
    account[from] -= count
    if (from === 'buffered') this.unsettledEntries.fall(count)
    account[to] += count
    if (account === this.#watched) this.#onWatched()
  }

  /** Moves `count` buffered entries of a tenant to dropped. */
  dropBuffered(tenant: string, count: number, reason: DropReason): void {
    const account = this.account(tenant)
    account.buffered -= count
    account.dropped[reason] += count
    account.unreported[reason] += count
    this.#dropped(account)
    if (account === this.#watched) this.#onWatched()
  }

  /** Moves all that is buffered, of every tenant, to dropped. Returns the numbers by tenant, of those that lost something. */
  dropAllBuffered(reason: DropReason): Map<string, number> {
    const lost = new Map<string, number>()
    for (const account of this.accounts()) {
      if (account.buffered === 0) continue
      lost.set(account.tenant, account.buffered)
      this.dropBuffered(account.tenant, account.buffered, reason)
    }
    return lost
  }

  /** Whether drops are in no ledger row yet. */
  get hasUnreportedDrops(): boolean {
    return this.#dirty.size > 0
  }

  /** The drops of a batch are in the database, or on disk with it. */
  settleDrops(report: DropReport | null): void {
    this.unsettledEntries.fall(droppedOf(report))
  }

  /** The drops since the last call, null for none. From now on the caller answers for their being written, once. */
  takeUnreportedDrops(): DropReport | null {
    if (this.#dirty.size === 0) return null
    // No prototype: a tenant called `__proto__` is a key like any other.
    const report: Record<string, Partial<DropCounts>> = Object.create(null) as Record<string, never>
    for (const { tenant, unreported } of this.#dirty) {
      const counts: Partial<DropCounts> = {}
      for (const reason of DROP_REASONS) {
        if (unreported[reason] > 0) counts[reason] = unreported[reason]
        unreported[reason] = 0
      }
      report[tenant] = counts
    }
    this.#dirty.clear()
    return report
  }

  /** All accounts that have seen an entry; live objects, to be read only. */
  *accounts(): IterableIterator<Account> {
    if (this.#unattributed.accepted > 0) yield this.#unattributed
    yield* this.#accounts.values()
    if (this.#others.accepted > 0) yield this.#others
  }

  /** The sums over all accounts, at this moment. Walks all accounts: for scrapes, not for requests. */
  get totals(): LedgerTotals {
    const totals = openAccount('')
    for (const account of this.accounts()) {
      totals.accepted += account.accepted
      totals.stored += account.stored
      totals.spilled += account.spilled
      totals.quarantined += account.quarantined
      totals.buffered += account.buffered
      for (const reason of DROP_REASONS) totals.dropped[reason] += account.dropped[reason]
    }
    const { accepted, stored, spilled, quarantined, buffered, dropped } = totals
    return { accepted, stored, spilled, quarantined, buffered, dropped }
  }

  #dropped(account: Account): void {
    this.#dirty.add(account)
    if (this.#onDrop === null) return
    const listener = this.#onDrop
    this.#onDrop = null
    listener()
  }

  #open(tenant: string): Account {
    if (this.#accounts.size >= this.#maxTenants) return this.#others
    const account = openAccount(tenant)
    this.#accounts.set(tenant, account)
    return account
  }
}

function openAccount(tenant: string): Account {
  return {
    tenant,
    accepted: 0,
    stored: 0,
    spilled: 0,
    quarantined: 0,
    buffered: 0,
    dropped: { channel_full: 0, rejected: 0, shutdown: 0 },
    unreported: { channel_full: 0, rejected: 0, shutdown: 0 },
    queueShare: new TenantShare(),
  }
}
