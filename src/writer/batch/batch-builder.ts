import { createHash } from 'node:crypto'
import type { AccessEntry } from '../../model/access-entry.ts'
import { type LedgerHeader, nextDigest } from '../../model/audit/ledger-chain.ts'
import { type Batch, quarantinedByTenant } from './batch.ts'
import type { EntrySource } from '../../channel/channel.ts'
import { clampTime, maxRowBytes, type RowEncoder } from './encode.ts'
import { RowBuffer } from './row-buffer.ts'
import { storableCounts, storableDrops } from './storable-counts.ts'

/** Rows encoded in one go. Measured: about 0.3 ms, the longest that the writer keeps requests from being served. */
export const SLICE_ENTRIES = 128

/** Fills in what artifact an entry's request was about. Must not throw. A second call for an entry changes nothing. */
export type Identify = (entry: AccessEntry) => void

/** What a batch is sealed with, besides its rows. */
export interface SealParts extends Pick<
  Batch,
  'instance' | 'number' | 'dropped' | 'acceptedSeq' | 'buffered' | 'isFinal'
> {
  /** Of the batch before it, or `firstDigest`. */
  readonly previousDigest: Buffer
}

/** Collects entries, in the order of their seqs, into one batch, slice by slice: encoding never holds up the event loop for long. */
export class BatchBuilder {
  readonly #encoder: RowEncoder
  readonly #limits: { readonly maxEntries: number; readonly maxBytes: number }
  readonly #rows: RowBuffer
  readonly #identify: Identify
  readonly #tenants = new Map<string, number>()
  readonly #days = new Set<string>()
  #day = ''
  #entries = 0
  #firstSeq = Infinity
  #lastSeq = -Infinity
  #firstStartedAtMs = Infinity
  #lastStartedAtMs = -Infinity
  #minute = Number.NaN
  readonly #minutes = new Set<number>()
  /** Fed slice by slice: SHA-256 of a full batch in one go takes milliseconds. */
  readonly #rowsHash = createHash('sha256')

  /** `rows`: empty, and this builder's alone until it has sealed. */
  constructor(
    encoder: RowEncoder,
    limits: {
      readonly maxEntries: number
      /** No batch is longer, unless a single row is. */
      readonly maxBytes: number
    },
    rows: RowBuffer = new RowBuffer(),
    identify: Identify = () => {},
  ) {
    this.#identify = identify
    this.#encoder = encoder
    this.#rows = rows
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
      // First: its texts count.
      this.#identify(next)
      bound += maxRowBytes(next)
      const isOverBytes = this.#rows.length + bound > this.#limits.maxBytes
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
    if (rows !== '') this.#rowsHash.update(this.#rows.append(rows))
    return verdict
  }

  /** The finished batch; the next one is chained to its digest. */
  seal(parts: SealParts): Batch {
    const body = this.#rows.take()
    const rows = this.#rowsHash.digest()
    const range =
      this.#entries === 0
        ? null
        : {
            firstSeq: this.#firstSeq,
            lastSeq: this.#lastSeq,
            firstStartedAtMs: this.#firstStartedAtMs,
            lastStartedAtMs: this.#lastStartedAtMs,
          }
    const { previousDigest, ...sealed } = parts
    const batch = {
      ...sealed,
      entries: this.#entries,
      range,
      sealedBytes: body.length,
      tenants: this.#tenants,
      rowsDigest: rows,
      days: [...this.#days],
      minutes: [...this.#minutes],
      quarantined: [],
      body,
    }
    return { ...batch, digest: nextDigest(previousDigest, headerOf(batch), rows) }
  }

  #encode(entry: AccessEntry): string {
    const row = this.#encoder.row(entry)
    const startedAtMs = clampTime(entry.startedAtMs)
    const minute = Math.floor(startedAtMs / 60_000)
    if (minute !== this.#minute) this.#minutes.add((this.#minute = minute))
    this.#entries++
    this.#tenants.set(entry.tenant, (this.#tenants.get(entry.tenant) ?? 0) + 1)
    // The day's text is the same one until it changes.
    if (this.#encoder.day !== this.#day) this.#days.add((this.#day = this.#encoder.day))
    if (entry.seq < this.#firstSeq) this.#firstSeq = entry.seq
    if (entry.seq > this.#lastSeq) this.#lastSeq = entry.seq
    if (startedAtMs < this.#firstStartedAtMs) this.#firstStartedAtMs = startedAtMs
    if (startedAtMs > this.#lastStartedAtMs) this.#lastStartedAtMs = startedAtMs
    return row
  }
}

/** What the digest of a batch covers, besides its rows. */
export function headerOf(
  batch: Pick<
    Batch,
    | 'instance'
    | 'number'
    | 'range'
    | 'entries'
    | 'sealedBytes'
    | 'dropped'
    | 'tenants'
    | 'quarantined'
    | 'acceptedSeq'
    | 'isFinal'
  >,
): LedgerHeader {
  return {
    instance: batch.instance,
    batch: batch.number,
    firstSeq: batch.range?.firstSeq ?? null,
    lastSeq: batch.range?.lastSeq ?? null,
    entries: batch.entries + batch.quarantined.length,
    bytes: batch.sealedBytes,
    dropped: storableDrops(batch.dropped),
    tenants: storableCounts([...batch.tenants, ...quarantinedByTenant(batch)]),
    acceptedSeq: batch.acceptedSeq,
    isFinal: batch.isFinal,
  }
}
