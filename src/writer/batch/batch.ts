import { decodeRow } from '../../model/copy-text.ts'
import { ENTRY_COLUMN_NAMES } from '../../model/entry-columns.ts'
import { storableText } from './encode.ts'
import type { DropReport } from '../../channel/ledger.ts'

const TENANT_FIELD = ENTRY_COLUMN_NAMES.indexOf('tenant')
const NEWLINE = 10

/**
 * A sealed batch: all that is needed to store it, now or after any number of retries, with the same bytes under the same
 * number. Never changed: cutting a row makes a new batch of the same number, whose digests remain those of the sealing.
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
  /** Length of the rows when the batch was sealed. */
  readonly sealedBytes: number
  /** Drops since the previous batch. */
  readonly dropped: DropReport | null
  /** Rows by tenant; their sum is `entries`. */
  readonly tenants: ReadonlyMap<string, number>
  /** seq of the last entry accepted when it was sealed, and the number of those that waited for a later batch. */
  readonly acceptedSeq: number
  readonly buffered: number
  /** The last batch of a process life that ended in order. */
  readonly isFinal: boolean
  /** See model/ledger-chain.ts: of the batch as it was sealed. */
  readonly rowsDigest: Buffer
  readonly digest: Buffer
  /** UTC days, `YYYY-MM-DD`, whose partitions the rows need. */
  readonly days: readonly string[]
  /** Distinct minutes since the epoch in which the rows' requests started. */
  readonly minutes: readonly number[]
  /** Rows that were cut out: they go to quarantine in the transaction that stores the others. */
  readonly quarantined: readonly RefusedRow[]
  /** COPY text, a newline after each row; its rows are of one form (see ENTRY_COLUMNS). */
  readonly body: Buffer
}

const TAB = 9
/** Where the columns of later forms stand: before the last two. */
const LAST_TWO = /\t[0-9a-f-]{36}\t-?\d+\n/g

/**
 * The rows as COPY takes them into all columns: those of older forms are filled up with NULLs, which say of what form they
 * are. What was sealed stays as it was.
 */
export function copyText({ body }: Pick<Batch, 'body'>): Buffer {
  const missing = body.length === 0 ? 0 : ENTRY_COLUMN_NAMES.length - fieldsOfFirstRow(body)
  if (missing <= 0) return body
  const filling = '\t\\N'.repeat(missing)
  // latin1: byte by byte. A raw tab or newline ends a field or a row, so nothing else matches.
  return Buffer.from(
    body.toString('latin1').replaceAll(LAST_TWO, (end) => filling + end),
    'latin1',
  )
}

function fieldsOfFirstRow(body: Buffer): number {
  const end = body.indexOf(NEWLINE)
  let fields = 1
  for (let i = body.indexOf(TAB); i !== -1 && i < end; i = body.indexOf(TAB, i + 1)) fields++
  return end === -1 ? 0 : fields
}

/** What the store did with a batch. */
export interface StoreResult {
  /** `already_stored`: the ledger had this very batch, number and digest, so an earlier attempt had been committed. */
  readonly state: 'stored' | 'already_stored'
  /** Rows that Postgres counted; those of the batch when it was stored already. */
  readonly rows: number
  /**
   * Another process has, or had, our instance's id, and had used the number. The batch is stored under an id of its own
   * (see asSeparateLife).
   */
  readonly isForeign?: boolean
}

