import type { Sql } from '../sql.ts'
import type { DeliveryFilter } from './deliveries.ts'

/** What is younger may change, and its entries be on their way: it is in no account unless asked for. */
export const SETTLED_MS = 10_000

/** The books of a tenant. Accepted and repeated by hand = the sum of all states. */
export interface DeliveryAccount {
  readonly tenant: string
  readonly accepted: number
  readonly repeated: number
  readonly waiting: number
  readonly delivered: number
  readonly dead: number
  readonly dropped: number
  readonly coalesced: number
  readonly duplicate: number
  /**
   * Access entries that say `accepted` and of which there is no delivery, of days whose deliveries are kept; what waits and nobody would
   * deliver; what is over and somebody would.
   */
  readonly missing: number
}

/** The books of each tenant, of what was received in the window. Entries of the last seconds may not be stored yet. */
export async function deliveryAccounts(
  sql: Sql,
  { tenant, since, until }: Pick<DeliveryFilter, 'tenant'> & { readonly since: Date; readonly until: Date },
): Promise<DeliveryAccount[]> {
  const ofTenant = tenant === undefined ? sql`` : sql`AND tenant = ${tenant}`
  return await sql<DeliveryAccount[]>`
    WITH days AS (
      SELECT to_date(right(c.relname, 8), 'YYYYMMDD') AS day FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
      WHERE i.inhparent = to_regclass('deliveries') AND c.relname ~ '^deliveries_[0-9]{8}$'
    ), d AS (
      SELECT id, tenant, state, request_id, redelivery_of FROM deliveries
      WHERE received_at >= ${since} AND received_at < ${until} ${ofTenant}
    ), lost AS (
      -- By number: senders may say the same request id again.
      SELECT tenant, greatest(0, count(*) - coalesce(k.n, 0)) AS n FROM access_log e
      LEFT JOIN (SELECT tenant, request_id, count(*) AS n FROM d WHERE redelivery_of IS NULL GROUP BY 1, 2) k
        USING (tenant, request_id)
      WHERE started_at >= ${since} AND started_at < ${until} AND outcome = 'accepted' AND reason IS NULL ${ofTenant}
        AND (started_at AT TIME ZONE 'UTC')::date IN (SELECT day FROM days)
      GROUP BY tenant, request_id, k.n
      UNION ALL
      -- Of what waits somebody has to know.
      SELECT tenant, 1 FROM d WHERE state = 'waiting' AND NOT EXISTS (
        SELECT FROM delivery_work w WHERE w.id = d.id AND NOT w.is_dead)
      UNION ALL
      SELECT d.tenant, 1 FROM d JOIN delivery_work w USING (id) WHERE d.state <> 'waiting' AND NOT w.is_dead
    ), missing AS (
      SELECT tenant, sum(n)::bigint AS n FROM lost GROUP BY tenant
    ), books AS (
      SELECT tenant, count(*) FILTER (WHERE redelivery_of IS NULL) AS accepted,
        count(*) FILTER (WHERE redelivery_of IS NOT NULL) AS repeated,
        count(*) FILTER (WHERE state = 'waiting') AS waiting, count(*) FILTER (WHERE state = 'delivered') AS delivered,
        count(*) FILTER (WHERE state = 'dead') AS dead, count(*) FILTER (WHERE state = 'dropped') AS dropped,
        count(*) FILTER (WHERE state = 'coalesced') AS coalesced, count(*) FILTER (WHERE state = 'duplicate') AS duplicate
      FROM d GROUP BY tenant
    )
    SELECT tenant, coalesce(accepted, 0) AS accepted, coalesce(repeated, 0) AS repeated, coalesce(waiting, 0) AS waiting,
      coalesce(delivered, 0) AS delivered, coalesce(dead, 0) AS dead, coalesce(dropped, 0) AS dropped,
      coalesce(coalesced, 0) AS coalesced, coalesce(duplicate, 0) AS duplicate, coalesce(n, 0) AS missing
    FROM books FULL JOIN missing USING (tenant) ORDER BY tenant`
}
