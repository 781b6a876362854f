import { type Sql, sqlStateOf } from '../sql.ts'

/** The index of the partitioned table; each partition has one that is attached to it. */
const INDEX = 'access_log_package'

/** How long a build waits for transactions that were there before it; meanwhile it holds up nobody. */
const WAIT = '30min'

/** Another process builds it, or a partition is dropped or detached meanwhile. */
const OTHERS = new Set(['55P03', '42P01', '42P07', '42704', '40P01', '55000', '42809'])

/** The partitions that lack the index of packages, the newest first. */
export async function partitionsWithoutIndex(sql: Sql): Promise<string[]> {
  const rows = await sql<{ name: string }[]>`
    SELECT c.relname AS name FROM pg_inherits h JOIN pg_class c ON c.oid = h.inhrelid
    WHERE h.inhparent = to_regclass('access_log') AND NOT h.inhdetachpending AND c.relname ~ '^access_log_[0-9]{8}$'
      AND to_regclass(${INDEX}) IS NOT NULL AND NOT EXISTS (
        SELECT FROM pg_inherits i JOIN pg_index x ON x.indexrelid = i.inhrelid
        WHERE i.inhparent = to_regclass(${INDEX}) AND x.indrelid = c.oid)
    ORDER BY c.relname DESC`
  return rows.map(({ name }) => name)
}

/**
 * Builds the index of packages on a partition that was made before there was one, while others write and read. Reads all of the partition,
 * twice; rows of before have no package, so the index is small. Resolves with false when another process is at it, or the partition is not
 * there any more. What was interrupted is begun anew. Needs a handle of one connection and long statements, which is of no other use after it.
 */
export async function buildPackageIndex(sql: Sql, partition: string): Promise<boolean> {
  const name = `${partition}_package`
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
      await sql.unsafe(
        `CREATE INDEX CONCURRENTLY ${name} ON ${partition} (${await definitionOf(sql)}) WHERE package IS NOT NULL`,
      )
    }
    await sql.unsafe("SET lock_timeout = '3s'")
    await sql.unsafe(`ALTER INDEX ${INDEX} ATTACH PARTITION ${name}`)
    return true
  } catch (error) {
    if (OTHERS.has(sqlStateOf(error) ?? '')) return false
    throw error
  }
}

/** What the index is of, as the database has it of the partitioned table. */
async function definitionOf(sql: Sql): Promise<string> {
  const columns = await sql<{ column: string }[]>`
    SELECT pg_get_indexdef(to_regclass(${INDEX}), n, true) AS column FROM generate_series(1, 2) n ORDER BY n`
  return columns.map(({ column }) => `(${column})`).join(', ')
}
