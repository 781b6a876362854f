import { CANARY_TENANT } from '../../model/canary.ts'
import { TimeZone } from '../../model/time-zone.ts'
import { refusalOf } from '../figures/compute.ts'
import { freshRows } from '../figures/cover.ts'
import { readUsageFigures, type UsageCover as FiguresCover, usageFigures } from '../figures/usage-days.ts'
import { type MinutesCover, readMinutesCover } from './minutes-before.ts'
import { oldestPartitionMs } from './partitions.ts'
import { sumRefusals } from './refusals.ts'
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
 * one moment for each day: quarters of an hour that are rolled up come from the figures, those that are not over, that a batch has touched
 * since, or that the range cuts, from their rows. Days whose rows have expired come from the figures alone, in whole quarters.
 * Days are those of a time zone, an hour longer or shorter where its clocks change: every zone's offset is a multiple of a quarter. Oldest day first, one chunk and one transaction for each day that has entries.
 */
export async function* usageByDay(
  sql: Sql,
  filter: UsageFilter,
): AsyncGenerator<UsageRow[], void, undefined> {
  const { tenant, since, until, timeZone = TimeZone.UTC } = filter
  for (let from = Math.max(since.getTime(), await oldestMs(sql)); from < until.getTime();) {
    const to = Math.min(timeZone.endOfDay(from), until.getTime())
    const range = { from: new Date(from), to: new Date(to), day: timeZone.dayOf(from) }
    const cover = (tx: TransactionSql): Promise<UsageCover> => readUsageCover(tx, range)
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

/** Where usage is read from; null for the rows alone. */
export type UsageCover = { readonly figures: FiguresCover } | { readonly minutes: MinutesCover } | null

/** Where usage of a range is read from: the figures, or, until they are complete, what programs of before have left. */
export async function readUsageCover(tx: TransactionSql, range: Range): Promise<UsageCover> {
  const figures = await readUsageFigures(tx, range, true)
  if (figures.isComplete) return { figures }
  const [first, last] = [range.from.getTime(), range.to.getTime() - 1].map((ms) => Math.floor(ms / MINUTE_MS))
  const minutes = await readMinutesCover(tx, first ?? 0, last ?? 0)
  return minutes === null ? null : { minutes }
}

/** Usage of at most a day. Reads what the transaction may see: within `asTenant`, one tenant's. */
export async function readUsage(
  tx: TransactionSql,
  range: Range,
  cover: UsageCover,
  tenant?: string,
): Promise<UsageRow[]> {
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
    FROM (SELECT s.*, s.n - s.refused_auth - s.refused_limit - s.refused_other AS served
      FROM (${partsOf(tx, range, cover, tenant)}) s) r
    GROUP BY r.tenant, r.route ORDER BY r.tenant, r.route`
}

/** Only of the tenant, or of all but the canary. */
function isOf(tx: TransactionSql, table: 'e' | 'f' | 'r', tenant: string | undefined): SqlFragment {
  const column = tx`${tx(table)}.tenant`
  return tenant === undefined
    ? tx`AND ${column} IS DISTINCT FROM ${CANARY_TENANT}`
    : tx`AND ${column} = ${tenant}`
}

function partsOf(
  tx: TransactionSql,
  range: Range,
  cover: UsageCover,
  tenant: string | undefined,
): SqlFragment {
  const onlyTenant = isOf(tx, 'r', tenant)
  if (cover === null) return readRows(tx, range, onlyTenant)
  return 'figures' in cover
    ? readFigures(tx, cover.figures, tenant)
    : readBoth(tx, range, cover.minutes, onlyTenant)
}

/** Figures, and the rows of the quarters of an hour that they do not hold, or hold only as a whole. */
function readFigures(tx: TransactionSql, cover: FiguresCover, tenant: string | undefined): SqlFragment {
  const any = tx`r.refusal <> ''`
  const refused = (kind: string) => tx`coalesce(sum(r.n) FILTER (WHERE r.refusal = ${kind}), 0)`
  return tx`
    SELECT nullif(r.tenant, '') AS tenant, nullif(r.route, '') AS route, r.status_class, sum(r.n) AS n,
      sum(r.bytes_received) AS bytes_received, sum(r.bytes_sent) AS bytes_sent, ${refused('auth')} AS refused_auth,
      ${refused('limit')} AS refused_limit, ${refused('other')} AS refused_other,
      coalesce(sum(r.bytes_received) FILTER (WHERE ${any}), 0) AS refused_received,
      coalesce(sum(r.bytes_sent) FILTER (WHERE ${any}), 0) AS refused_sent
    FROM (
      SELECT u.tenant, u.route, u.status_class, u.refusal, u.n, u.bytes_received, u.bytes_sent
      FROM (${usageFigures(tx, cover, isOf(tx, 'f', tenant))}) u
      UNION ALL
      SELECT coalesce(e.tenant, ''), coalesce(e.route, ''), e.status / 100, ${refusalOf(tx)}, 1, e.bytes_received, e.bytes_sent
      ${freshRows(tx, cover)} ${isOf(tx, 'e', tenant)}
    ) r GROUP BY 1, 2, 3`
}

/** Sums over the rows alone. */
function readRows(tx: TransactionSql, { from, to }: Range, onlyTenant: SqlFragment): SqlFragment {
  return tx`
    SELECT r.tenant, r.route, r.status / 100 AS status_class, count(*) AS n, sum(r.bytes_received) AS bytes_received,
      sum(r.bytes_sent) AS bytes_sent, ${sumRefusals(tx, 'r')}
    FROM access_log r WHERE r.started_at >= ${from} AND r.started_at < ${to} ${onlyTenant}
    GROUP BY 1, 2, 3`
}

/** What programs of before have rolled up, and the rows of the minutes that it does not hold, or holds only as a whole. */
function readBoth(
  tx: TransactionSql,
  range: Range,
  cover: MinutesCover,
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
  const [row] = await sql<{ minute: number | null }[]>`
    SELECT least((SELECT min(minute) FROM figures_usage), (SELECT min(minute) FROM access_minutes)) AS minute`
  return Math.min(await oldestPartitionMs(sql), (row?.minute ?? Infinity) * MINUTE_MS)
}
