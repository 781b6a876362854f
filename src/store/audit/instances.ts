import type { AsideReport } from '../../model/audit/set-aside.ts'
import type { UnderWayList } from '../../model/audit/under-way.ts'
import type { Sql, SqlFragment } from '../sql.ts'

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
  /** Where the process is to be found: so that others can see that it has ended. */
  readonly process?: InstanceProcess
}

/** The process of an instance. */
export interface InstanceProcess {
  readonly id: number
  /** See `processStart` and `machineName`. */
  readonly started: string
  readonly machine: string
  /** Its spill's folder; null without one. */
  readonly spillFolder: string | null
}

/** What a live instance says of itself now and then. */
export interface InstanceFigures {
  /** Entries accepted so far: the last seq. */
  readonly acceptedSeq: number
  /** Of these, entries in segments on this host's disk. */
  readonly spilledEntries: number
  /** The most that it lets be in neither database nor segment before it has said otherwise; null when it cannot promise. */
  readonly memoryEntries?: number | null
  /** Requests that are being answered, and the most that there may be before it has said otherwise. */
  readonly inFlight?: number
  readonly inFlightMost?: number | null
  /** What changes seldom; undefined for as before. */
  readonly notes?: InstanceNotes | undefined
}

/** What an instance tells of itself when it has changed. */
export interface InstanceNotes {
  /** Requests that take long. */
  readonly underWay: UnderWayList
  /** What stands aside in its spill; null for nothing. */
  readonly aside: AsideReport | null
  /** See `weaknessesOf`; null when not known yet. */
  readonly weaknesses: readonly string[] | null
}

/** What an instance promises, each until it has said otherwise; null when it cannot promise. */
export interface InstancePromises {
  readonly memoryEntries: number | null
  readonly inFlightMost: number | null
}

/**
 * Notes that an instance has begun. May be repeated: a gateway that starts while the database is away does so as soon as it
 * is there. Audits tell from it that an instance exists which has not stored anything yet.
 */
export async function registerInstance(sql: Sql, instance: InstanceStart): Promise<void> {
  const { id, host, version, startedAt, capacityEntries, journalMs } = instance
  const { id: processId = null, started = null, machine = null, spillFolder = null } = instance.process ?? {}
  await sql`
    INSERT INTO instances (id, host, version, started_at, last_seen_at, capacity_entries, journal_ms, process_id,
      process_started, machine, spill_folder)
    VALUES (${id}, ${host}, ${version}, ${startedAt}, clock_timestamp(), ${capacityEntries}, ${journalMs}, ${processId},
      ${started}, ${machine}, ${spillFolder})
    ON CONFLICT (id) DO UPDATE SET last_seen_at = greatest(instances.last_seen_at, excluded.last_seen_at)`
}

/**
 * Notes that an instance lives. Returns false when it is not registered: register it, then. Takes back that it died, unless that was
 * just written: this may be its last word, which was under way.
 */
export async function touchInstance(sql: Sql, id: string, figures: InstanceFigures): Promise<boolean> {
  const { acceptedSeq, spilledEntries, memoryEntries = null, inFlight = null, inFlightMost = null } = figures
  const isAlive = sql`died_at < clock_timestamp() - ${LAST_WORD_MS} * interval '1 millisecond'`
  const { count } = await sql`
    UPDATE instances SET last_seen_at = greatest(last_seen_at, clock_timestamp()),
      accepted_seq = greatest(accepted_seq, ${acceptedSeq}), spilled_entries = ${spilledEntries},
      -- An attempt that was given up may come after a later one.
      memory_entries = CASE WHEN accepted_seq > ${acceptedSeq} THEN memory_entries ELSE ${memoryEntries}::bigint END,
      in_flight_most = CASE WHEN accepted_seq > ${acceptedSeq} THEN in_flight_most ELSE ${inFlightMost}::bigint END,
      in_flight = ${inFlight},
      ${figures.notes === undefined ? sql`` : sql`${notesOf(sql, figures.notes)},`}
      died_at = CASE WHEN ${isAlive} THEN NULL ELSE died_at END, died_of = CASE WHEN ${isAlive} THEN NULL ELSE died_of END
    WHERE id = ${id}`
  return count === 1
}

function notesOf(sql: Sql, { underWay, aside, weaknesses }: InstanceNotes): SqlFragment {
  const { count, named } = underWay
  return sql`under_way = ${JSON.stringify(named)}::text::jsonb, under_way_count = ${count},
    aside = ${aside === null ? null : JSON.stringify(aside)}::text::jsonb,
    weaknesses = ${weaknesses === null ? null : [...weaknesses]}::text[]`
}

/** A statement of a process that was killed may be carried out so much later. */
export const LAST_WORD_MS = 5000

/**
 * Raises what an instance promises. One message, which a server that is frozen carries out when it goes on, though the
 * process be dead by then: with parameters it would be asked first what they are.
 */
export async function raisePromises(
  sql: Sql,
  id: string,
  figures: InstancePromises & { readonly acceptedSeq: number },
): Promise<void> {
  if (!/^[0-9a-f-]{36}$/.test(id)) throw new TypeError('not an instance')
  const literal = (n: number | null): string => (n === null ? 'NULL' : BigInt(n).toString())
  const { acceptedSeq, memoryEntries, inFlightMost } = figures
  // NULL stays: what cannot be promised is not promised by a number that is raised.
  await sql.unsafe(
    `UPDATE instances SET accepted_seq = greatest(accepted_seq, ${literal(acceptedSeq)}),
       memory_entries = CASE WHEN memory_entries IS NOT NULL THEN greatest(memory_entries, ${literal(memoryEntries)}) END,
       in_flight_most = CASE WHEN in_flight_most IS NOT NULL THEN greatest(in_flight_most, ${literal(inFlightMost)}) END
     WHERE id = '${id}'`,
  )
}

/**
 * Notes that an instance has stopped in order, after its last batch was stored or spilled. Only the first call has an effect;
 * false when it is not registered, or had ended.
 */
export async function endInstance(sql: Sql, id: string, figures: InstanceFigures): Promise<boolean> {
  const { count } = await sql`
    UPDATE instances SET last_seen_at = greatest(last_seen_at, clock_timestamp()), ended_at = clock_timestamp(),
      died_at = NULL, died_of = NULL, in_flight = 0, in_flight_most = NULL, under_way = NULL, under_way_count = NULL, accepted_seq = ${figures.acceptedSeq}, spilled_entries = ${figures.spilledEntries}
    WHERE id = ${id} AND ended_at IS NULL`
  return count === 1
}
