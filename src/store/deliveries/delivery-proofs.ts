import { oldestPartitionMs } from '../entries/partitions.ts'
import { readClock } from '../entries/retention.ts'
import { type Sql, sqlStateOf } from '../sql.ts'
import { deliveryAccounts, SETTLED_MS, type DeliveryAccount } from './delivery-accounts.ts'

/** The clocks of two gateways may be so far apart. */
const CLOCKS_MS = 600_000
/** PostgreSQL manual, appendix A: insufficient_privilege, undefined_table. */
const UNREADABLE: ReadonlySet<string | null> = new Set(['42501', '42P01'])

/** The books of a tenant, and what of them nothing proves. */
export interface DeliveryProof extends DeliveryAccount {
  /** Deliveries that are said to be delivered, and of which no access entry says so; null where that was not looked at. */
  readonly unproven: number | null
}

/** What is proven. */
export interface ProofWindow {
  readonly tenant?: string
  /** Received since then; all where undefined. */
  readonly since?: Date
  /** Received before. */
  readonly until?: Date
  /** Until when entries are known to be stored; null for all. */
  readonly settledTo: Date | null
}

/**
 * Proves the books of each tenant that has deliveries of the window; while gateways run, of those that are older than 10 s. Null where
 * the role may not read deliveries, or the schema has none.
 */
export async function proveDeliveries(sql: Sql, window: ProofWindow): Promise<DeliveryProof[] | null> {
  try {
    return await prove(sql, window)
  } catch (error) {
    if (UNREADABLE.has(sqlStateOf(error))) return null
    throw error
  }
}

async function prove(sql: Sql, { tenant, since, until, settledTo }: ProofWindow): Promise<DeliveryProof[]> {
  const { databaseMs } = await readClock(sql, Date.now)
  // Where nobody runs any more, all is stored; a clock may run ahead.
  const settledMs =
    settledTo === null ? databaseMs + CLOCKS_MS : Math.min(databaseMs - SETTLED_MS, settledTo.getTime())
  const from = since ?? new Date(0)
  const to = new Date(Math.min(until?.getTime() ?? Infinity, settledMs))
  const scope = { ...(tenant === undefined ? {} : { tenant }), since: from, until: to }
  const accounts = await deliveryAccounts(sql, scope)
  if (accounts.length === 0) return []
  const ofTenant = tenant === undefined ? sql`` : sql`AND d.tenant = ${tenant}`
  // Older entries have expired; one of an attempt that began before may have.
  const coveredFrom = new Date(Math.max(from.getTime(), (await oldestPartitionMs(sql)) + CLOCKS_MS))
  const rows = await sql<{ tenant: string; n: number }[]>`
    SELECT d.tenant, count(*) AS n FROM deliveries d
    LEFT JOIN (
      SELECT tenant, request_id FROM access_log
      WHERE outcome = 'delivered' AND started_at >= ${new Date(coveredFrom.getTime() - CLOCKS_MS)}
    ) e ON e.request_id = d.id::text AND e.tenant = d.tenant
    WHERE d.state = 'delivered' AND d.received_at >= ${coveredFrom} AND d.received_at < ${to}
      AND coalesce(d.ended_at, d.received_at) < ${new Date(settledMs)} AND e.request_id IS NULL ${ofTenant}
    GROUP BY d.tenant`
  const unproven = new Map(rows.map((row) => [row.tenant, row.n]))
  return accounts.map((account) => withUnproven(account, unproven.get(account.tenant) ?? 0))
}

function withUnproven(account: DeliveryAccount, unproven: number): DeliveryProof {
  return { ...account, unproven }
}
