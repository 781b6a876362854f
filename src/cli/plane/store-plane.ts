import { hasEnded } from '../../lib/host/machine.ts'
import { mintAdminToken } from '../../model/admin/admin-token.ts'
import { mintKey } from '../../model/api-key.ts'
import { insertAdminToken, listAdminTokens, revokeAdminToken } from '../../store/access/admin-tokens.ts'
import { listAdminLog } from '../../store/admin-log/admin-log.ts'
import {
  type FollowedTable,
  lastChange,
  removeFollower,
  unconfirmed,
} from '../../store/directory/followers.ts'
import { getKey, insertKey, listKeys, revokeKey, rotateKey, updateKey } from '../../store/directory/keys.ts'
import { isInLedger, recentRoutes, tenantsLike } from '../../store/directory/names.ts'
import {
  createTenant,
  getTenant,
  listTenants,
  setTenantState,
  updateTenant,
  type Tenant,
} from '../../store/directory/tenants.ts'
import {
  followEntries,
  listEntries,
  streamEntries,
  type EntryCursor,
  type EntryFilter,
} from '../../store/entries/entries.ts'
import { readClock } from '../../store/entries/retention.ts'
import { usageByDay } from '../../store/entries/usage.ts'
import { groupUsage } from '../../store/figures/usage-groups.ts'
import type { EntryRow } from '../../model/entry-columns.ts'
import { type Sql, sqlStateOf } from '../../store/sql.ts'
import { nameDatabase, type OpenDatabase } from '../context.ts'
import type { Io } from '../output/io.ts'
import { storeDeliveries } from './store-deliveries.ts'
import { storeUpkeep } from './store-upkeep.ts'
import type { Confirmations, ControlPlane, DirectoryPort, LogPort, NamePort } from './plane.ts'

const PAGE = 500
const FOLLOW_POLL_MS = 500

/** The control plane on a database that is open. */
export function storePlane(io: Io, database: OpenDatabase): ControlPlane {
  const { sql, config } = database
  return {
    config,
    nowMs: async () => (await readClock(sql, () => io.now())).databaseMs,
    nameSource: () => nameDatabase(io, database),
    ...directoryOf(sql),
    ...logOf(sql),
    ...storeUpkeep(sql),
    ...storeDeliveries(sql),
  }
}

/** The names that a database knows. */
export function storeNames(sql: Sql): NamePort {
  return {
    getTenant: (slug) => getTenant(sql, slug),
    getKey: (id) => getKey(sql, id),
    isInLedger: (slug) => ifPermitted(isInLedger(sql, slug), false),
    tenantsLike: (slug) => tenantsLike(sql, slug),
    recentRoutes: () => ifPermitted(recentRoutes(sql), []),
  }
}

function directoryOf(sql: Sql): DirectoryPort {
  return {
    ...storeNames(sql),
    listTenants: (includeDeleted) => tenantPages(sql, includeDeleted),
    createTenant: (slug, changes) => createTenant(sql, slug, changes),
    updateTenant: (slug, changes, ifVersion) => updateTenant(sql, slug, changes, ifVersion),
    setTenantState: (slug, state) => setTenantState(sql, slug, state),
    listKeys: (listing) => listKeys(sql, listing),
    mintKey: async (wish) => {
      const { id, text, digest } = mintKey()
      return { made: await insertKey(sql, { ...wish, id, digest }), text }
    },
    updateKey: (id, changes, ifVersion) => updateKey(sql, id, changes, ifVersion),
    rotateKey: async (oldId, overlapMs) => {
      const { id, text, digest } = mintKey()
      const { old, new: made } = await rotateKey(sql, oldId, { id, digest }, overlapMs)
      return { old, made, text }
    },
    revokeKey: (id) => revokeKey(sql, id),
    listTokens: (includeInactive) => listAdminTokens(sql, { includeInactive }),
    createToken: async (wish) => {
      const { id, text, digest } = mintAdminToken()
      return { made: await insertAdminToken(sql, { ...wish, id, digest }), text }
    },
    revokeToken: (id) => revokeAdminToken(sql, id),
    confirmations: (table, id) => confirmationsOf(sql, table, id),
  }
}

function logOf(sql: Sql): LogPort {
  return {
    newestEntries: (filter, limit) => newestEntries(sql, filter, limit),
    streamEntries: (filter) => streamEntries(sql, filter),
    followEntries: (filter, signal) => {
      const from = filter.since === undefined ? {} : { from: filter.since }
      return followEntries(sql, filter, { signal, pollMs: FOLLOW_POLL_MS, ...from })
    },
    usageByDay: (filter) => usageByDay(sql, filter),
    groupUsage: (query) => groupUsage(sql, query),
    listAdminLog: (filter, page) => listAdminLog(sql, filter, page),
  }
}

async function* tenantPages(
  sql: Sql,
  includeDeleted: boolean,
): AsyncGenerator<readonly Tenant[], void, undefined> {
  for (let after = ''; ;) {
    const page = await listTenants(sql, { after, limit: PAGE, includeDeleted })
    yield page
    const last = page.at(-1)
    if (last === undefined || page.length < PAGE) return
    after = last.slug
  }
}

async function newestEntries(
  sql: Sql,
  filter: EntryFilter,
  limit: number,
): Promise<{ entries: readonly EntryRow[]; isCut: boolean }> {
  const entries: EntryRow[] = []
  let before: EntryCursor | null = null
  do {
    const page = await listEntries(sql, filter, { limit: Math.min(PAGE, limit - entries.length), before })
    entries.push(...page.entries)
    before = page.next
  } while (before !== null && entries.length < limit)
  return { entries, isCut: before !== null }
}

/** Nobody waits for a follower of this machine that has ended. */
async function confirmationsOf(sql: Sql, table: FollowedTable, id: string): Promise<Confirmations | null> {
  const xid = await lastChange(sql, table, id)
  if (xid === null) return null
  const { followers, missing } = await unconfirmed(sql, xid)
  const waiting = []
  for (const follower of missing) {
    if (hasEnded(follower.machine, follower.processId)) await removeFollower(sql, follower.instance)
    else waiting.push(follower)
  }
  return { confirmed: followers - missing.length, waiting }
}

/** As if nothing were known where the role may not read: what only makes a message better must not fail a command. */
async function ifPermitted<T>(known: Promise<T>, otherwise: T): Promise<T> {
  try {
    return await known
  } catch (error) {
    if (sqlStateOf(error) === '42501') return otherwise
    throw error
  }
}
