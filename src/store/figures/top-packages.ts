import { CANARY_TENANT } from '../../model/canary.ts'
import type { Sql } from '../sql.ts'
import { freshRows, isOfLevels, readLevels } from './cover.ts'

const HOUR_MS = 3_600_000
/** Hours are kept for longer than this. */
const HOURS_MS = 7 * 24 * HOUR_MS
const DAY_MS = 24 * HOUR_MS

/** How often a package was asked for. */
export interface PackageFigure {
  readonly ecosystem: string | null
  readonly package: string
  /** All requests for it, for documents as well. */
  readonly requests: number
  readonly downloads: number
  readonly bytes_sent: number
}

/**
 * The packages most asked for, of all tenants, in the whole hours that the range touches, or in whole days (UTC) where it
 * begins more than a week ago. Of each hour and day its first 1,000 are known: what is not among them was asked for less often than the last of them, and that is what a figure can lack.
 */
export async function topPackages(
  sql: Sql,
  { since, until, limit }: { readonly since: Date; readonly until: Date; readonly limit: number },
): Promise<readonly PackageFigure[]> {
  return await sql.begin('isolation level repeatable read read only', async (tx) => {
    const [now] = await tx<{ ms: number }[]>`SELECT extract(epoch FROM now())::float8 * 1000 AS ms`
    const areDays = (now?.ms ?? 0) - since.getTime() > HOURS_MS
    const levels = areDays
      ? await readLevels(tx, [1440, 60], {
          from: new Date(Math.floor(since.getTime() / DAY_MS) * DAY_MS),
          to: new Date(Math.ceil(until.getTime() / DAY_MS) * DAY_MS),
        })
      : await readLevels(tx, [60], { from: since, to: until })
    return await tx<PackageFigure[]>`
      SELECT nullif(ecosystem, '') AS ecosystem, package, sum(n)::bigint AS requests, sum(downloads)::bigint AS downloads,
        sum(sent)::bigint AS bytes_sent
      FROM (
        SELECT f.ecosystem, f.package, f.n, f.downloads, f.bytes_sent AS sent FROM figures_packages f
        WHERE (${isOfLevels(tx, levels)}) AND f.package <> ''
        UNION ALL
        SELECT coalesce(e.ecosystem, ''), e.package, 1, (e.artifact_kind = 'artifact' AND e.status / 100 = 2)::int, e.bytes_sent
        ${freshRows(tx, levels)} AND e.package <> '' AND e.tenant IS DISTINCT FROM ${CANARY_TENANT}
      ) p GROUP BY 1, 2 ORDER BY requests DESC, package, ecosystem LIMIT ${limit}`
  })
}
