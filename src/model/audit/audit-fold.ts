import {
  addAccount,
  addDropped,
  type AuditAccount,
  type AuditedInstance,
  type AuditGap,
  type AuditGapKind,
  type InstanceAudit,
  type InstanceState,
  openAuditAccount,
} from './audit.ts'
import type { LostLife } from './life.ts'
import { cutShortWords, deathWords, howMany, who } from './audit-words.ts'
import { type AuditedBatch, droppedOf, settledSeq, storedRows, sumOf } from './audit-batch.ts'
import { type Checkpoint, lastBatchOf } from './checkpoint.ts'
import { firstDigest, nextDigest } from './ledger-chain.ts'
import { type AsideReport, asideWords, unnamedOf } from './set-aside.ts'
import type { UnderWay } from './under-way.ts'

/** What an audit is restricted to, and what the caller knows beside the database. */
export interface AuditScope {
  /** Only accounts, drops and quarantined rows of this tenant; findings that may concern any tenant are reported all the same. */
  readonly tenant?: string
  /** By instance, the numbers of batches in the spill segments that the caller can see. */
  readonly spilled?: ReadonlyMap<string, ReadonlySet<number>>
}

/** Gaps listed for one instance; more are counted. */
const MAX_GAPS = 10_000

/**
 * Audits one instance: its batches come in ascending order, beginning with the last one before the window, or with the first
 * of all. Holds one batch, the tenants' accounts, and the gaps. Each batch is checked against its predecessor:
 *
 *   number = its + 1      accepted − buffered = its (accepted − buffered) + entries + drops      digest = f(its digest, all figures)
 */
export class AuditFold {
  readonly #instance: AuditedInstance
  readonly #scope: AuditScope
  readonly #accounts = new Map<string, AuditAccount>()
  readonly #gaps: AuditGap[] = []
  #gapsOmitted = 0
  #batches = 0
  #previous: AuditedBatch | null = null
  #unproven: [number, number] | null = null
  #unprovenEntries = 0
  /** Entries that are known to have been settled, by batches that are gone. */
  #lostSettled = 0
  /** By partition: the batches whose rows went with it. */
  readonly #gone = new Map<string, { from: number; to: number; entries: number }>()

  constructor(instance: AuditedInstance, scope: AuditScope) {
    this.#instance = instance
    this.#scope = scope
  }

  /** Begins behind a checkpoint; `isCounted`: all its batches are of the window. */
  begin(checkpoint: Checkpoint, isCounted: boolean): void {
    this.#previous = lastBatchOf(checkpoint, isCounted)
    if (!isCounted) return
    this.#batches += checkpoint.lastBatch
    for (const account of checkpoint.accounts) addAccount(this.#account(account.tenant), account)
  }

  /** Whether no batch so far is part of a gap; those of drops and quarantine are in the accounts. */
  get isSound(): boolean {
    return this.#gaps.length === 0 && this.#unproven === null && this.#gone.size === 0
  }

  /** What the batches so far, the checkpoint included, come to; null when the last one has no figures of its own. */
  get sums(): Omit<Checkpoint, 'firstAt' | 'lastAt'> | null {
    const { batch, digest = null, acceptedSeq = null, buffered = null, isFinal } = this.#previous ?? {}
    if (batch === undefined || digest === null || acceptedSeq === null || buffered === null) return null
    const accounts = [...this.#accounts.values()]
    return { lastBatch: batch, digest, acceptedSeq, buffered, isFinal: isFinal === true, accounts }
  }

  /** Takes the last batch before the window: known, but no part of the audit. */
  anchor(batch: AuditedBatch): void {
    this.#previous = batch
  }

  /** Takes the next batch. */
  add(batch: AuditedBatch): void {
    const previous = this.#previous
    const expected = (previous?.batch ?? 0) + 1
    if (batch.batch > expected) this.#reportHole(expected, batch)
    else {
      this.#checkSum(previous, batch)
      this.#checkChain(previous, batch)
    }
    if (batch.isInWindow) this.#count(batch)
    // Drops are told with the next batch: those of the window's last moments with the one after it.
    else if (previous?.isInWindow === true) this.#countDrops(batch)
    this.#previous = batch
  }

  /** Notes rows that are not those of the ledger. */
  reportRows(batch: AuditedBatch, found: number, why: string): void {
    const missing = storedRows(batch) - found
    this.#report('rows_differ', `batch ${batch.batch}: ${why}`, {
      entries: missing === 0 ? null : missing,
      batches: [batch.batch, batch.batch],
    })
  }

