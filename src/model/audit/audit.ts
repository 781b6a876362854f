/** Books of one tenant within an audit: accepted = stored + quarantined + the sum of dropped. */
export interface AuditAccount {
  /** '' for requests that could not be attributed. */
  readonly tenant: string
  accepted: number
  stored: number
  /** The part of `stored` whose partition retention has dropped since, as a row about the drop tells. */
  expired: number
  /** Waiting for an operator. */
  quarantined: number
  /** By reason; `quarantine` for rows that an operator dropped there. */
  readonly dropped: Record<string, number>
}

/** One thing that keeps a log from being complete and proven. */
export interface AuditGap {
  readonly kind: AuditGapKind
  readonly instance: string
  /** Null when it is not known, or may be any. */
  readonly tenant: string | null
  /** Entries concerned, when exactly known. */
  readonly entries: number | null
  /** Most entries concerned, when only that is known. */
  readonly entriesAtMost: number | null
  /** Of one that died: requests at most that it was answering, which have no entry; null when that is not known. */
  readonly requestsAtMost: number | null
  /** Batches concerned, both ends included. */
  readonly batches: readonly [number, number] | null
  /** Instance, finding, number and reason in one line. */
  readonly line: string
}

/**
 * `dropped`, `quarantined`: not stored, as the ledger says itself. `spilled`: on a disk, still to be stored.
 * `missing_batches`: a hole in the numbers of batches. `unaccounted`: accepted entries that are in no batch and no drop.
 * `chain_broken`: the ledger was changed afterwards. `unproven`: written without digests. `died`: an instance ended without
 * a last batch. `unregistered`: nothing tells how an instance ended. `rows_differ`: rows are not those of the ledger.
 * `rows_gone`: a partition was dropped, or emptied, and not by retention. `cut_short`: a request that an
 * instance was answering for long when it died. `set_aside`: a live instance has it on
 * disk, and cannot store it for now. `vanished`: a later life tells of one, and
 * the database has nothing of its batches.
 */
export const AUDIT_GAP_KINDS = [
  'dropped',
  'quarantined',
  'spilled',
  'missing_batches',
  'unaccounted',
  'chain_broken',
  'unproven',
  'died',
  'unregistered',
  'rows_differ',
  'rows_gone',
  'vanished',
  'cut_short',
  'set_aside',
] as const

/** One of the closed set of gaps. */
export type AuditGapKind = (typeof AUDIT_GAP_KINDS)[number]

/** `live`: seen lately. `ended`: stopped in order. `died`: neither. `unregistered`: only its batches are known. `vanished`: only others tell of it. */
export type InstanceState = 'live' | 'ended' | 'died' | 'unregistered' | 'vanished'

/** What is known of an instance apart from its batches. */
export interface AuditedInstance {
  /** UUID, lower case. */
  readonly id: string
  /** Null for an unregistered one, as are the others. */
  readonly host: string | null
  readonly version: string | null
  readonly startedAt: Date | null
  readonly lastSeenAt: Date | null
  readonly endedAt: Date | null
  readonly capacityEntries: number | null
  /** Of one that died: the most that it had in memory, by its promise; null when that may not be its last word. */
  readonly memoryEntries?: number | null
  /** Requests that it was answering when it was last seen; and, of one that died, at most, by its promise. */
  readonly inFlight?: number | null
  readonly inFlightMost?: number | null
  /** Of these, how many took long: the oldest are named as gaps once it has died. */
  readonly underWayCount?: number | null
  /** By which settings of the database, as its writer found them, what it has stored may be lost in a crash. */
  readonly weaknesses?: readonly string[] | null
  /** How its death is known; null when it has only not been seen for a while. */
  readonly diedOf?: 'exited' | 'gone' | 'heir' | null
  readonly journalMs: number | null
  readonly acceptedSeq: number | null
  readonly spilledEntries: number | null
}

/** An instance of which nothing is known but its batches. */
export const UNKNOWN_INSTANCE: Omit<AuditedInstance, 'id'> = {
  host: null,
  version: null,
  startedAt: null,
  lastSeenAt: null,
  endedAt: null,
  capacityEntries: null,
  journalMs: null,
  acceptedSeq: null,
  spilledEntries: null,
}

/** The audit of one instance. */
export interface InstanceAudit {
  readonly instance: AuditedInstance
  readonly state: InstanceState
  /** Batches that hold entries of the window. */
  readonly batches: number
  /** By tenant, in no order. */
  readonly accounts: readonly AuditAccount[]
  /** Accepted entries that were on their way when last heard of: in memory, or spilled. */
  readonly waiting: number
  readonly gaps: readonly AuditGap[]
  /** Gaps beyond those listed. */
  readonly gapsOmitted: number
  /** Lives that it stands for, when they are known in sum only. */
  readonly lives?: number
  /** Batches that are known in sum only; null when there are none, or none of them may be of the window. */
  readonly folded?: FoldedPart | null
  /** Of a live instance whose end is in the window: what it accepted until then is accounted for; later entries may be on their way. */
  readonly settledTo?: Date | null
}

