import { lstatSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { errorCode } from '../../lib/error-code.ts'
import { hasEnded } from '../../lib/host/machine.ts'
import { UNHEARD_FILE } from '../../model/audit/unheard.ts'
import type { InstancePromises, InstanceStart } from './instances.ts'
import type { Sql } from '../sql.ts'

/**
 * How a death is known. `exited`: its parent has seen the end. `gone`: there is no such process on its machine. `heir`: the folder
 * that it kept its state in is ours, and it has no live owner as far as can be seen from there.
 */
export type DeathSign = 'exited' | 'gone' | 'heir'

/** A report of the death of an instance. */
export interface InstanceDeath {
  readonly id: string
  readonly sign: DeathSign
  /** Its last promises, as its parent heard them; null when the database knows no worse. */
  readonly promises: InstancePromises | null
  /** It had promised more than the database may have heard. */
  readonly isCutOff: boolean
  /** For one that may never have reached the database. */
  readonly start: InstanceStart | null
}

/** An instance of this machine whose process is no more, and whose death is not reported. */
export interface GoneInstance {
  readonly id: string
  /** The traces of what it did without the database are there, or may be. */
  readonly isCutOff: boolean
}

/** Instances of this machine that are not known to have ended, and whose process has. */
export async function findGone(sql: Sql, machine: string): Promise<GoneInstance[]> {
  if (machine === '') return []
  const rows = await sql<{ id: string; pid: number; started: string; folder: string | null }[]>`
    SELECT id, process_id AS pid, process_started AS started, spill_folder AS folder FROM instances
    WHERE machine = ${machine} AND ended_at IS NULL AND died_at IS NULL AND process_id IS NOT NULL`
  return rows
    .filter(({ pid, started }) => hasEnded(machine, pid, started))
    .map(({ id, folder }) => ({
      id,
      isCutOff: folder === null || mayBeThere(join(folder, id, UNHEARD_FILE)),
    }))
}

/** A process that has this process' host and state folder, and is to be found in another container or life of the machine. */
export interface StateFolder {
  readonly host: string
  readonly machine: string
  /** In it `spill`, and `lives`: what each process has stored there. */
  readonly folder: string
}

/** Signs of life come every 2 s: so many were missed, or as many were refused by the database. */
const SILENT_MS = 15_000

/**
 * Instances that had our state folder, as it remembers, and have been silent for a while: what a restarted container, or a machine
 * that was restarted, has left, whose process ids mean nothing here. They are presumed to be dead.
 */
export async function findSilent(sql: Sql, { host, machine, folder }: StateFolder): Promise<GoneInstance[]> {
  const spillFolder = join(folder, 'spill')
  const rows = await sql<{ id: string; machine: string }[]>`
    SELECT id, machine FROM instances
    WHERE host = ${host} AND spill_folder = ${spillFolder} AND machine <> ${machine} AND ended_at IS NULL AND died_at IS NULL
      AND last_seen_at < clock_timestamp() - ${SILENT_MS} * interval '1 millisecond'`
  if (rows.length === 0) return []
  const remembered = await readdir(join(folder, 'lives')).catch(() => [])
  return rows
    .filter(({ id }) => remembered.some((name) => name.startsWith(`${id}.`)))
    .map(({ id, machine: other }) => {
      // With the machine, what was in its page cache is gone too.
      const isSameBoot = other.split(' ')[0] === machine.split(' ')[0]
      return { id, isCutOff: !isSameBoot || mayBeThere(join(spillFolder, id, UNHEARD_FILE)) }
    })
}

/** What cannot be looked at may be there. */
function mayBeThere(path: string): boolean {
  try {
    return lstatSync(path, { throwIfNoEntry: false }) !== undefined
  } catch (error) {
    return errorCode(error) !== 'ENOTDIR'
  }
}

/** Writes a death down; of one that is known already, only what makes it worse. One that stopped in order did not die. */
export async function noteDeath(sql: Sql, death: InstanceDeath): Promise<void> {
  const { id, sign, isCutOff, start } = death
  const { memoryEntries = null, inFlightMost = null } = death.promises ?? {}
  if (start !== null) {
    await sql`
      INSERT INTO instances (id, host, version, started_at, last_seen_at, capacity_entries, journal_ms, memory_entries,
        in_flight_most)
      VALUES (${id}, ${start.host}, ${start.version}, ${start.startedAt}, clock_timestamp(), ${start.capacityEntries},
        ${start.journalMs}, ${memoryEntries}, ${inFlightMost})
      ON CONFLICT (id) DO NOTHING`
  }
  await sql`
    UPDATE instances SET died_at = coalesce(died_at, clock_timestamp()), died_of = CASE WHEN ${sign} = 'exited' THEN 'exited' ELSE coalesce(died_of, ${sign}) END,
      -- What was not promised, or cannot be believed, stays so.
      memory_entries = CASE WHEN NOT ${isCutOff} AND memory_entries IS NOT NULL
        THEN greatest(memory_entries, ${memoryEntries}::bigint) END,
      in_flight_most = CASE WHEN NOT ${isCutOff} AND in_flight_most IS NOT NULL
        THEN greatest(in_flight_most, ${inFlightMost}::bigint) END
    WHERE id = ${id} AND ended_at IS NULL`
}
