import { setImmediate as nextTurn } from 'node:timers/promises'
import { AccessEntry } from '../model/access-entry.ts'
import { firstDigest } from '../model/audit/ledger-chain.ts'
import type { WriterOptions } from '../writer/assembly.ts'
import type { Batch, BatchStore, StoreResult } from '../writer/batch/batch.ts'
import { BatchBuilder, type SealParts } from '../writer/batch/batch-builder.ts'
import { Channel } from '../channel/channel.ts'
import { decodeRow } from '../model/copy-text.ts'
import { ENTRY_COLUMN_NAMES, type EntryColumnName } from '../model/entry-columns.ts'
import { RowEncoder } from '../writer/batch/encode.ts'
import { type FailureKind, BatchError } from '../writer/database/failure.ts'
import { DROP_REASONS, Ledger } from '../channel/ledger.ts'
import { type FakeClock, NOON_MS } from './clock.ts'

/** For tests: small batches and short waits. */
export const WRITER_OPTIONS: WriterOptions = {
  flushEntries: 10,
  flushIntervalMs: 2000,
  maxBatchEntries: 50,
  maxBatchBytes: 1e6,
  backoffMinMs: 100,
  backoffMaxMs: 5000,
}

/** For tests: an instance id. */
export const INSTANCE = '0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b'

/** For tests: an entry with these fields, the others being usual. */
export function entryOf(fields: Partial<AccessEntry> = {}): AccessEntry {
  const usual = { startedAtMs: NOON_MS, tenant: 'acme', method: 'GET', path: '/', status: 200 }
  return Object.assign(new AccessEntry(), usual, fields)
}

/** For tests: how a store behaves at one attempt. `late`: commits only after the attempt was given up, as a frozen backend may. */
export type Behaviour = 'ok' | 'refuse' | 'lost_ack' | 'hang' | 'late'

/** For tests: Postgres in memory: a ledger with a key, rows, days that have a partition, and rows that it rejects. */
export class FakeStore implements BatchStore {
  readonly #clock: FakeClock
  /** By number; of the last instance that stored it. */
  readonly batches = new Map<number, Batch>()
  /** By instance and number. */
  readonly ledger = new Map<string, Batch>()
  readonly rows: { seq: number; tenant: string; path: string; instance: string }[] = []
  readonly quarantine: { seq: number; instance: string }[] = []
  readonly days = new Set<string>(['2026-11-21'])
  /** Behaviour of the coming attempts; `ok` when there is none left. */
  readonly script: Behaviour[] = []
  /** Bodies as they were sent, by batch number. */
  readonly sent: { number: number; body: string }[] = []
  /** Answers every attempt with this, when set. */
  failure: BatchError | null = null
  /** Answers every attempt with rows with this, when set, though nothing is wrong with them when they are tried out. */
  refusal: BatchError | null = null
  /** Answers an attempt, or a try-out, by its rows; null: as usual. */
  judge: ((rows: readonly { path: string; tenant: string }[], isProbe: boolean) => BatchError | null) | null =
    null
  /** Each attempt takes this long before it does what it does. */
  slowMs = 0
  /** Refuses a poisoned row without saying which it is. */
  isBlind = false
  /** How many rows were tried out, each time. */
  readonly probes: number[] = []
  isDestroyed = false
  isClosed = false

  constructor(clock: FakeClock) {
    this.#clock = clock
  }

  async store(batch: Batch, more: readonly Batch[] = []): Promise<StoreResult> {
    return await this.#store([batch, ...more])
  }

  async storedAmong(batches: readonly Batch[]): Promise<ReadonlySet<Batch>> {
    await nextTurn()
    if (this.failure) throw this.failure
    return new Set(batches.filter((batch) => this.ledger.has(keyOf(batch))))
  }

  async probe(batch: Batch): Promise<void> {
    this.probes.push(batch.entries)
    await nextTurn()
    if (this.failure) throw this.failure
    const rows = rowsOf(batch.body)
    const refusal = this.judge?.(rows, true) ?? null
    if (refusal !== null) throw refusal
    this.#check(rows)
  }

  async #store(batches: readonly Batch[]): Promise<StoreResult> {
    const behaviour = this.script.shift() ?? 'ok'
    for (const { number, body } of batches) this.sent.push({ number, body: body.toString() })
    await nextTurn()
    if (this.slowMs > 0) await new Promise<void>((resolve) => void this.#clock.after(this.slowMs, resolve))
    if (this.failure) throw this.failure
    if (this.refusal && batches.some(({ entries }) => entries > 0)) throw this.refusal
    if (behaviour === 'refuse') throw failureOf('retry', 'ECONNREFUSED')
    if (behaviour === 'hang' || behaviour === 'late') {
      await new Promise<void>((resolve) => {
        this.#clock.after(10_000, resolve)
      })
      if (behaviour === 'late') this.#clock.after(50, () => this.#commitLate(batches))
      throw failureOf('retry', 'timeout')
    }
    const result = this.#commit(batches)
    if (behaviour === 'lost_ack') throw failureOf('retry', 'ECONNRESET')
    return result
  }

