import type { AccessEntry } from '../model/access-entry.ts'
import type { EntrySource } from './channel.ts'
import { clampTime, COLUMNS, decodeRow, maxRowBytes, type RowEncoder, storableText } from './encode.ts'
import type { DropReport } from './ledger.ts'

/** Rows encoded in one go. Measured: about 0.3 ms, the longest that the writer keeps requests from being served. */
const SLICE_ENTRIES = 128

const TENANT_FIELD = COLUMNS.indexOf('tenant')
const SEQ_FIELD = COLUMNS.indexOf('seq')
const NEWLINE = 10

/**
 * A sealed batch: all that is needed to store it, now or after any number of retries, with the same bytes under the same
 * number. Never changed; what cuts a row makes a new batch of the same number.
 */
export interface Batch {
  /** Process life that it belongs to, a UUID. */
  readonly instance: string
  /** Counts from 1 without holes within an instance. */
  readonly number: number
  /** Rows in `body`. */
  readonly entries: number
  /** Smallest and largest seq and start (epoch ms) in the batch as it was sealed; null when it was sealed empty. */
  readonly range: {
    readonly firstSeq: number
    readonly lastSeq: number
    readonly firstStartedAtMs: number
    readonly lastStartedAtMs: number
  } | null
  /** Drops since the previous batch. */
  readonly dropped: DropReport | null
  /** Rows by tenant; their sum is `entries`. */
  readonly tenants: ReadonlyMap<string, number>
  /** UTC days, `YYYY-MM-DD`, whose partitions the rows need. */
  readonly days: readonly string[]
  /** COPY text, a newline after each row. */
  readonly body: Buffer
}

/** What the store did with a batch. */
export interface StoreResult {
  /** `already_stored`: the ledger had a batch of this number, so an earlier attempt had been committed. */
  readonly state: 'stored' | 'already_stored'
  /** Rows that Postgres counted; those of the batch when it was stored already. */
  readonly rows: number
}

/** Where the writer sends batches: each is stored exactly once, however often it is sent. */
export interface BatchStore {
  /**
   * Resolves when the batch is committed. Rejects, within a bounded time, with a StoreError when it is not, or when that
   * is not known. One call at a time.
   */
  store(batch: Batch): Promise<StoreResult>
  /** Ends the connection politely, within a bounded time. Never rejects. */
  close(): Promise<void>
  /** Ends the connection at once; a store under way rejects. */
  destroy(): void
}

/** Collects entries from a source into one batch, slice by slice, so that encoding never holds up the event loop for long. */
export class BatchBuilder {
  readonly #encoder: RowEncoder
  readonly #limits: { readonly maxEntries: number; readonly maxBytes: number }
  readonly #slices: Buffer[] = []
  readonly #tenants = new Map<string, number>()
  readonly #days = new Set<string>()
  #entries = 0
  #bytes = 0
  #firstSeq = Infinity
  #lastSeq = -Infinity
  #firstStartedAtMs = Infinity
  #lastStartedAtMs = -Infinity

  constructor(
    encoder: RowEncoder,
    limits: {
      readonly maxEntries: number
      /** No batch is longer, unless a single row is. */
      readonly maxBytes: number
    },
  ) {
    this.#encoder = encoder
    this.#limits = limits
  }

