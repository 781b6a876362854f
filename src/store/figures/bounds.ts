import type { Sql } from '../sql.ts'
import { lockFigures } from './roll-up.ts'

const DAY_MINUTES = 1440

/** Packages of an hour are kept until their day has been summed, and for a look at the last days. */
const PACKAGE_HOURS_DAYS = 8

/** Rows that one call removes of a table at most: others wait for the figures meanwhile. */
const MAX_ROWS = 1_000_000

/** `access_minutes` is given up when no program has kept it for so long: one of before may be at work beside this. */
const IDLE = '1 day'

/** Days that figures are kept for, by the database's clock. */
export interface FiguresRetention {
  /** Minutes and quarters of an hour of routes, hours of tenants. */
  readonly minutesDays: number
  /** Minutes of tenants. */
  readonly tenantMinutesDays: number
  /** Packages of a day. */
  readonly packagesDays: number
  /** Usage, and hours of routes. Usage stays as long as its rows are there. */
  readonly days: number
}

/** Keeps the figures bounded. One gateway at a time; bounded per call. Needs the handle of `rollUp`. */
export async function boundFigures(sql: Sql, retention: FiguresRetention): Promise<void> {
  await sql.begin(async (tx) => {
    if (!(await lockFigures(tx))) return
    const [state] = await tx<{ today: number; first: number }[]>`
      SELECT floor(extract(epoch FROM clock_timestamp()) / 86400)::bigint * ${DAY_MINUTES}::bigint AS today,
        greatest(first_minute, -1) AS first FROM access_minutes_state`
    if (state === undefined) return
    const before = (days: number): number => state.today - days * DAY_MINUTES
    const kept: Record<string, number> = {}
    const remove = async (table: string, step: number | null, minute: number): Promise<void> => {
      if (step !== null) kept[`${table}/${step}`] = minute
      await tx`
        DELETE FROM ${tx(table)} WHERE ctid = ANY (ARRAY(
          SELECT ctid FROM ${tx(table)} WHERE ${step === null ? tx`true` : tx`step = ${step}`} AND minute < ${minute} LIMIT ${MAX_ROWS}))`
    }
    await remove('figures_routes', 1, before(retention.minutesDays))
    await remove('figures_routes', 15, before(retention.minutesDays))
    await remove('figures_routes', 60, before(retention.days))
    await remove('figures_tenants', 1, before(retention.tenantMinutesDays))
    await remove('figures_tenants', 60, before(retention.minutesDays))
    await remove('figures_packages', 60, before(PACKAGE_HOURS_DAYS))
    await remove('figures_packages', 1440, before(retention.packagesDays))
    await remove('figures_usage', null, Math.min(state.first, before(retention.days)))
    const minutesFrom = before(Math.min(retention.minutesDays, retention.tenantMinutesDays))
    // Of a gateway with a longer retention than another's, what is gone stays gone.
    await tx`
      UPDATE access_minutes_state SET figures_kept = (
        SELECT jsonb_object_agg(key, greatest(value::bigint, (figures_kept ->> key)::bigint)) FROM jsonb_each_text(${tx.json(kept)}))`
    await tx`
      UPDATE access_minutes_state SET figures_minutes_from = ${minutesFrom} WHERE figures_minutes_from < ${minutesFrom}`
    await remove('access_minutes', null, Math.min(state.first, before(retention.days)))
  })
  await giveUpMinutes(sql)
}

/**
 * Once the figures are complete and no program of before has kept `access_minutes` for a day: removes from it all that can be computed from
 * rows. What it has of days whose rows are gone stays, and a program of before that is started again computes the rest anew.
 */
async function giveUpMinutes(sql: Sql): Promise<void> {
  await sql.begin(async (tx) => {
    if (!(await lockFigures(tx))) return
    const { count } = await tx`
      UPDATE access_minutes_state SET is_complete = false, horizon = '0'
      WHERE figures_complete AND is_complete AND updated_at < clock_timestamp() - ${IDLE}::text::interval`
    if (count === 0) return
    await tx`DELETE FROM access_minutes a USING access_minutes_state s WHERE a.minute >= s.first_minute`
    await tx`DELETE FROM access_minutes_stale`
  })
}
