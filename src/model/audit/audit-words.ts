import type { AuditedInstance } from './audit.ts'
import type { UnderWay } from './under-way.ts'

/** How the death of an instance is known. */
const SIGNS = {
  exited: 'its primary saw its end',
  gone: 'there is no such process any more',
  heir: 'others have its state folder now',
  unseen: 'it has not been seen for a minute',
} as const

/** What the death of an instance has cost, beside the number of entries that it had in memory at most. */
export function deathWords(instance: AuditedInstance): string {
  const { lastSeenAt, journalMs, spilledEntries, host, diedOf = null } = instance
  const spilled = spilledEntries === null || spilledEntries === 0 ? null : spilledEntries
  return [
    `it died after ${lastSeenAt?.toISOString() ?? 'its start'} (${SIGNS[diedOf ?? 'unseen']}): what it had in memory is lost`,
    journalMs === null ? '' : `; with its journal on disk, only those of its last ${journalMs} ms`,
    spilled === null ? '' : `; ${spilled} more were in spill segments on ${host ?? 'its host'}`,
    requestWords(instance),
  ].join('')
}

/** Requests have no entry before they have ended. */
function requestWords({ inFlight = null, inFlightMost = null }: AuditedInstance): string {
  if (inFlight === null && inFlightMost === null) return ''
  const then = inFlight === null ? '' : `${inFlight} when it was last seen`
  const most = inFlightMost === null ? 'how many is not known' : `at most ${inFlightMost}`
  return `; requests that it was answering have no entry: ${[most, then].filter(Boolean).join(', ')}`
}

/** A request that was cut short by the death of its instance. */
export function cutShortWords({ route, method, path, startedAtMs, isTunnel }: UnderWay): string {
  const what = `${isTunnel ? 'tunnel ' : ''}${method} ${path}${route === '' ? '' : ` on route ${route}`}`
  return `${what}, under way since ${new Date(startedAtMs).toISOString()}, was cut short when the instance died`
}

/** The tenant or instance that a line is about. */
export function who({ id, host }: AuditedInstance, tenant: string | null): string {
  const where = host === null ? `instance ${id}` : `instance ${id} on ${host}`
  if (tenant === null) return where
  return tenant === '' ? `unattributed requests, ${where}` : `tenant ${tenant}, ${where}`
}

/** How many entries a line is about. */
export function howMany(entries: number | null, atMost: number | null): string {
  if (entries !== null) return `${entries} ${Math.abs(entries) === 1 ? 'entry' : 'entries'}: `
  return atMost === null ? '' : `at most ${atMost} entries: `
}
