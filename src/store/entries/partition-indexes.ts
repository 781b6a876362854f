import { type Sql, sqlStateOf } from '../sql.ts'

/**
 * Indexes of the partitioned table that came after partitions had been made, in the order in which these get them; of packages (0061), of single
 * requests and of what is rare (0071).
 */
const INDEXES = ['access_log_package', 'access_log_request', 'access_log_trace', 'access_log_rare'] as const

/** How long a build waits for transactions that were there before it; meanwhile it holds up nobody. */
const WAIT = '30min'

/** Another process builds it, or a partition is dropped or detached meanwhile. */
const OTHERS = new Set(['55P03', '42P01', '42P07', '42704', '40P01', '55000', '42809'])

/** An index that a partition lacks. */
export interface LackingIndex {
  readonly partition: string
  readonly index: string
}

/** What the partitions lack, by index and the newest first. */
export async function lackingIndexes(sql: Sql): Promise<LackingIndex[]> {
  return await sql<LackingIndex[]>`
    SELECT c.relname AS partition, n.index FROM pg_inherits h JOIN pg_class c ON c.oid = h.inhrelid
    CROSS JOIN unnest(${[...INDEXES]}::text[]) WITH ORDINALITY n (index, place)
    WHERE h.inhparent = to_regclass('access_log') AND NOT h.inhdetachpending AND c.relname ~ '^access_log_[0-9]{8}$'
      AND to_regclass(n.index) IS NOT NULL AND NOT EXISTS (
        SELECT FROM pg_inherits i JOIN pg_index x ON x.indexrelid = i.inhrelid
        WHERE i.inhparent = to_regclass(n.index) AND x.indrelid = c.oid)
    ORDER BY n.place, c.relname DESC`
}

/**
 * Builds an index on a partition that was made before there was one, while others write and read. Reads all of the partition,
 * twice. Resolves with false when another process is at it, or the partition is not
 * there any more. What was interrupted is begun anew. Needs a handle of one connection and long statements, which is of no other use after it.
 */
export async function buildIndex(sql: Sql, { partition, index }: LackingIndex): Promise<boolean> {
  const name = `${partition}${index.slice('access_log'.length)}`
  try {
    await sql.unsafe(`SET lock_timeout = '${WAIT}'`)
    // As slowly as one process is.
    await sql.unsafe('SET max_parallel_maintenance_workers = 0')
    const [found] = await sql<{ is_valid: boolean }[]>`
      SELECT indisvalid AS is_valid FROM pg_index WHERE indexrelid = to_regclass(${name})`
    // Each of these takes a lock of the partition for which another process' build is in the way.
    if (found?.is_valid === false) {
      await sql.unsafe("SET lock_timeout = '1s'")
      await sql.unsafe(`DROP INDEX CONCURRENTLY ${name}`)
      await sql.unsafe(`SET lock_timeout = '${WAIT}'`)
    }
    if (found?.is_valid !== true) {
      await sql.unsafe(`CREATE INDEX CONCURRENTLY ${name} ON ${partition} ${await definitionOf(sql, index)}`)
    }
    await sql.unsafe("SET lock_timeout = '3s'")
    await sql.unsafe(`ALTER INDEX ${index} ATTACH PARTITION ${name}`)
    return true
  } catch (error) {
    if (OTHERS.has(sqlStateOf(error) ?? '')) return false
    throw error
  }
}

/** What an index is of, as the database has it of the partitioned table: from USING on. */
async function definitionOf(sql: Sql, index: string): Promise<string> {
  const [row] = await sql<
    { definition: string }[]
  >`SELECT pg_get_indexdef(to_regclass(${index})) AS definition`
  return (row?.definition ?? '').replace(/^.*? USING /, 'USING ')
}
