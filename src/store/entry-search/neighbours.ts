import type { EntryRow } from '../../model/entry-columns.ts'
import { listEntries } from '../entries/entries.ts'
import type { EntryFilter } from '../entries/entry-filter.ts'
import type { Sql } from '../sql.ts'

/** How far around an entry its neighbours are looked for. */
const AROUND_MS = 60_000
/** Rows with one request id at most: the gateway's own ids are unique, a client may send the same again and again. */
const MAX_ROWS = 20
/** Neighbours of a kind at most. */
const MAX_NEIGHBOURS = 50

/** What was found by a request id. */
export interface FoundEntries {
  /** The newest first; none where there is no such entry. */
  readonly entries: readonly EntryRow[]
  /** Others of the same trace, within a minute around the newest. */
  readonly sameTrace: readonly EntryRow[]
  /** Others of the same client address and key, within a minute around the newest. */
  readonly sameClient: readonly EntryRow[]
}

/** The entries of a request id, and their neighbours. With a tenant, only of it. Ends after the statement under way with the signal. */
export async function findRequest(
  sql: Sql,
  filter: EntryFilter & { readonly requestId: string },
  signal: AbortSignal,
): Promise<FoundEntries> {
  const { entries } = await listEntries(sql, filter, { limit: MAX_ROWS, signal })
  const [newest] = entries
  if (newest === undefined) return { entries, sameTrace: [], sameClient: [] }
  const ids = new Set(entries.map(({ id }) => id))
  const others = async (restriction: EntryFilter): Promise<readonly EntryRow[]> => {
    const atMs = newest.started_at.getTime()
    const scope = filter.tenant === undefined ? {} : { tenant: filter.tenant }
    const around = { since: new Date(atMs - AROUND_MS), until: new Date(atMs + AROUND_MS + 1) }
    const limit = MAX_NEIGHBOURS + ids.size
    const found = await listEntries(sql, { ...restriction, ...scope, ...around }, { limit, signal })
    return found.entries.filter(({ id }) => !ids.has(id)).slice(0, MAX_NEIGHBOURS)
  }
  const { trace_id: traceId, client_ip: clientIp, key_id: keyId, tenant } = newest
  return {
    entries,
    sameTrace: traceId === null ? [] : await others({ traceId }),
    // Without a key, an address stands for many strangers: the tenant, where there is one, keeps the scan to its index.
    sameClient:
      clientIp === null
        ? []
        : await others({
            clientIp,
            ...(keyId === null ? {} : { keyId }),
            ...(tenant === null ? {} : { tenant }),
          }),
  }
}
