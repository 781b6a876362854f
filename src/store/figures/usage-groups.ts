import { CANARY_TENANT } from '../../model/canary.ts'
import { TimeZone } from '../../model/time-zone.ts'
import type { Sql, SqlFragment, TransactionSql } from '../sql.ts'
import { asTenant } from '../tenant-scope.ts'
import { classOf, refusalOf } from './compute.ts'
import { freshRows } from './cover.ts'
import { readUsageFigures, type UsageCover, usageFigures } from './usage-days.ts'

const MINUTE_MS = 60_000
const DAY_MINUTES = 1440

/** What usage may be grouped by. */
export const USAGE_DIMENSIONS = [
  'day',
  'month',
  'tenant',
  'key',
  'route',
  'outcome',
  'reason',
  'class',
] as const

export type UsageDimension = (typeof USAGE_DIMENSIONS)[number]

/** What groups may be sorted by. */
export const USAGE_FIGURES = [
  'requests',
  'errors_4xx',
  'errors_5xx',
  'bytes_received',
  'bytes_sent',
  'refused',
  'refused_auth',
  'refused_limit',
  'refused_other',
  'refused_bytes_received',
  'refused_bytes_sent',
] as const

export type UsageFigure = (typeof USAGE_FIGURES)[number]

/** Usage of a group: `requests`, errors and bytes of what was served, and what Waybill itself refused and sent nowhere. */
export type UsageGroup = Readonly<Record<UsageFigure, number>> & {
  /** Values of the dimensions that were asked for; null for none. */
  readonly [D in UsageDimension]?: string | null
}

export interface UsageGroupQuery {
  readonly tenant?: string
  readonly route?: string
  /** Only what Waybill refused, or refused by a limit, or what failed (5xx that was served). */
  readonly only?: 'refused' | 'limited' | 'failed'
  /** Inclusive. */
  readonly since: Date
  /** Exclusive. */
  readonly until: Date
  /** Of days and months; UTC unless told. */
  readonly timeZone?: TimeZone
  /** None for one row of all. */
  readonly by: readonly UsageDimension[]
  /** Descending; by the dimensions, ascending, unless told. */
  readonly sort?: { readonly by: UsageFigure; readonly isAscending: boolean }
  /** Groups at most. */
  readonly limit: number
}

/**
 * Usage summed by any dimensions, of one moment. It agrees with the entries; days whose entries have gone come from the figures, in whole
 * quarters of an hour. `isComplete`: whether all figures of before an upgrade have been computed.
 */
export async function groupUsage(
  sql: Sql,
  query: UsageGroupQuery,
): Promise<{ readonly groups: readonly UsageGroup[]; readonly isComplete: boolean }> {
  const calendar = calendarOf(query)
  const cover = (tx: TransactionSql): Promise<UsageCover> =>
    readUsageFigures(tx, { from: query.since, to: query.until }, isOfWholeDays(query, calendar))
  const read = async (tx: TransactionSql, found: UsageCover) => ({
    groups: await readGroups(tx, query, calendar, found),
    isComplete: found.isComplete,
  })
  if (query.tenant !== undefined) return await asTenant(sql, query.tenant, read, cover)
  return await sql.begin('isolation level repeatable read read only', async (tx) => read(tx, await cover(tx)))
}

/** The window of the same length before. */
export function previousPeriod<T extends { readonly since: Date; readonly until: Date }>(query: T): T {
  const ms = query.until.getTime() - query.since.getTime()
  return { ...query, since: new Date(query.since.getTime() - ms), until: query.since }
}