/** The oldest batches of an instance, whose rows have expired: their sums and the end of their chain are kept. */
export interface FoldedPart {
  readonly batches: number
  /** When the last of their entries started. */
  readonly to: Date
  /** Whether they are in the accounts; false when the window begins or ends among them. */
  readonly isCounted: boolean
}

/** The sums of an audit. */
export interface AuditSummary {
  /** True when every accepted entry of the window is stored, or has been and has expired, and the ledger proves it. */
  readonly isComplete: boolean
  readonly instanceCount: number
  readonly batches: number
  readonly waiting: number
  readonly gapCount: number
  /** Until when what was accepted has been looked at, when live instances may have accepted more in the window; null when none has. */
  readonly settledTo: Date | null
  /** Of the batches: those known in sum only. */
  readonly foldedBatches: number
  /** Since when every batch was looked at by itself, where some are known in sum only; null where all were. */
  readonly batchesSince: Date | null
  /** Whether the window begins or ends among batches that are known in sum only: those are not in the accounts. */
  readonly isCutByFold: boolean
  /** Settings of the database, as its writers found them, by which it may lose what is stored, when it crashes. */
  readonly weaknesses: readonly string[]
  /** Over all instances, by tenant's name. */
  readonly tenants: readonly AuditAccount[]
  readonly total: Omit<AuditAccount, 'tenant'>
}

/** A tenant's books, empty. */
export function openAuditAccount(tenant: string): AuditAccount {
  return { tenant, accepted: 0, stored: 0, expired: 0, quarantined: 0, dropped: {} }
}

/** Adds the books of one account to those of another. */
export function addAccount(sum: Omit<AuditAccount, 'tenant'>, account: Omit<AuditAccount, 'tenant'>): void {
  sum.accepted += account.accepted
  sum.stored += account.stored
  sum.expired += account.expired
  sum.quarantined += account.quarantined
  for (const [reason, n] of Object.entries(account.dropped)) addDropped(sum.dropped, reason, n)
}

/** Adds `n` to the drops for a reason. */
export function addDropped(dropped: Record<string, number>, reason: string, n: number): void {
  // A reason comes out of the database: `constructor` must be a key like any other.
  const before = Object.hasOwn(dropped, reason) ? (dropped[reason] ?? 0) : 0
  Object.defineProperty(dropped, reason, {
    value: before + n,
    enumerable: true,
    writable: true,
    configurable: true,
  })
}

/** Sums audits of instances. Holds one account for each tenant, and no instance. */
export class AuditSum {
  readonly #accounts = new Map<string, AuditAccount>()
  readonly #total = openAuditAccount('')
  #instances = 0
  #batches = 0
  #waiting = 0
  #gaps = 0
  #settledTo: Date | null = null
  #foldedBatches = 0
  #batchesSince: Date | null = null
  #isCutByFold = false
  readonly #weaknesses = new Set<string>()

  add(audit: InstanceAudit): void {
    this.#instances += audit.lives ?? 1
    this.#batches += audit.batches
    this.#waiting += audit.waiting
    this.#gaps += audit.gaps.length + audit.gapsOmitted
    for (const weakness of audit.instance.weaknesses ?? []) this.#weaknesses.add(weakness)
    const { settledTo = null, folded = null } = audit
    if (folded !== null) {
      if (folded.isCounted) this.#foldedBatches += folded.batches
      else this.#isCutByFold = true
      if (this.#batchesSince === null || folded.to > this.#batchesSince) this.#batchesSince = folded.to
    }
    if (settledTo !== null && (this.#settledTo === null || settledTo < this.#settledTo))
      this.#settledTo = settledTo
    for (const account of audit.accounts) {
      let sum = this.#accounts.get(account.tenant)
      if (sum === undefined) this.#accounts.set(account.tenant, (sum = openAuditAccount(account.tenant)))
      addAccount(sum, account)
      addAccount(this.#total, account)
    }
  }

  get summary(): AuditSummary {
    const { tenant: _, ...total } = this.#total
    return {
      isComplete: this.#gaps === 0,
      instanceCount: this.#instances,
      batches: this.#batches,
      waiting: this.#waiting,
      gapCount: this.#gaps,
      settledTo: this.#settledTo,
      foldedBatches: this.#foldedBatches,
      batchesSince: this.#batchesSince,
      isCutByFold: this.#isCutByFold,
      weaknesses: [...this.#weaknesses].sort(),
      tenants: [...this.#accounts.values()].sort((a, b) => (a.tenant < b.tenant ? -1 : 1)),
      total,
    }
  }
}
