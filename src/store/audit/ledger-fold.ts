import { AuditFold } from '../../model/audit/audit-fold.ts'
import { sumOf } from '../../model/audit/audit-batch.ts'
import { UNKNOWN_INSTANCE } from '../../model/audit/audit.ts'
import type { Checkpoint } from '../../model/audit/checkpoint.ts'
import { batchOf, type BatchRow, readBatches, writtenAt } from './audit-batches.ts'
import { readCheckpoints, writeCheckpoint } from './checkpoints.ts'
import { readRowsCover, type RowsCover } from '../entries/partition-lives.ts'
import type { Sql, TransactionSql } from '../sql.ts'

/** Among 9_299_455 and what follows: see migrate, partitions and roll-ups. */
export const FOLD_LOCK_KEY = 9_299_459

/** Slices, each a transaction, of one call. */
const MAX_SLICES = 20

export interface FoldOptions {
  /** Batches are folded so long after they were written, once retention has dropped their rows. */
  readonly ledgerDays: number
}

/** `more`: there is more to fold than one call does. `busy`: another gateway does it. */
export interface FoldRun {
  readonly batches: number
  readonly state: 'done' | 'more' | 'busy'
}

/**
 * Folds the oldest batches of each instance into its checkpoint, and removes their rows from `access_ledger`, and those of
 * `quarantine` that belong to them: in one transaction for each slice, by the database's clock, by one gateway at a time. Only a
 * prefix of the chain that an audit finds nothing wrong with, that the roll-ups have taken in, of which nothing waits in
 * quarantine, and all of whose rows retention has dropped and said so: a gap stays where it is, with all that comes after it.
 * Run `rollUp` before. Needs a handle that permits long statements.
 */
export async function foldLedger(sql: Sql, options: FoldOptions): Promise<FoldRun> {
  const cover = await readRowsCover(sql)
  let batches = 0
  let slices = 0
  for (const instance of await listOld(sql, options)) {
    for (;;) {
      if (slices >= MAX_SLICES) return { batches, state: 'more' }
      const slice = await sql.begin((tx) => foldSlice(tx, { instance, cover, options }))
      if (slice === null) return { batches, state: 'busy' }
      batches += slice.folded
      if (slice.folded > 0) slices++
      if (slice.isEnd) break
    }
  }
  return { batches, state: 'done' }
}

async function listOld(sql: Sql, { ledgerDays }: FoldOptions): Promise<string[]> {
  const rows = await sql<{ instance: string }[]>`
    SELECT DISTINCT l.instance FROM access_ledger l
    WHERE l.written_at < clock_timestamp() - make_interval(days => ${ledgerDays}) ORDER BY 1`
  return rows.map(({ instance }) => instance)
}

interface Task {
  readonly instance: string
  readonly cover: RowsCover
  readonly options: FoldOptions
}

/** Null when another gateway is at it. */
async function foldSlice(
  tx: TransactionSql,
  { instance, cover, options }: Task,
): Promise<{ folded: number; isEnd: boolean } | null> {
  const [state] = await tx<{ is_mine: boolean; old_ms: number; horizon: string }[]>`
    SELECT pg_try_advisory_xact_lock(${FOLD_LOCK_KEY}) AS is_mine, s.figures_horizon::text AS horizon,
      extract(epoch FROM clock_timestamp() - make_interval(days => ${options.ledgerDays}))::float8 * 1000 AS old_ms
    FROM access_minutes_state s`
  if (state?.is_mine !== true) return null
  const checkpoint = (await readCheckpoints(tx, { instances: [instance] })).get(instance) ?? null
  const page = await readBatches(tx, instance, {
    from: (checkpoint?.lastBatch ?? 0) + 1,
    to: null,
    filter: {},
  })
  const isSettled = (row: BatchRow): boolean => {
    const written = writtenAt(row)
    if (written.ms >= state.old_ms || written.xid >= Number(state.horizon)) return false
    const waiting = sumOf(row.quarantined ?? {}) - (row.resolved ?? []).reduce((sum, [, , n]) => sum + n, 0)
    if (waiting !== 0 || row.buffered === null) return false
    const days = [row.first_started_at, row.last_started_at].filter((day) => day !== null)
    return days.every((day) => cover.isDropped(day, written))
  }
  const unsettled = page.findIndex((row) => !isSettled(row))
  const settled = unsettled === -1 ? page : page.slice(0, unsettled)
  const rows = settled.slice(0, soundBatches(instance, checkpoint, settled, cover))
  const last = rows.at(-1)
  const sums = foldOf(instance, checkpoint, rows, cover).sums
  if (last === undefined || sums === null) return { folded: 0, isEnd: true }
  const times = rows.flatMap((row) => [
    row.first_started_at ?? row.written_at,
    row.last_started_at ?? row.written_at,
  ])
  if (checkpoint !== null) times.push(checkpoint.firstAt, checkpoint.lastAt)
  const ms = times.map((time) => time.getTime())
  const firstAt = new Date(ms.reduce((a, b) => Math.min(a, b)))
  const lastAt = new Date(ms.reduce((a, b) => Math.max(a, b)))
  await writeCheckpoint(tx, instance, { ...sums, firstAt, lastAt })
  const { count } =
    await tx`DELETE FROM access_ledger WHERE instance = ${instance} AND batch <= ${last.batch}`
  // Somebody else has changed them: nothing is done, and the next run looks again.
  if (count !== rows.length) throw new Error(`${rows.length} batches were folded, and ${count} were there`)
  const lastSeq = rows.findLast((row) => row.last_seq !== null)?.last_seq ?? 0
  await tx`DELETE FROM quarantine WHERE instance = ${instance} AND seq <= ${lastSeq} AND resolution IS NOT NULL`
  return { folded: rows.length, isEnd: rows.length < page.length || page.length === 0 }
}

/** How many of the first batches an audit finds nothing wrong with. */
function soundBatches(
  instance: string,
  checkpoint: Checkpoint | null,
  rows: readonly BatchRow[],
  cover: RowsCover,
): number {
  const fold = foldOf(instance, checkpoint, [], cover)
  for (const [i, row] of rows.entries()) {
    fold.add(batchOf(row, cover))
    if (!fold.isSound) return i
  }
  return rows.length
}

function foldOf(
  id: string,
  checkpoint: Checkpoint | null,
  rows: readonly BatchRow[],
  cover: RowsCover,
): AuditFold {
  const fold = new AuditFold({ ...UNKNOWN_INSTANCE, id }, {})
  if (checkpoint !== null) fold.begin(checkpoint, true)
  for (const row of rows) fold.add(batchOf(row, cover))
  return fold
}
