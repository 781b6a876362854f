import type { DirectoryPosition } from '../../directory/directory-source.ts'
import { readOrigin } from './origin.ts'
import type { Sql } from '../sql.ts'

/** A process that serves requests from its copy of tenants and keys. */
export interface Follower {
  /** UUID of the process life. */
  readonly instance: string
  readonly host: string
  readonly processId: number
  /** In which process ids mean something: see `machineName`. */
  readonly machine: string
  /** So long without the database it accepts no key any more. */
  readonly maxAgeMs: number
}

/** A follower that has not confirmed a change. */
export interface Unconfirmed {
  readonly instance: string
  readonly host: string
  readonly processId: number
  readonly machine: string
  /** Since its last sign of life, by the database's clock. */
  readonly silentMs: number
}

/** Writes what a follower has applied; null when it is about to load, and then forgets those that can serve no more. */
export async function confirmFollower(
  sql: Sql,
  follower: Follower,
  position: DirectoryPosition | null,
): Promise<void> {
  const { instance, host, processId, machine, maxAgeMs } = follower
  if (position === null) {
    await sql`
      DELETE FROM directory_followers
      WHERE seen_at + (max_age_ms + 60000) * interval '1 millisecond' < clock_timestamp()`
  }
  await sql`
    INSERT INTO directory_followers (instance, host, process_id, machine, origin, applied, seen_at, max_age_ms)
    VALUES (${instance}, ${host}, ${processId}, ${machine}, ${position?.origin ?? ''},
      ${position?.seen ?? null}::text::pg_snapshot, clock_timestamp(), ${maxAgeMs})
    ON CONFLICT (instance) DO UPDATE SET origin = excluded.origin, applied = excluded.applied, seen_at = excluded.seen_at`
}

/** Nobody need wait for this follower any more. */
export async function removeFollower(sql: Sql, instance: string): Promise<void> {
  await sql`DELETE FROM directory_followers WHERE instance = ${instance}`
}

/** Tables of which followers have copies. */
export type FollowedTable = 'api_keys' | 'tenants' | 'rules'

/** The transaction of the last change of a key, tenant or rule: what followers have to have seen. Null for none such. */
export async function lastChange(sql: Sql, table: FollowedTable, id: string): Promise<string | null> {
  const rows = await sql<{ xid: string }[]>`
    SELECT changed_xid::text AS xid FROM ${sql(table)} WHERE ${sql(table === 'tenants' ? 'slug' : 'id')} = ${id}`
  return rows[0]?.xid ?? null
}

/**
 * How many followers this database has, and those whose copy lacks a transaction: because they have not said so, or said so
 * of another database or another life of this one. One that has been silent for longer than it may serve is left out.
 */
export async function unconfirmed(
  sql: Sql,
  xid: string,
): Promise<{ followers: number; missing: readonly Unconfirmed[] }> {
  const followers = await receipts(sql, xid)
  return { followers: followers.length, missing: followers.filter(({ isConfirmed }) => !isConfirmed) }
}

/** The followers of this database, and whether each has a transaction; see `unconfirmed`. */
export async function receipts(
  sql: Sql,
  xid: string,
): Promise<readonly (Unconfirmed & { readonly isConfirmed: boolean })[]> {
  const origin = await readOrigin(sql)
  return await sql<(Unconfirmed & { isConfirmed: boolean })[]>`
    SELECT instance, host, process_id AS "processId", machine,
      greatest(0, extract(epoch FROM clock_timestamp() - seen_at) * 1000)::float8 AS "silentMs",
      coalesce(origin = ${origin} AND pg_visible_in_snapshot(${xid}::text::xid8, applied), false) AS "isConfirmed"
    FROM directory_followers
    WHERE seen_at + (max_age_ms + 60000) * interval '1 millisecond' >= clock_timestamp()
    ORDER BY host, process_id`
}