  async close(): Promise<void> {
    this.isClosed = true
  }

  destroy(): void {
    this.isDestroyed = true
  }

  #commitLate(batches: readonly Batch[]): void {
    try {
      this.#commit(batches)
    } catch (error) {
      if (!(error instanceof BatchError)) throw error
    }
  }

  #commit(batches: readonly Batch[]): StoreResult {
    const rows = rowsOf(Buffer.concat(batches.map(({ body }) => body)))
    if (batches.some((batch) => this.ledger.has(keyOf(batch)))) {
      return { state: 'already_stored', rows: batches[0]?.entries ?? 0 }
    }
    const refusal = this.judge?.(rows, false) ?? null
    if (refusal !== null) throw refusal
    this.#check(rows)
    for (const batch of batches) {
      this.ledger.set(keyOf(batch), batch)
      this.batches.set(batch.number, batch)
      this.quarantine.push(...batch.quarantined.map(({ seq }) => ({ instance: batch.instance, seq })))
    }
    this.rows.push(...rows)
    return { state: 'stored', rows: rows.length }
  }

  #check(rows: readonly { path: string; day: string }[]): void {
    const seen = new Set<string>()
    rows.forEach(({ path, day }, i) => {
      const isTwin = path.startsWith('/unique') && seen.has(path)
      seen.add(path)
      if (path === '/poison' || isTwin) throw failureOf('rejected', '22021', this.isBlind ? null : i + 1)
      if (!this.days.has(day)) throw failureOf('missing_partition', '23514')
    })
  }
}

function keyOf({ instance, number }: Batch): string {
  return `${instance} ${number}`
}

/** For tests: a failed attempt. */
export function failureOf(kind: FailureKind, code: string, line: number | null = null): BatchError {
  return new BatchError(code, { kind, code, line })
}

/** For tests: what COPY text says. */
export function rowsOf(
  body: Buffer,
): { seq: number; tenant: string; path: string; day: string; instance: string }[] {
  const lines = body.toString().split('\n').slice(0, -1)
  return lines.map((line) => {
    const fields = decodeRow(line)
    const field = (name: EntryColumnName): string => fields[ENTRY_COLUMN_NAMES.indexOf(name)] ?? ''
    return {
      seq: Number(field('seq')),
      tenant: field('tenant'),
      path: field('path'),
      instance: field('instance'),
      day: field('started_at').slice(0, 10),
    }
  })
}

/** For tests: the accounts for which law 3 does not hold. */
export function brokenAccounts(ledger: Ledger): string[] {
  const all = [...ledger.accounts(), { tenant: 'total', ...ledger.totals }]
  return all
    .filter(({ accepted, stored, spilled, quarantined, buffered, dropped }) => {
      const lost = DROP_REASONS.reduce((sum, reason) => sum + dropped[reason], 0)
      return accepted !== stored + spilled + quarantined + buffered + lost || buffered < 0
    })
    .map(({ tenant }) => tenant)
}

/** For tests: rows as programs wrote them that knew nothing of rules, or not even of artifacts. */
export class OlderFormEncoder extends RowEncoder {
  readonly #missing: RegExp

  constructor(instance: string, form: 1 | 2) {
    super(instance)
    this.#missing = new RegExp(`(?:\\t[^\\t]*){${form === 1 ? 6 : 3}}(\\t[^\\t]*\\t[^\\t]*\\n)$`)
  }

  override row(entry: AccessEntry): string {
    return super.row(entry).replace(this.#missing, '$1')
  }
}

/** For tests: a batch of these entries as a writer seals it, the first of its instance unless said otherwise. */
export function sealedBatch(
  entries: readonly AccessEntry[],
  parts: Partial<SealParts> = {},
  encoder = new RowEncoder(parts.instance ?? INSTANCE),
): Batch {
  const channel = new Channel({ capacityEntries: 1e5, capacityBytes: 1e9, ledger: new Ledger() })
  for (const entry of entries) channel.push(entry)
  const instance = parts.instance ?? INSTANCE
  const builder = new BatchBuilder(encoder, { maxEntries: 1e5, maxBytes: 1e9 })
  while (builder.takeSlice(channel, () => {}) === 'more');
  return builder.seal({
    instance,
    number: 1,
    dropped: null,
    acceptedSeq: channel.lastSeq,
    buffered: 0,
    isFinal: false,
    previousDigest: firstDigest(instance),
    ...parts,
  })
}
