import type { DatabaseFigures } from '../../model/stats.ts'
import type { Sql } from '../sql.ts'

/** Reads how far roll-ups are behind, and how many valid keys without a successor expire soon, by the database's clock. Rejects with the driver's error. */
export async function readDatabaseFigures(sql: Sql): Promise<DatabaseFigures> {
  const [row] = await sql<{ age: number; due: number; day: number; week: number; month: number }[]>`
    SELECT ledger.age, due.n AS due, keys.day, keys.week, keys.month
    FROM (
      SELECT coalesce(extract(epoch FROM clock_timestamp() - min(l.written_at)), 0)::float8 AS age
      FROM access_minutes_state s JOIN access_ledger l ON l.written_xid >= s.figures_horizon
    ) ledger, (
      SELECT count(*)::int AS n FROM figures_due d
      WHERE d.slot + d.grain <= floor(extract(epoch FROM clock_timestamp()) / 60)::bigint
    ) due, (
      SELECT count(*) FILTER (WHERE expires_at <= now() + interval '1 day')::int AS day,
        count(*) FILTER (WHERE expires_at <= now() + interval '7 days')::int AS week, count(*)::int AS month
      FROM api_keys WHERE revoked_at IS NULL AND rotated_to IS NULL
        AND expires_at > now() AND expires_at <= now() + interval '30 days'
    ) keys`
  return {
    rollUpsAgeMs: Math.max(0, row?.age ?? 0) * 1000,
    dueSlots: row?.due ?? 0,
    keysExpiring: { '1d': row?.day ?? 0, '7d': row?.week ?? 0, '30d': row?.month ?? 0 },
  }
}
