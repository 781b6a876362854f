import { sleep } from '../../lib/time/sleep.ts'
import { backoffMs } from '../../lib/time/backoff.ts'
import { StoreError } from '../errors.ts'
import { beginLife } from './partition-lives.ts'
import { type Sql, sqlStateOf, type TransactionSql } from '../sql.ts'

const DAY_MS = 86_400_000
const ATTEMPTS = 5

/** One process at a time makes partitions: concurrent CREATE TABLE IF NOT EXISTS raise 23505. */
export const PARTITION_LOCK_KEY = 9_299_457

/** A lock that was not had in time, a deadlock, or what a concurrent process has done meanwhile: look again. */
const RETRIED = new Set([
  '55P03',
  '40P01',
  '57014',
  '42P01',
  '42P07',
  '42809',
  '55000',
  '23505',
  '55006',
  'XX000',
])

export interface Partition {
  /** access_log_YYYYMMDD */
  name: string
  /** Its DETACH CONCURRENTLY was interrupted; readers and writers no longer see it. */
  is_detaching: boolean
  is_attached: boolean
}

/**
 * Makes the daily partitions (UTC) of `days` days from `from` on that are missing and returns their names. Any number of
 * processes may do so at once; writers and readers are not held up. Needs a handle of `openControl`, which bounds lock waits.
 * Rejects with StoreError `partition_failed` after bounded retries.
 */
export async function ensurePartitions(sql: Sql, from: Date, days: number): Promise<string[]> {
  const wanted = Array.from({ length: days }, (_, i) =>
    new Date(from.getTime() + i * DAY_MS).toISOString().slice(0, 10),
  )
  return await makeMissing(sql, wanted)
}

/**
 * Makes the partitions of single days ('YYYY-MM-DD', UTC) where they are missing: for a writer that met an entry
 * of a day without one. Rejects as `ensurePartitions`; a RangeError for what is no day.
 */
export async function ensurePartitionFor(sql: Sql, days: readonly string[]): Promise<void> {
  await makeMissing(sql, days)
}

/** Start of the oldest partition, epoch milliseconds, from the catalogue; now when there is none. */
export async function oldestPartitionMs(sql: Sql): Promise<number> {
  const [row] = await sql<{ name: string | null }[]>`
    SELECT min(c.relname::text) AS name FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
    WHERE i.inhparent = to_regclass('access_log') AND c.relname ~ '^access_log_[0-9]{8}$'`
  const day = /(\d{4})(\d{2})(\d{2})$/.exec(row?.name ?? '')
  return day === null ? Date.now() : Date.parse(`${day[1]}-${day[2]}-${day[3]}`)
}

async function makeMissing(sql: Sql, days: readonly string[]): Promise<string[]> {
  const made: string[] = []
  const present = new Map((await listPartitions(sql)).map((partition) => [partition.name, partition]))
  for (const day of days) {
    const name = partitionName(day)
    const partition = present.get(name)
    if (partition?.is_attached === true && !partition.is_detaching) continue
    try {
      if (await retried(() => makePartition(sql, day))) made.push(name)
    } catch (error) {
      throw new StoreError('partition_failed', `partition ${name} could not be made`, { cause: error })
    }
  }
  return made
}

/** False when it is there already. */
async function makePartition(sql: Sql, day: string): Promise<boolean> {
  const name = partitionName(day)
  const before = await findPartition(sql, name)
  if (before?.is_detaching === true)
    await sql.unsafe(`ALTER TABLE access_log DETACH PARTITION ${name} FINALIZE`)
  return await sql.begin(async (tx) => {
    await tx`SELECT pg_advisory_xact_lock(${PARTITION_LOCK_KEY})`
    const present = await tx`SELECT FROM pg_inherits WHERE inhrelid = to_regclass(${name})`
    if (present.length > 0) return false
    const [table] = await tx<{ is_there: boolean }[]>`SELECT to_regclass(${name}) IS NOT NULL AS is_there`
    await attachPartition(tx, day)
    await beginLife(tx, name, table?.is_there === true)
    return true
  })
}

/** Makes the partition of a day, as a table first. A RangeError for what is no day. */
export async function attachPartition(tx: TransactionSql, day: string): Promise<void> {
  const name = partitionName(day)
  const end = new Date(Date.parse(day) + DAY_MS).toISOString().slice(0, 10)
  // LIKE + ATTACH: PARTITION OF would lock the parent against every reader and writer (measured: 3 s stall). The setting,
  // which the parent cannot have, keeps the visibility map fresh, or the covering index would go to the heap.
  await tx.unsafe(`
    CREATE TABLE IF NOT EXISTS ${name} (LIKE access_log INCLUDING DEFAULTS INCLUDING CONSTRAINTS)
      WITH (autovacuum_vacuum_insert_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.05)`)
  await tx.unsafe(`
    ALTER TABLE access_log ATTACH PARTITION ${name} FOR VALUES FROM ('${day} 00:00:00+00') TO ('${end} 00:00:00+00')`)
}

/** Tries again what a concurrent process, or a lock, was in the way of. */
export async function retried(work: () => Promise<boolean>): Promise<boolean> {
  for (let attempt = 0; ; attempt++) {
    try {
      return await work()
    } catch (error) {
      if (attempt + 1 >= ATTEMPTS || !RETRIED.has(sqlStateOf(error) ?? '')) throw error
      await sleep(backoffMs(attempt, 100, 2000, Math.random))
    }
  }
}

/** One partition as the catalogue has it. */
export async function findPartition(sql: Sql, name: string): Promise<Partition | undefined> {
  return (await listPartitions(sql)).find((partition) => partition.name === name)
}

/** Oldest first, with tables that a detach left behind. */
async function listPartitions(sql: Sql): Promise<Partition[]> {
  return await sql<Partition[]>`
    SELECT c.relname AS name, i.inhrelid IS NOT NULL AS is_attached, coalesce(i.inhdetachpending, false) AS is_detaching
    FROM pg_class p JOIN pg_class c ON c.relnamespace = p.relnamespace LEFT JOIN pg_inherits i ON i.inhrelid = c.oid
    WHERE p.oid = to_regclass('access_log') AND c.relkind = 'r' AND c.relname ~ '^access_log_[0-9]{8}$'
    ORDER BY c.relname`
}

/** Only digits of a checked day get into the name, hence into DDL, which takes no parameters. */
function partitionName(day: string): string {
  const isDay = /^\d{4}-\d{2}-\d{2}$/.test(day) && new Date(Date.parse(day)).toISOString().startsWith(day)
  if (!isDay) throw new RangeError(`not a day: ${day.slice(0, 20)}`)
  return `access_log_${day.replaceAll('-', '')}`
}