/** Where batches are sent: each is stored exactly once, however often it is sent. */
export interface BatchStore {
  /**
   * Resolves when the batch is committed, and with it those of `more`, all or none. Rejects, within a bounded time, with a
   * BatchError when it is not, or when that is not known. One call at a time. With `more`, `already_stored` says it of one
   * of them at least, and that nothing was done: the caller sends them one by one.
   */
  store(batch: Batch, more?: readonly Batch[]): Promise<StoreResult>
  /** Those of one instance's batches that are stored. Rejects as `store` does; never while another call is under way. */
  storedAmong(batches: readonly Batch[]): Promise<ReadonlySet<Batch>>
  /**
   * Resolves when the rows of the batch would be stored if they were sent alone, without a ledger row; nothing is. Rejects as
   * `store` does; never while another call is under way.
   */
  probe(batch: Batch): Promise<void>
  /** Ends the connection politely, within a bounded time. Never rejects. */
  close(): Promise<void>
  /** Ends the connection at once; a store under way rejects. */
  destroy(): void
}

/** A row that Postgres refused, and why. */
export interface RefusedRow {
  readonly tenant: string
  readonly seq: number
  /** The row as it was sent, without its newline. */
  readonly text: string
  /** SQLSTATE. */
  readonly code: string
  /** The server's words, without a value. */
  readonly detail: string
}

/** Why a row is refused. */
export type RowRefusal = Pick<RefusedRow, 'code' | 'detail'>

/** The batch with its row `line`, counted from 1 as Postgres does, in quarantine, and that row; null when it has no such row. */
export function cutRow(
  batch: Batch,
  line: number,
  { code, detail }: RowRefusal,
): { batch: Batch; row: RefusedRow } | null {
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
  const row = { tenant, seq: Number(fields.at(-1) ?? 0), text, code, detail }
  return {
    batch: {
      ...batch,
      entries: batch.entries - 1,
      tenants,
      quarantined: [...batch.quarantined, row],
      body: Buffer.concat([batch.body.subarray(0, start), batch.body.subarray(end)]),
    },
    row,
  }
}

/** A batch of the first `entries` rows alone, to try out; of its other fields only `body` and `entries` are its own. */
export function firstRows(batch: Batch, entries: number): Batch {
  let end = 0
  for (let i = 0; i < entries; i++) end = batch.body.indexOf(NEWLINE, end) + 1
  return { ...batch, entries, body: batch.body.subarray(0, end) }
}

/** The batch with all its rows in quarantine; its ledger row is still to be written. */
export function cutAllRows(batch: Batch, { code, detail }: RowRefusal): Batch {
  const texts = batch.body.toString().split('\n').slice(0, -1)
  const rows = texts.map((text) => {
    const fields = decodeRow(text)
    const tenant = tenantKey(batch.tenants, fields[TENANT_FIELD] ?? '')
    return { tenant, seq: Number(fields.at(-1) ?? 0), text, code, detail }
  })
  return {
    ...batch,
    entries: 0,
    tenants: new Map(),
    quarantined: [...batch.quarantined, ...rows],
    body: Buffer.alloc(0),
  }
}

/** All rows as they were sealed, by seq: those cut out among the others. */
export function cutRowsText({ body, quarantined }: Pick<Batch, 'body' | 'quarantined'>): string {
  const text = body.toString()
  if (quarantined.length === 0) return text
  const rows = text.split('\n').slice(0, -1)
  rows.push(...quarantined.map((row) => row.text))
  const seqOf = (row: string): number => Number(row.slice(row.lastIndexOf('\t') + 1))
  return rows
    .sort((a, b) => seqOf(a) - seqOf(b))
    .map((row) => `${row}\n`)
    .join('')
}

/** Rows of the batch in quarantine, by tenant. */
export function quarantinedByTenant(batch: Pick<Batch, 'quarantined'>): Map<string, number> {
  const counts = new Map<string, number>()
  for (const { tenant } of batch.quarantined) counts.set(tenant, (counts.get(tenant) ?? 0) + 1)
  return counts
}

/** The tenant whose rows bear this text: the same, but for texts that Postgres cannot hold as they are. */
function tenantKey(tenants: ReadonlyMap<string, number>, stored: string): string {
  if (tenants.has(stored)) return stored
  for (const tenant of tenants.keys()) if (storableText(tenant) === stored) return tenant
  return stored
}