  /**
   * Takes and encodes the next slice. Returns `more` when another call may take more, `empty` when the source has nothing
   * left, `full` when the batch has reached a limit. An entry that cannot be encoded goes to `onUnfit` instead.
   */
  takeSlice(
    source: EntrySource,
    onUnfit: (entry: AccessEntry, error: unknown) => void,
  ): 'more' | 'empty' | 'full' {
    let rows = ''
    let bound = 0
    let verdict: 'more' | 'empty' | 'full' = 'more'
    for (let taken = 0; taken < SLICE_ENTRIES; taken++) {
      const next = source.peek()
      if (next === undefined) {
        verdict = 'empty'
        break
      }
      bound += maxRowBytes(next)
      const isOverBytes = this.#bytes + bound > this.#limits.maxBytes
      if (this.#entries >= this.#limits.maxEntries || (isOverBytes && this.#entries > 0)) {
        // The bound is three times the usual length: with rows in hand, look again when their true length is known.
        verdict = isOverBytes && rows !== '' ? 'more' : 'full'
        break
      }
      source.shift()
      try {
        rows += this.#encode(next)
      } catch (error) {
        onUnfit(next, error)
      }
    }
    const slice = Buffer.from(rows)
    this.#slices.push(slice)
    this.#bytes += slice.length
    return verdict
  }

  /** The finished batch. */
  seal(instance: string, number: number, dropped: DropReport | null): Batch {
    return {
      instance,
      number,
      entries: this.#entries,
      range:
        this.#entries === 0
          ? null
          : {
              firstSeq: this.#firstSeq,
              lastSeq: this.#lastSeq,
              firstStartedAtMs: this.#firstStartedAtMs,
              lastStartedAtMs: this.#lastStartedAtMs,
            },
      dropped,
      tenants: this.#tenants,
      days: [...this.#days],
      body: this.#slices.length === 1 && this.#slices[0] ? this.#slices[0] : Buffer.concat(this.#slices),
    }
  }

  #encode(entry: AccessEntry): string {
    const row = this.#encoder.row(entry)
    const startedAtMs = clampTime(entry.startedAtMs)
    this.#entries++
    this.#tenants.set(entry.tenant, (this.#tenants.get(entry.tenant) ?? 0) + 1)
    this.#days.add(this.#encoder.day)
    if (entry.seq < this.#firstSeq) this.#firstSeq = entry.seq
    if (entry.seq > this.#lastSeq) this.#lastSeq = entry.seq
    if (startedAtMs < this.#firstStartedAtMs) this.#firstStartedAtMs = startedAtMs
    if (startedAtMs > this.#lastStartedAtMs) this.#lastStartedAtMs = startedAtMs
    return row
  }
}

/** A row that was cut out of a batch. */
export interface CutRow {
  readonly tenant: string
  readonly seq: number
  /** The row as it was sent, without its newline. */
  readonly text: string
}

/** The batch without its row `line`, counted from 1 as Postgres does, and that row; null when it has no such row. */
export function cutRow(batch: Batch, line: number): { batch: Batch; row: CutRow } | null {
  if (line < 1 || line > batch.entries) return null
  // A newline within a value is escaped, so every raw newline ends a row.
  let start = 0
  for (let i = 1; i < line; i++) start = batch.body.indexOf(NEWLINE, start) + 1
  const end = batch.body.indexOf(NEWLINE, start) + 1
  const text = batch.body.toString('utf8', start, end - 1)
  const fields = decodeRow(text)
  const tenant = tenantKey(batch.tenants, fields[TENANT_FIELD] ?? '')
  const tenants = new Map(batch.tenants)
  tenants.set(tenant, (tenants.get(tenant) ?? 0) - 1)
  return {
    batch: {
      ...batch,
      entries: batch.entries - 1,
      tenants,
      body: Buffer.concat([batch.body.subarray(0, start), batch.body.subarray(end)]),
    },
    row: { tenant, seq: Number(fields[SEQ_FIELD] ?? 0), text },
  }
}

/** The batch without any row: its ledger row, with its drops, is still to be written. */
export function withoutRows(batch: Batch): Batch {
  return { ...batch, entries: 0, tenants: new Map(), body: Buffer.alloc(0) }
}

/** The tenant whose rows bear this text: the same, but for texts that Postgres cannot hold as they are. */
function tenantKey(tenants: ReadonlyMap<string, number>, stored: string): string {
  if (tenants.has(stored)) return stored
  for (const tenant of tenants.keys()) if (storableText(tenant) === stored) return tenant
  return stored
}
