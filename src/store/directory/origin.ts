import { type Sql, sqlStateOf, type SqlFragment } from '../sql.ts'

/** Refusals of managed databases, which keep some of the functions below to themselves. */
const NOT_TO_BE_HAD: ReadonlySet<string> = new Set(['42501', '42883', '0A000', '55000'])

/**
 * Which database this is, in which life of it: its counters (versions, transaction ids) may have gone back when
 * this text has changed. The system identifier tells clusters apart, the time line a promoted or restored copy from what it was
 * made of, the server's start one that was put back to an older state, the files of the tables and the database's number
 * a restore within a running server. Where the first two cannot be had, the rest has to do.
 */
export async function readOrigin(sql: Sql): Promise<string> {
  try {
    return await read(sql, clusterOf(sql))
  } catch (error) {
    if (!NOT_TO_BE_HAD.has(sqlStateOf(error) ?? '')) throw error
    return await read(sql, sql`''`)
  }
}

/** A part of a statement: system identifier and time line. The file's name tells the time line at once, the control file late. */
function clusterOf(sql: Sql): SqlFragment {
  return sql`(SELECT system_identifier FROM pg_control_system()) || '.' ||
    CASE WHEN pg_is_in_recovery() THEN 'standby' ELSE left(pg_walfile_name(pg_current_wal_lsn()), 8) END`
}

async function read(sql: Sql, cluster: SqlFragment): Promise<string> {
  const rows = await sql<{ origin: string }[]>`
    SELECT concat_ws('/', ${cluster}, extract(epoch FROM pg_postmaster_start_time())::text,
      (SELECT oid FROM pg_database WHERE datname = current_database())::text,
      pg_relation_filenode('tenants')::text, pg_relation_filenode('api_keys')::text) AS origin`
  return rows[0]?.origin ?? ''
}