  /** Notes rows that a partition did not have when retention came to drop it. */
  reportShort(partition: string, entries: number): void {
    const detail = `${partition} did not have them when retention dropped it: somebody else had removed them`
    this.#report('rows_gone', detail, { entries })
  }

  /** Notes what others tell of the instance, and the database does not have. */
  reportLost({ witness, batch, settled, newest, isOther }: LostLife): void {
    const told = `instance ${witness} tells of it`
    if (isOther) {
      const detail = `batch ${batch} is another one than had been stored: ${told}`
      return this.#report('chain_broken', detail, { batches: [batch, batch] })
    }
    this.#lostSettled = settled
    if (newest === null) {
      const detail = `all that it is known to have stored, ${batch} ${batch === 1 ? 'batch' : 'batches'}, is gone: ${told}`
      return this.#report('vanished', detail, { entries: settled, batches: [1, batch] })
    }
    const from = newest.batch + 1
    const batches = from === batch ? `batch ${batch} was` : `batches ${from} to ${batch} were`
    this.#report('missing_batches', `${batches} stored and ${from === batch ? 'is' : 'are'} gone: ${told}`, {
      entries: newest.settled === null ? null : settled - newest.settled,
      batches: [from, batch],
    })
  }

  /** Notes a request that the instance was answering when it died: it has no entry. */
  reportCutShort(request: UnderWay): void {
    const { tenant } = request
    if (this.#scope.tenant !== undefined && this.#scope.tenant !== tenant) return
    this.#report('cut_short', cutShortWords(request), { tenant, entries: 1 })
  }

  /** Notes what stands aside on a live instance's disk. */
  reportAside(aside: AsideReport): void {
    for (const note of aside.named)
      this.#report('set_aside', asideWords(note), { entries: note.what === 'file' ? null : note.entries })
    const more = unnamedOf(aside)
    if (more > 0) this.#report('set_aside', `${more} more are set aside`, {})
  }

  /**
   * The result. `isAtEnd`: the instance has no batch beyond those added, and its end lies in the window if it has one: then
   * what was accepted last must have been stored.
   */
  finish(state: InstanceState, isAtEnd: boolean): InstanceAudit {
    const waiting = isAtEnd ? this.#checkEnd(state) : 0
    if (this.#unproven !== null) {
      const [first, last] = this.#unproven
      this.#report('unproven', `batches ${first} to ${last} bear no digest: they cannot be checked`, {
        entries: this.#unprovenEntries,
        batches: this.#unproven,
      })
    }
    for (const [partition, { from, to, entries }] of this.#gone) {
      const detail = `${partition} is gone, and retention did not drop it: batches ${from} to ${to}`
      this.#report('rows_gone', detail, { entriesAtMost: entries, batches: [from, to] })
    }
    this.#reportAccounts()
    return {
      instance: this.#instance,
      state,
      batches: this.#batches,
      accounts: [...this.#accounts.values()],
      waiting,
      gaps: this.#gaps,
      gapsOmitted: this.#gapsOmitted,
    }
  }

  /** Splits the hole into runs of batches that lie in a segment, and runs that do not. */
  #reportHole(from: number, next: AuditedBatch): void {
    const before = this.#previous === null ? 0 : settledSeq(this.#previous)
    const after = settledSeq(next)
    const entries =
      before === null || after === null ? null : after - next.entries - droppedOf(next.dropped) - before
    const to = next.batch - 1
    const spilled = countBetween(this.#scope.spilled?.get(this.#instance.id), from, to)
    const batches = from === to ? `batch ${from} is` : `batches ${from} to ${to} are`
    const options = { entries, batches: [from, to] as const }
    if (spilled === to - from + 1) this.#report('spilled', `${batches} in a spill segment here`, options)
    else if (spilled > 0) {
      const detail = `${batches} not stored; ${spilled} of them are in a spill segment here`
      this.#report('missing_batches', detail, options)
    } else {
      const where = `in a spill segment of ${this.#instance.host ?? 'its host'}, or lost`
      this.#report('missing_batches', `${batches} not stored: ${where}`, options)
    }
  }

  #checkSum(previous: AuditedBatch | null, batch: AuditedBatch): void {
    const before = previous === null ? 0 : settledSeq(previous)
    const after = settledSeq(batch)
    const options = { batches: [batch.batch, batch.batch] as const }
    if (before !== null && after !== null) {
      const missing = after - before - batch.entries - droppedOf(batch.dropped)
      if (missing !== 0) {
        const detail =
          missing > 0
            ? `accepted before batch ${batch.batch}, but in no batch and no drop`
            : `batch ${batch.batch} has more entries than were accepted`
        this.#report('unaccounted', detail, { ...options, entries: missing })
      }
    }
    if (batch.isFinal && (batch.buffered ?? 0) !== 0) {
      this.#report('unaccounted', `still waiting at the last batch, ${batch.batch}`, {
        ...options,
        entries: batch.buffered,
      })
    }
  }

  #checkChain(previous: AuditedBatch | null, batch: AuditedBatch): void {
    const { digest, rowsDigest, acceptedSeq, tenants } = batch
    if (digest === null || rowsDigest === null || acceptedSeq === null || tenants === null) {
      this.#unproven = [this.#unproven?.[0] ?? batch.batch, batch.batch]
      this.#unprovenEntries += batch.entries
      return
    }
    const { id: instance } = this.#instance
    const before = previous === null ? firstDigest(instance) : previous.digest
    // Its predecessor has been told as unproven.
    if (before === null) return
    const expected = nextDigest(before, { ...batch, instance, acceptedSeq, tenants }, rowsDigest)
    if (expected.equals(digest) && sumOf(tenants) === batch.entries) return
    const detail = `the digest of batch ${batch.batch} does not fit its figures and batch ${batch.batch - 1}: one of them was changed`
    this.#report('chain_broken', detail, { entries: batch.entries, batches: [batch.batch, batch.batch] })
  }

  #count(batch: AuditedBatch): void {
    this.#batches++
    this.#countDrops(batch)
    if (batch.goneFrom !== null) this.#countGone(batch.goneFrom, batch)
    for (const [tenant, n] of Object.entries(batch.tenants ?? { '': batch.entries })) {
      const account = this.#account(tenant)
      account.accepted += n
      account.stored += n
      if (batch.isExpired) account.expired += n
    }
    for (const [tenant, n] of Object.entries(batch.quarantined ?? {})) {
      const account = this.#account(tenant)
      account.stored -= n
      if (batch.isExpired) account.expired -= n
      account.quarantined += n
    }
    for (const [tenant, resolution, n] of batch.resolved) {
      const account = this.#account(tenant)
      account.quarantined -= n
      if (resolution === 'stored') account.stored += n
      else addDropped(account.dropped, 'quarantine', n)
    }
  }

  #countGone(partition: string, batch: AuditedBatch): void {
    const rows =
      this.#scope.tenant === undefined ? storedRows(batch) : (batch.tenants?.[this.#scope.tenant] ?? 0)
    if (rows === 0) return
    const gone = this.#gone.get(partition)
    if (gone === undefined) this.#gone.set(partition, { from: batch.batch, to: batch.batch, entries: rows })
    else {
      gone.to = batch.batch
      gone.entries += rows
    }
  }

  #countDrops(batch: AuditedBatch): void {
    for (const [tenant, reasons] of Object.entries(batch.dropped ?? {})) {
      const account = this.#account(tenant)
      for (const [reason, n] of Object.entries(reasons)) {
        account.accepted += n
        addDropped(account.dropped, reason, n)
      }
    }
  }

  /** Returns the entries that are on their way. */
  #checkEnd(state: InstanceState): number {
    const last = this.#previous
    const { acceptedSeq, capacityEntries, spilledEntries } = this.#instance
    const settled = last === null ? 0 : settledSeq(last)
    const accepted = Math.max(acceptedSeq ?? 0, last?.acceptedSeq ?? 0)
    const waiting = settled === null ? 0 : Math.max(0, accepted - Math.max(settled, this.#lostSettled))
    if (last?.isFinal === true) return 0
    switch (state) {
      case 'live':
        return Math.max(waiting, spilledEntries ?? 0)
      case 'ended':
        if (waiting > 0) {
          this.#report('missing_batches', 'it stopped in order, but its last batches are not stored', {
            entries: waiting,
          })
        }
        return waiting
      case 'died': {
        const { memoryEntries = null, inFlightMost = null } = this.#instance
        this.#report('died', deathWords(this.#instance), {
          entriesAtMost: memoryEntries ?? capacityEntries,
          requestsAtMost: inFlightMost,
        })
        return waiting
      }
      case 'unregistered':
        this.#report(
          'unregistered',
          'it is not registered and has no last batch: how it ended is not known',
          {},
        )
        return waiting
      case 'vanished':
        return 0
    }
  }

  #reportAccounts(): void {
    for (const { tenant, quarantined, dropped } of this.#accounts.values()) {
      if (this.#scope.tenant !== undefined && this.#scope.tenant !== tenant) continue
      for (const [reason, entries] of Object.entries(dropped)) {
        const detail =
          reason === 'quarantine' ? 'dropped from quarantine by an operator' : `dropped, ${reason}`
        this.#report('dropped', detail, { tenant, entries })
      }
      if (quarantined !== 0) {
        const detail = 'in quarantine: "waybill quarantine list" tells why'
        this.#report('quarantined', detail, { tenant, entries: quarantined })
      }
    }
  }

  #account(tenant: string): AuditAccount {
    let account = this.#accounts.get(tenant)
    if (account === undefined) {
      account = openAuditAccount(tenant)
      // Accounts of other tenants are kept out of the result, not out of the checks.
      if (this.#scope.tenant === undefined || this.#scope.tenant === tenant)
        this.#accounts.set(tenant, account)
    }
    return account
  }

  #report(
    kind: AuditGapKind,
    detail: string,
    options: {
      readonly tenant?: string
      readonly entries?: number | null
      readonly entriesAtMost?: number | null
      readonly requestsAtMost?: number | null
      readonly batches?: readonly [number, number]
    },
  ): void {
    if (this.#gaps.length >= MAX_GAPS) {
      this.#gapsOmitted++
      return
    }
    const unknown = { tenant: null, entries: null, entriesAtMost: null, requestsAtMost: null, batches: null }
    const figures = { ...unknown, ...options }
    const { tenant, entries, entriesAtMost } = figures
    const line = `${who(this.#instance, tenant)}: ${howMany(entries, entriesAtMost)}${detail}`
    this.#gaps.push({ kind, instance: this.#instance.id, ...figures, line })
  }
}

function countBetween(numbers: ReadonlySet<number> | undefined, from: number, to: number): number {
  let count = 0
  for (const n of numbers ?? []) if (n >= from && n <= to) count++
  return count
}
