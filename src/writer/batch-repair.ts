import { endsWithin } from '../lib/time/within.ts'
import { unreachable } from '../lib/unreachable.ts'
import type { AccessEntry } from '../model/access-entry.ts'
import { type Batch, cutAllRows, cutRow, firstRows, type RefusedRow } from './batch/batch.ts'
import type { Clock } from '../lib/time/clock.ts'
import type { BatchError } from './database/failure.ts'
import type { Ledger } from '../channel/ledger.ts'
import type { DatabaseTurns } from './database/database-turns.ts'
import { probeRow } from './database/probe-row.ts'
import type { WriterCounters } from './writer-stats.ts'
import type { WriterLog } from './writer-log.ts'

/** Longest wait for missing partitions to be made; they are tried again after the back-off. */
const PARTITION_TIMEOUT_MS = 10_000

/** Rows cut out of one batch before the next back-off: when more are refused, it is hardly the rows that are wrong. */
const MAX_CUTS = 64

/** Rows tried out between two back-offs, and rows found that way in one batch: a refusal of all rows is not worth a longer search. */
const MAX_PROBES = 64
const MAX_FOUND = 64

/** Attempts of a batch that Postgres rejects although no row is found guilty; then all its rows go to quarantine, or nothing would follow. */
const MAX_BLIND_REJECTIONS = 8

/** Attempts to make the partitions of a replayed batch; then likewise. */
const MAX_PARTITION_FAILURES = 8

/** A wait that was broken off is usually no row's fault. A row that is blamed for it so often in a row is taken for the cause. */
const MAX_BLAMES = 3
const WAITS = /^(40...|55P03|57014)$/

/**
 * Removes the cause of a failure where that can be done: makes the missing partition, cuts out the rejected row. Its work on
 * one batch between two back-offs is bounded. A rejected row goes to quarantine with the batch that it was in.
 *
 * The row is the one that Postgres names. Where it names none (a deferred constraint speaks at the commit, of no line), it is
 * found by trying out ever shorter beginnings of the batch, each in a transaction that is rolled back: the first row with which
 * the beginning is refused is the one. That takes 1 + log2(rows) attempts for each such row; why not halves: docs/decisions/0022.
 */
export class BatchRepair {
  readonly #ensurePartitions: (days: readonly string[]) => Promise<void>
  readonly #ledger: Ledger
  readonly #counters: WriterCounters
  readonly #clock: Clock
  readonly #log: WriterLog
  readonly #isReplay: boolean
  readonly #database: DatabaseTurns
  #partitionFailures = 0
  #arePartitionsMade = false
  #cuts = 0
  #probes = 0
  #found = 0
  #blindRejections = 0
  #blamed = { line: 0, code: '', times: 0 }
  #takesOthers: Promise<boolean> | null = null

  constructor(parts: {
    readonly ensurePartitions: (days: readonly string[]) => Promise<void>
    readonly ledger: Ledger
    readonly counters: WriterCounters
    readonly clock: Clock
    readonly log: WriterLog
    readonly database: DatabaseTurns
    /** Batches behind this one are not kept waiting for ever. */
    readonly isReplay?: boolean
  }) {
    this.#ensurePartitions = parts.ensurePartitions
    this.#ledger = parts.ledger
    this.#counters = parts.counters
    this.#clock = parts.clock
    this.#log = parts.log
    this.#database = parts.database
    this.#isReplay = parts.isReplay ?? false
  }

