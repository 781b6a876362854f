import type { AsideStats } from '../../spool/set-aside.ts'
import type { StateReason } from '../../admin/handlers.ts'
import type { ReserveRefusal } from '../../model/access-entry.ts'
import type { ContactReading } from '../../lib/database-contact.ts'
import type { Snapshot } from '../../model/grant.ts'
import { isStoring, type WriterStats } from '../../model/stats.ts'

/** What readiness is told from. */
export interface ReadinessFacts {
  readonly phase: 'starting' | 'ready' | 'draining' | 'stopped'
  readonly snapshot: Snapshot | null
  /** Why the log would promise no place to a strict tenant; null when it would. */
  readonly reserveRefusal: ReserveRefusal | null
  /** This process' wall clock minus the database's; null when it is not known. */
  readonly clockOffsetMs?: number | null
  readonly maxClockOffsetMs?: number
  readonly contact?: ContactReading
  readonly directory?: {
    readonly isStale: boolean
    readonly isRecalled: boolean
    readonly ageMs: number | null
  }
  /** Null while no route accepts deliveries. */
  readonly deliveries?: DeliveryRoom | null
}

/** How much room there is for deliveries, as far as it is short. */
export interface DeliveryRoom {
  /** How many have nearly as much waiting as they may. */
  readonly tenants: number
  /** Share of its bound, of the tenant that has most. */
  readonly fullest: number
  /** Share of what this process may have on disk. */
  readonly disk: number
  readonly isDiskNearlyFull: boolean
  /** Nothing has room, and the gateway has no route that does not accept deliveries. */
  readonly isNothingElse: boolean
}

/** The answer, and what is wrong although traffic may come. */
export interface Readiness {
  readonly ready: boolean
  readonly reasons: StateReason[]
  readonly warnings: StateReason[]
}

const LOG_DETAILS: Readonly<Record<ReserveRefusal, string>> = {
  log_blocked:
    'neither the database nor the disk takes access entries: requests of strict tenants are refused',
  log_full:
    'no place in the channel of access entries can be promised: requests of strict tenants are refused',
}

/**
 * Whether a balancer should send traffic here, and why not. A database that is away is no reason while entries find room on disk,
 * nor, without strict tenants, when they do not: requests go on, and losses are counted.
 */
export function readinessOf(facts: ReadinessFacts): Readiness {
  const { phase, snapshot, reserveRefusal } = facts
  const reasons: StateReason[] = []
  if (phase !== 'ready') reasons.push({ code: phase, detail: `the gateway is ${phase}` })
  if (snapshot === null) {
    const detail = 'tenants and keys have not been loaded: the database has not been reached yet'
    reasons.push({ code: 'no_snapshot', detail })
  } else if (reserveRefusal !== null && hasStrictTenants(snapshot)) {
    reasons.push({ code: reserveRefusal, detail: LOG_DETAILS[reserveRefusal] })
  }
  const crowded = crowdedDeliveries(facts)
  const isCrowdedOut = facts.deliveries?.isNothingElse === true
  if (isCrowdedOut) reasons.push(...crowded)
  return {
    ready: reasons.length === 0,
    reasons,
    warnings: [
      ...databaseWarnings(facts),
      ...directoryWarnings(facts),
      ...clockWarnings(facts),
      ...(isCrowdedOut ? [] : crowded),
    ],
  }
}

/** A reason only where nothing but deliveries would be kept away (decision 0606). Anybody may read it: no tenant is named. */
function crowdedDeliveries({ deliveries }: ReadinessFacts): StateReason[] {
  if (deliveries === null || deliveries === undefined) return []
  const { tenants, fullest, disk, isDiskNearlyFull } = deliveries
  const told: StateReason[] = []
  if (tenants > 0) {
    const who = tenants === 1 ? '1 tenant has' : `${tenants} tenants have`
    const detail = `${who} nearly as many deliveries waiting as they may, the fullest ${percentOf(fullest)}: more than that are answered 503`
    told.push({ code: 'deliveries_nearly_full', detail })
  }
  if (isDiskNearlyFull) {
    const detail = `deliveries take ${percentOf(disk)} of what they may on disk while the database is away: more than that are answered 503`
    told.push({ code: 'deliveries_disk_nearly_full', detail })
  }
  return told
}

function percentOf(share: number): string {
  return `${Math.floor(100 * share)} %`
}

/** No reason either: the snapshot serves, and entries wait. */
function databaseWarnings({ contact }: ReadinessFacts): StateReason[] {
  if (contact?.state !== 'away') return []
  const seconds = Math.round(contact.sinceMs / 1000)
  const heard = contact.silentMs === null ? 'has not answered yet' : 'does not answer'
  const code = contact.error === null ? '' : ` (${contact.error})`
  return [{ code: 'database_away', detail: `the database ${heard}, for ${seconds} s by now${code}` }]
}

/** No reason to send traffic elsewhere: the last good snapshot decides. */
function directoryWarnings({ snapshot, directory }: ReadinessFacts): StateReason[] {
  if (snapshot === null || directory === undefined || !directory.isStale) return []
  const seconds = Math.round((directory.ageMs ?? 0) / 1000)
  const from = directory.isRecalled ? ', read from disk at the start' : ''
  const detail = `the database has not told of tenants and keys for some time: they are as of ${seconds} s ago${from}`
  return [{ code: 'directory_stale', detail }]
}

/** No reason to send traffic elsewhere: the gateway goes by the database's clock, and only dropping by age waits. */
function clockWarnings({ clockOffsetMs = null, maxClockOffsetMs = 0 }: ReadinessFacts): StateReason[] {
  if (clockOffsetMs === null || Math.abs(clockOffsetMs) <= maxClockOffsetMs) return []
  const seconds = Math.round(Math.abs(clockOffsetMs) / 1000)
  const detail = `the clock of this machine is ${seconds} s ${clockOffsetMs > 0 ? 'ahead of' : 'behind'} the database's`
  return [{ code: 'clock_offset', detail }]
}

/** Looked at only while the log refuses. Measured: 1 ms for 100,000 tenants. */
function hasStrictTenants({ tenants }: Snapshot): boolean {
  for (const { state, logPolicy } of tenants.values()) {
    if (state === 'active' && logPolicy === 'strict') return true
  }
  return false
}

/** What an operator should look at although requests are served: `spill` as of the writer's stats. */
export function logWarningsOf(
  writer: WriterStats & {
    readonly isDropping: boolean
    readonly spill: { readonly aside: AsideStats } | null
  },
): StateReason[] {
  const warnings: StateReason[] = []
  if (!isStoring(writer) && !writer.isDropping) {
    const where = writer.spill === null ? 'in memory' : 'on disk, or in memory until they are there'
    warnings.push({
      code: 'log_not_stored',
      detail: `the database takes no access entries: they wait ${where}`,
    })
  }
  if (writer.isDropping) {
    const detail =
      'neither the database nor the disk takes access entries: entries are being dropped, and counted'
    warnings.push({ code: 'log_dropping', detail })
  }
  for (const { what, name, code, entries } of writer.spill?.aside.named ?? []) {
    const detail = `${what} ${name}: ${code}, ${entries} access entries set aside`
    warnings.push({ code: 'log_set_aside', detail })
  }
  return warnings
}