async function readGroups(
  tx: TransactionSql,
  query: UsageGroupQuery,
  calendar: Calendar,
  cover: UsageCover,
): Promise<UsageGroup[]> {
  const columns: Readonly<Record<UsageDimension, SqlFragment>> = {
    day: periodOf(tx, calendar),
    month: periodOf(tx, calendar),
    tenant: tx`nullif(r.tenant, '')`,
    key: tx`nullif(r.key_id, '')`,
    route: tx`nullif(r.route, '')`,
    outcome: tx`nullif(r.outcome, '')`,
    reason: tx`nullif(r.reason, '')`,
    class: tx`r.status_class || 'xx'`,
  }
  const selected = query.by
    .map((name) => tx`${columns[name]} AS ${tx(name)},`)
    .reduce((a, b) => tx`${a} ${b}`, tx``)
  const places = query.by.map((_, i) => i + 1).join(', ')
  const order = [
    ...(query.sort === undefined ? [] : [`${query.sort.by} ${query.sort.isAscending ? 'ASC' : 'DESC'}`]),
    ...query.by.map((_, i) => `${i + 1}`),
  ].join(', ')
  const sum = (figure: SqlFragment, condition: SqlFragment) =>
    tx`coalesce(sum(${figure}) FILTER (WHERE ${condition}), 0)::bigint`
  const served = tx`r.refusal = ''`
  return await tx<UsageGroup[]>`
    SELECT ${selected} ${sum(tx`r.n`, served)} AS requests,
      ${sum(tx`r.n`, tx`${served} AND r.status_class = 4`)} AS errors_4xx,
      ${sum(tx`r.n`, tx`${served} AND r.status_class >= 5`)} AS errors_5xx,
      ${sum(tx`r.bytes_received`, served)} AS bytes_received, ${sum(tx`r.bytes_sent`, served)} AS bytes_sent,
      ${sum(tx`r.n`, tx`r.refusal <> ''`)} AS refused,
      ${sum(tx`r.n`, tx`r.refusal = 'auth'`)} AS refused_auth, ${sum(tx`r.n`, tx`r.refusal = 'limit'`)} AS refused_limit,
      ${sum(tx`r.n`, tx`r.refusal = 'other'`)} AS refused_other,
      ${sum(tx`r.bytes_received`, tx`r.refusal <> ''`)} AS refused_bytes_received,
      ${sum(tx`r.bytes_sent`, tx`r.refusal <> ''`)} AS refused_bytes_sent
    FROM (${sourceOf(tx, query, cover)}) r WHERE true ${onlyOf(tx, query)}
    ${places === '' ? tx`` : tx`GROUP BY ${tx.unsafe(places)}`} ${order === '' ? tx`` : tx`ORDER BY ${tx.unsafe(order)}`}
    LIMIT ${query.limit}`
}

function onlyOf(tx: TransactionSql, { only }: UsageGroupQuery): SqlFragment {
  if (only === 'refused') return tx`AND r.refusal <> ''`
  if (only === 'limited') return tx`AND r.refusal = 'limit'`
  return only === 'failed' ? tx`AND r.refusal = '' AND r.status_class >= 5` : tx``
}

/** Figures, and the rows of what they do not hold. */
function sourceOf(tx: TransactionSql, query: UsageGroupQuery, cover: UsageCover): SqlFragment {
  const { tenant, route } = query
  const is = (table: 'e' | 'f') => tx`
    ${tenant === undefined ? tx`AND ${tx(table)}.tenant IS DISTINCT FROM ${CANARY_TENANT}` : tx`AND ${tx(table)}.tenant = ${tenant}`}
    ${route === undefined ? tx`` : tx`AND ${tx(table)}.route = ${route}`}`
  return tx`
    ${usageFigures(tx, cover, is('f'))}
    UNION ALL
    SELECT floor(date_part('epoch', e.started_at) / 60)::int, coalesce(e.tenant, ''), coalesce(e.key_id, ''), coalesce(e.route, ''),
      e.outcome, coalesce(e.reason, ''), ${classOf(tx)}, ${refusalOf(tx)}, 1, e.bytes_received, e.bytes_sent
    ${freshRows(tx, cover)} ${is('e')}`
}

/** Whether sums of whole days of UTC give what is asked. */
function isOfWholeDays({ by }: UsageGroupQuery, { minutes }: Calendar): boolean {
  return (
    !by.includes('key') &&
    !by.includes('reason') &&
    minutes.slice(1).every((minute) => minute % DAY_MINUTES === 0)
  )
}

interface Calendar {
  /** First minutes of periods. */
  readonly minutes: readonly number[]
  readonly names: readonly string[]
}

/** The days, or months, that the range touches. */
function calendarOf({ since, until, by, timeZone = TimeZone.UTC }: UsageGroupQuery): Calendar {
  const minutes: number[] = []
  const names: string[] = []
  if (!by.includes('day') && !by.includes('month')) return { minutes, names }
  for (let ms = since.getTime(); ms < until.getTime(); ms = timeZone.endOfDay(ms)) {
    const day = timeZone.dayOf(ms)
    const name = by.includes('day') ? day : day.slice(0, 7)
    if (names.at(-1) === name) continue
    // What is counted whole before the range belongs to its first day.
    minutes.push(names.length === 0 ? -(2 ** 31) : Math.floor(ms / MINUTE_MS))
    names.push(name)
  }
  return { minutes, names }
}

function periodOf(tx: TransactionSql, { minutes, names }: Calendar): SqlFragment {
  return tx`(${[...names]}::text[])[width_bucket(r.minute, ${[...minutes]}::int[])]`
}