  /** The batch to send at once in place of the failed one, of the same number; null when only waiting is left. */
  async mend(batch: Batch, failure: BatchError): Promise<Batch | null> {
    switch (failure.kind) {
      case 'missing_partition':
        if (await this.#makePartitions(batch.days)) return batch
        if (!this.#isReplay || ++this.#partitionFailures < MAX_PARTITION_FAILURES) return null
        return this.cutAll(batch, failure)
      case 'rejected':
        return await this.#cut(batch, failure)
      case 'retry':
        return await this.#cutBlamed(batch, failure)
      case 'unusable':
        // Raised for a row: by a trigger that lacks something.
        return failure.line === null ? null : await this.#cutSuspect(batch, failure)
      case 'suspect':
        return await this.#cutSuspect(batch, failure)
      default:
        return unreachable(failure.kind)
    }
  }

  /** To be called before the first attempt of a batch. */
  beginBatch(): void {
    this.#blindRejections = 0
    this.#partitionFailures = 0
    this.#found = 0
    this.#blamed = { line: 0, code: '', times: 0 }
    this.afterBackOff()
  }

  /** To be called after each back-off: what was tried in vain may be tried again. */
  afterBackOff(): void {
    this.#arePartitionsMade = false
    this.#cuts = 0
    this.#probes = 0
    this.#takesOthers = null
  }

  /** Whether the database takes a row of our own at present. Asked once between two back-offs. */
  async takesOthers(batch: Batch): Promise<boolean> {
    const sender = this.#isReplay ? 'replay' : 'live'
    this.#takesOthers ??= this.#database
      .probe(sender, probeRow(batch, this.#clock.nowMs()))
      .then((refusal) => refusal === null)
    return await this.#takesOthers
  }

  /** An entry that could not be encoded: a fault elsewhere, which costs that entry. */
  unfit(entry: AccessEntry): void {
    this.#ledger.dropBuffered(entry.tenant, 1, 'rejected')
    this.#counters.rejected++
    this.#log.rejected({ tenant: entry.tenant, seq: entry.seq }, 'unencodable')
  }

  async #makePartitions(days: readonly string[]): Promise<boolean> {
    // They were made already and are still missing: making them again does not help.
    if (this.#arePartitionsMade) return false
    this.#arePartitionsMade = true
    try {
      // What it comes to later is of no consequence: the next attempt tells whether the partitions are there.
      if (!(await endsWithin(this.#ensurePartitions(days), PARTITION_TIMEOUT_MS, this.#clock))) return false
      this.#log.partitionsMade(days)
      return true
    } catch (error) {
      this.#log.partitionsNotMade(days, error)
      return false
    }
  }

  async #cutSuspect(batch: Batch, failure: BatchError): Promise<Batch | null> {
    if (failure.isOfConnection || batch.entries === 0 || !(await this.takesOthers(batch))) return null
    return await this.#cut(batch, failure)
  }

  /** A row at which every attempt was broken off, while others are taken: a trigger that waits for ever, say. */
  async #cutBlamed(batch: Batch, failure: BatchError): Promise<Batch | null> {
    const { line, code } = failure
    if (line === null || !WAITS.test(code)) return null
    const isSame = line === this.#blamed.line && code === this.#blamed.code
    this.#blamed = { line, code, times: isSame ? this.#blamed.times + 1 : 1 }
    if (this.#blamed.times < MAX_BLAMES || !(await this.takesOthers(batch))) return null
    const cut = cutRow(batch, line, failure)
    return cut === null ? null : this.#afterCut(cut, failure)
  }

  async #cut(batch: Batch, failure: BatchError): Promise<Batch | null> {
    if (this.#cuts >= MAX_CUTS) return null
    const named = failure.line === null ? null : cutRow(batch, failure.line, failure)
    if (named !== null) return this.#afterCut(named, failure)
    if (batch.entries === 0) return null
    const culprit = this.#found < MAX_FOUND ? await this.#find(batch) : 'none'
    if (culprit === 'unknown') return null
    const cut = culprit === 'none' ? null : cutRow(batch, culprit.line, culprit.refusal)
    if (cut !== null) {
      this.#found++
      return this.#afterCut(cut, failure)
    }
    // The failure may have another cause than the rows: they must not go to quarantine for it.
    if (failure.kind !== 'rejected') return null
    return ++this.#blindRejections < MAX_BLIND_REJECTIONS ? null : this.cutAll(batch, failure)
  }

  #afterCut(cut: { batch: Batch; row: RefusedRow }, { code }: BatchError): Batch {
    this.#cuts++
    this.#counters.rejected++
    this.#log.rejected(cut.row, code)
    return cut.batch
  }

  /** The first row that is refused together with those before it; `none`: all are taken, so it is not a row's fault. */
  async #find(batch: Batch): Promise<{ line: number; refusal: BatchError } | 'none' | 'unknown'> {
    // All before `taken` are taken, not all before `refused` are.
    let taken = 0
    let refused = batch.entries
    if (this.#probes + 1 + Math.ceil(Math.log2(refused)) > MAX_PROBES) return 'unknown'
    let refusal: BatchError | null = null
    for (let tried = refused; refusal === null || refused - taken > 1; tried = (taken + refused) >> 1) {
      this.#probes++
      const outcome = await this.#database.probe(this.#isReplay ? 'replay' : 'live', firstRows(batch, tried))
      if (outcome === null && tried === batch.entries) return 'none'
      if (outcome === null) taken = tried
      else if (isOfRows(outcome)) {
        refused = Math.min(outcome.line ?? tried, tried)
        refusal = outcome
        if (outcome.line !== null) break
      } else return 'unknown'
    }
    return { line: refused, refusal }
  }

  /** The batch with all its rows in quarantine. */
  cutAll(batch: Batch, failure: BatchError): Batch {
    this.#counters.rejected += batch.entries
    this.#log.rejectedWhole(batch, failure.code)
    return cutAllRows(batch, failure)
  }
}

function isOfRows({ kind, isOfConnection, line }: BatchError): boolean {
  if (isOfConnection) return false
  return kind === 'rejected' || kind === 'suspect' || (kind === 'unusable' && line !== null)
}
