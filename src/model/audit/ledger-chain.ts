import { createHash } from 'node:crypto'

/*
 * The chain of an instance's batches. A later change of a batch's rows, or of its row in `access_ledger`, changes a
 * digest, and with it all that follow:
 *
 *   digest 0 = SHA-256(instance id)      digest n = SHA-256(digest n-1 ‖ canonical header n ‖ SHA-256(COPY text of batch n))
 *
 * A batch's header and digests are those of its sealing and cover all its rows, by seq: those that went to quarantine later
 * too; `access_ledger` has the same figures, and in `quarantined`, which is no part of the header, how many of them those are.
 */

/** Numbers by tenant. */
export type TenantCounts = Readonly<Record<string, number>>

/** Drops by tenant and reason. */
export type TenantDrops = Readonly<Record<string, Readonly<Record<string, number>>>>

/** The figures of a batch when it was sealed. */
export interface LedgerHeader {
  /** UUID in lower case. */
  readonly instance: string
  readonly batch: number
  readonly firstSeq: number | null
  readonly lastSeq: number | null
  /** Rows of the batch: those stored and those quarantined. */
  readonly entries: number
  /** Their length as COPY text. */
  readonly bytes: number
  readonly dropped: TenantDrops | null
  /** Rows by tenant, stored and quarantined. */
  readonly tenants: TenantCounts
  readonly acceptedSeq: number
  readonly isFinal: boolean
}

/**
 * The header as text that every implementation writes alike: a JSON array of instance, batch, first_seq, last_seq, entries,
 * bytes, dropped, tenants, accepted_seq, is_final; keys of objects sorted by UTF-16 code units, no white space, null for none.
 */
export function canonicalHeader(header: LedgerHeader): string {
  return canonicalJson([
    header.instance,
    header.batch,
    header.firstSeq,
    header.lastSeq,
    header.entries,
    header.bytes,
    header.dropped,
    header.tenants,
    header.acceptedSeq,
    header.isFinal,
  ])
}

/** Digest 0: what the first batch of an instance is chained to. */
export function firstDigest(instance: string): Buffer {
  return createHash('sha256').update(instance).digest()
}

/** `rows_digest`: SHA-256 of the batch's COPY text, a newline after each row. */
export function rowsDigest(copyText: Buffer | string): Buffer {
  return createHash('sha256').update(copyText).digest()
}

/** `digest` of a batch, from the digest of the batch before it. */
export function nextDigest(previous: Buffer, header: LedgerHeader, rows: Buffer): Buffer {
  return createHash('sha256').update(previous).update(canonicalHeader(header)).update(rows).digest()
}

/** Not JSON.stringify alone: it puts keys that look like numbers first. */
function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  const record = value as Readonly<Record<string, unknown>>
  let fields = ''
  // Without a comparator: by UTF-16 code units, and, measured, in a third of the time.
  for (const key of Object.keys(record).sort()) {
    const field = record[key]
    const text = typeof field === 'number' ? JSON.stringify(field) : canonicalJson(field)
    fields += `${fields === '' ? '' : ','}${JSON.stringify(key)}:${text}`
  }
  return `{${fields}}`
}
