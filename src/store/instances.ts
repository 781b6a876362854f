import type { Sql } from './sql.ts'

/** A process life, as it is registered before it accepts entries. */
export interface InstanceStart {
  /** UUID, lower case. */
  readonly id: string
  readonly host: string
  readonly version: string
  readonly startedAt: Date
  /** Most entries that can be in memory, and so be lost by a kill. */
  readonly capacityEntries: number
  /** Milliseconds after which every accepted entry is on disk; null without a journal. */
  readonly journalMs: number | null
}

/** What a live instance says of itself now and then. */
export interface InstanceFigures {
  /** Entries accepted so far: the last seq. */
  readonly acceptedSeq: number
  /** Of these, entries in segments on this host's disk. */
  readonly spilledEntries: number
}

/**
 * Notes that an instance has begun. May be repeated: a gateway that starts while the database is away does so as soon as it
 * is there. Audits tell from it that an instance exists which has not stored anything yet.
 */
export async function registerInstance(sql: Sql, instance: InstanceStart): Promise<void> {
  const { id, host, version, startedAt, capacityEntries, journalMs } = instance
  await sql`
    INSERT INTO instances (id, host, version, started_at, last_seen_at, capacity_entries, journal_ms)
    VALUES (${id}, ${host}, ${version}, ${startedAt}, clock_timestamp(), ${capacityEntries}, ${journalMs})
    ON CONFLICT (id) DO UPDATE SET last_seen_at = greatest(instances.last_seen_at, excluded.last_seen_at)`
}

/** Notes that an instance lives. Returns false when it is not registered: register it, then. */
export async function touchInstance(sql: Sql, id: string, figures: InstanceFigures): Promise<boolean> {
  const { count } = await sql`
    UPDATE instances SET last_seen_at = greatest(last_seen_at, clock_timestamp()),
      accepted_seq = ${figures.acceptedSeq}, spilled_entries = ${figures.spilledEntries}
    WHERE id = ${id}`
  return count === 1
}

/**
 * Notes that an instance has stopped in order, after its last batch was stored or spilled. Only the first call has an effect;
 * false when it is not registered, or had ended.
 */
export async function endInstance(sql: Sql, id: string, figures: InstanceFigures): Promise<boolean> {
  const { count } = await sql`
    UPDATE instances SET last_seen_at = greatest(last_seen_at, clock_timestamp()), ended_at = clock_timestamp(),
      accepted_seq = ${figures.acceptedSeq}, spilled_entries = ${figures.spilledEntries}
    WHERE id = ${id} AND ended_at IS NULL`
  return count === 1
}
