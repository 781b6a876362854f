import { createHash, timingSafeEqual } from 'node:crypto'
import type { Sql } from '../sql.ts'

/** Where the chain stood at some time: kept elsewhere, it shows later that nothing up to there was changed or left out. */
export interface ChainHead {
  /** 0 for an empty log. */
  readonly seq: number
  /** SHA-256 in lower-case hex, over all entries up to this one; '' for an empty log. */
  readonly digest: string
}

/** What became of a check of the chain. */
export interface ChainCheck {
  /** Entries that were looked at, all that there were when it began. */
  readonly entries: number
  /** Where the chain ends, as the database says. */
  readonly head: ChainHead
  /** The first entry that is not as it was written; null when all are. */
  readonly broken: { readonly seq: number; readonly why: string } | null
}

/** Rows held at once: of 600 bytes, 300 KiB. */
const PAGE_ROWS = 500

/** What is searched by, beside the record that is shown. */
interface LinkRow {
  seq: number
  /** To the microsecond, in UTC. */
  at: string
  actor: string
  via: string
  action: string
  subject: string
  tenant: string | null
  digest: Buffer
  record: string
}

const SEARCHED = ['seq', 'at', 'actor', 'via', 'action', 'subject', 'tenant'] as const

/** Where the chain stands now. */
export async function readAdminLogHead(sql: Sql): Promise<ChainHead> {
  const [row] = await sql<{ seq: number; digest: Buffer }[]>`SELECT h.seq, h.digest FROM admin_log_head h`
  return { seq: row?.seq ?? 0, digest: row?.digest.toString('hex') ?? '' }
}

/**
 * Computes the chain anew from the records, and compares it with what the log and its head have, and with `anchor`, a head that
 * was read earlier. Who may alter the log at will may compute a chain that fits: against that there is the anchor alone.
 */
export async function verifyAdminLog(sql: Sql, anchor: ChainHead | null = null): Promise<ChainCheck> {
  // Entries are there before the head that names them, and never change: a page later they are the same.
  const head = await readAdminLogHead(sql)
  let before: ChainHead = { seq: 0, digest: '' }
  let anchored = anchor === null || isSame(before, anchor)
  const broken = (seq: number, why: string): ChainCheck => ({
    entries: before.seq,
    head,
    broken: { seq, why },
  })
  for await (const row of links(sql, head.seq)) {
    const why = whyBroken(row, before)
    if (why !== null) return broken(before.seq + 1, why)
    before = { seq: row.seq, digest: row.digest.toString('hex') }
    if (anchor?.seq !== row.seq) continue
    if (!isSame(before, anchor))
      return broken(row.seq, 'it, or one before it, is not what the anchor was taken of')
    anchored = true
  }
  if (before.seq < head.seq) return broken(before.seq + 1, 'it is missing')
  if (!isSame(before, head)) return broken(head.seq, 'it is not what the head of the log names')
  const [more] = await sql<{ seq: number }[]>`
    SELECT l.seq FROM admin_log l WHERE l.seq > (SELECT h.seq FROM admin_log_head h) ORDER BY l.seq LIMIT 1`
  if (more !== undefined) return broken(more.seq, 'it stands behind the head of the log')
  if (!anchored) return broken(head.seq + 1, `it is missing: the anchor is of entry ${anchor?.seq ?? 0}`)
  return { entries: before.seq, head, broken: null }
}

async function* links(sql: Sql, last: number): AsyncGenerator<LinkRow, void, undefined> {
  for (let after = 0; after < last;) {
    const rows = await sql<LinkRow[]>`
      SELECT l.seq, to_char(l.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS at, l.actor, l.via, l.action,
        l.subject, l.tenant, l.digest, l.record
      FROM admin_log l WHERE l.seq > ${after} AND l.seq <= ${last} ORDER BY l.seq LIMIT ${PAGE_ROWS}`
    yield* rows
    after = rows.at(-1)?.seq ?? last
  }
}

function whyBroken(row: LinkRow, before: ChainHead): string | null {
  if (row.seq !== before.seq + 1) return 'it is missing'
  const digest = createHash('sha256').update(Buffer.from(before.digest, 'hex')).update(row.record).digest()
  if (digest.length !== row.digest.length || !timingSafeEqual(digest, row.digest))
    return 'its digest does not follow from its record and the entry before'
  const record = fieldsOf(row.record)
  const other = SEARCHED.find((name) => record[name] !== row[name])
  return other === undefined ? null : `its ${other} is not what its record says`
}

/** Empty for what is no JSON. */
function fieldsOf(record: string): Readonly<Record<string, unknown>> {
  try {
    return JSON.parse(record) as Readonly<Record<string, unknown>>
  } catch {
    return {}
  }
}

function isSame(a: ChainHead, b: ChainHead): boolean {
  return a.seq === b.seq && a.digest === b.digest
}
