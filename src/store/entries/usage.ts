import { CANARY_TENANT } from '../../model/canary.ts'
import { TimeZone } from '../../model/time-zone.ts'
import { oldestPartitionMs } from './partitions.ts'
import { sumRefusals } from './refusals.ts'
import { readRollUpCover, type RollUpCover } from './roll-ups.ts'
import type { Sql, SqlFragment, TransactionSql } from '../sql.ts'
import { asTenant } from '../tenant-scope.ts'

const MINUTE_MS = 60_000

/** What a tenant did on a route in one day. */
export interface UsageRow {
  /** 'YYYY-MM-DD', in the zone that was asked for. */
  readonly day: string
  /** Null for requests that could not be attributed. */
  readonly tenant: string | null
  readonly route: string | null
  /** Requests that were served, with any status of the upstream; errors and bytes are theirs. */
  readonly requests: number
  readonly errors_4xx: number
  readonly errors_5xx: number
  readonly bytes_received: number
  readonly bytes_sent: number
  /** Refused by Waybill and sent nowhere: for want of valid credentials or permission, by a limit, for any other reason. */
  readonly refused_auth: number
  readonly refused_limit: number
  readonly refused_other: number
  readonly refused_bytes_received: number
  readonly refused_bytes_sent: number
}

/** Which usage is asked for. */
export interface UsageFilter {
  readonly tenant?: string
  /** Inclusive. */
  readonly since: Date
  /** Exclusive. */
  readonly until: Date
  /** Time zone of the days; UTC by default. */
  readonly timeZone?: TimeZone
}

interface Range {
  readonly from: Date
  readonly to: Date
  /** What the day is called; that of `from` in UTC unless told. */
  readonly day?: string
}

/**
 * Usage from `since` (inclusive) until `until` (exclusive) per day, tenant and route. It agrees with the entries exactly, as of
 * one moment for each day: minutes that are rolled up come from the roll-ups, those that a batch has touched since, and
 * those that the range cuts, from their rows. Days whose rows have expired come from the roll-ups alone, in whole minutes.
 * Days are those of a time zone, an hour longer or shorter where its clocks change: roll-ups are of a minute, and of a quarter of an
 * hour for older days, of which every zone's offset is a multiple. Oldest day first, one chunk and one transaction for each day that has entries.
 */
export async function* usageByDay(
  sql: Sql,
  filter: UsageFilter,
): AsyncGenerator<UsageRow[], void, undefined> {
  const { tenant, since, until, timeZone = TimeZone.UTC } = filter
  for (let from = Math.max(since.getTime(), await oldestMs(sql)); from < until.getTime();) {
    const to = Math.min(timeZone.endOfDay(from), until.getTime())
    const range = { from: new Date(from), to: new Date(to), day: timeZone.dayOf(from) }
    const cover = (tx: TransactionSql): Promise<RollUpCover | null> =>
      readRollUpCover(tx, Math.floor(from / MINUTE_MS), Math.floor((to - 1) / MINUTE_MS))
    const rows =
      tenant === undefined
        ? await sql.begin('isolation level repeatable read read only', async (tx) =>
            readUsage(tx, range, await cover(tx)),
          )
        : await asTenant(sql, tenant, (tx, found) => readUsage(tx, range, found, tenant), cover)
    if (rows.length > 0) yield rows
    from = to
  }
}

/** Usage of at most a day. Reads what the transaction may see: within `asTenant`, one tenant's. */
export async function readUsage(
  tx: TransactionSql,
  range: Range,
  cover: RollUpCover | null,
  tenant?: string,
): Promise<UsageRow[]> {
  const onlyTenant =
    tenant === undefined ? tx`AND r.tenant IS DISTINCT FROM ${CANARY_TENANT}` : tx`AND r.tenant = ${tenant}`
  return await tx<UsageRow[]>`
    SELECT ${range.day ?? range.from.toISOString().slice(0, 10)}::text AS day, r.tenant, r.route,
      sum(r.served)::bigint AS requests,
      coalesce(sum(r.served) FILTER (WHERE r.status_class = 4), 0)::bigint AS errors_4xx,
      coalesce(sum(r.served) FILTER (WHERE r.status_class >= 5), 0)::bigint AS errors_5xx,
      sum(r.bytes_received - r.refused_received)::bigint AS bytes_received,
      sum(r.bytes_sent - r.refused_sent)::bigint AS bytes_sent,
      sum(r.refused_auth)::bigint AS refused_auth, sum(r.refused_limit)::bigint AS refused_limit,
      sum(r.refused_other)::bigint AS refused_other, sum(r.refused_received)::bigint AS refused_bytes_received,
      sum(r.refused_sent)::bigint AS refused_bytes_sent
    FROM (SELECT s.*, s.n - s.refused_auth - s.refused_limit - s.refused_other AS served FROM (${cover === null ? readRows(tx, range, onlyTenant) : readBoth(tx, range, cover, onlyTenant)}) s) r
    GROUP BY r.tenant, r.route ORDER BY r.tenant, r.route`
}

/** Sums over the rows alone. */
function readRows(tx: TransactionSql, { from, to }: Range, onlyTenant: SqlFragment): SqlFragment {
  return tx`
    SELECT r.tenant, r.route, r.status / 100 AS status_class, count(*) AS n, sum(r.bytes_received) AS bytes_received,
      sum(r.bytes_sent) AS bytes_sent, ${sumRefusals(tx, 'r')}
    FROM access_log r WHERE r.started_at >= ${from} AND r.started_at < ${to} ${onlyTenant}
    GROUP BY 1, 2, 3`
}

/** Roll-ups, and the rows of the minutes that they do not hold, or hold only as a whole. */
function readBoth(
  tx: TransactionSql,
  range: Range,
  cover: RollUpCover,
  onlyTenant: SqlFragment,
): SqlFragment {
  const [first, end] = [range.from.getTime() / MINUTE_MS, range.to.getTime() / MINUTE_MS]
  const cut = [first, end].filter((minute) => !Number.isInteger(minute)).map(Math.floor)
  const fresh = [...new Set([...cover.freshMinutes, ...cut])].filter((minute) => minute >= cover.firstMinute)
  return tx`
    SELECT nullif(r.tenant, '') AS tenant, nullif(r.route, '') AS route, r.status_class, r.n, r.bytes_received, r.bytes_sent,
      r.refused_auth, r.refused_limit, r.refused_other, r.refused_received, r.refused_sent
    FROM access_minutes r
    WHERE r.minute >= ${Math.floor(first)} AND r.minute < ${Math.ceil(end)} AND r.minute <> ALL (${fresh}::bigint[])
      ${onlyTenant}
    UNION ALL
    SELECT f.* FROM unnest(${fresh}::bigint[]) m CROSS JOIN LATERAL (
      SELECT r.tenant, r.route, r.status / 100 AS status_class, count(*) AS n, sum(r.bytes_received) AS bytes_received,
        sum(r.bytes_sent) AS bytes_sent, ${sumRefusals(tx, 'r')}
      FROM access_log r
      WHERE r.started_at >= greatest(to_timestamp(m * 60), ${range.from})
        AND r.started_at < least(to_timestamp(m * 60 + 60), ${range.to}) ${onlyTenant}
      GROUP BY 1, 2, 3) f`
}

/** Where the oldest entries or roll-ups are, epoch milliseconds. */
async function oldestMs(sql: Sql): Promise<number> {
  const [row] = await sql<{ minute: number | null }[]>`SELECT min(minute) AS minute FROM access_minutes`
  return Math.min(await oldestPartitionMs(sql), (row?.minute ?? Infinity) * MINUTE_MS)
}
