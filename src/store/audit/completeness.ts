import type { AuditGap } from '../../model/audit/audit.ts'
import { worstByTenant, type AuditedHour } from '../../model/audit/completeness.ts'
import { CANARY_TENANT } from '../../model/canary.ts'
import type { Sql } from '../sql.ts'
import { auditInstances } from './audit.ts'
import { inWindow } from './audit-batches.ts'

const HOUR_MS = 3_600_000
/** So much is audited at once first: where that is whole, each of its hours is. */
const CHUNK_MS = 24 * HOUR_MS
/** Gaps of an audit that are kept; more are counted. */
const MAX_GAPS = 10_000

/** Whole hours. */
interface Hours {
  /** Inclusive; both at the beginning of an hour. */
  readonly since: Date
  /** Exclusive. */
  readonly until: Date
  readonly tenant?: string
}

/** The audits of the hours of a window, and what was accepted in them. */
export interface Completeness {
  readonly hours: readonly AuditedHour[]
  /** Until when live instances are known to have stored all; null when there are none that may have accepted more. */
  readonly settledTo: Date | null
  /** By tenant, and as the hours. */
  readonly accepted: ReadonlyMap<string, readonly number[]>
}

/**
 * Audits each hour of the window as `auditInstances` does: a day at once, and its hours one by one where the day is not whole. Reads the
 * ledger alone. A batch that has entries of two hours is of both; what was accepted stands in the hour in which its first entry started.
 * `nowMs`: the database's time. Rejects with the signal's reason.
 */
export async function readCompleteness(
  sql: Sql,
  window: Hours,
  { nowMs, signal }: { readonly nowMs: number; readonly signal: AbortSignal },
): Promise<Completeness> {
  const audits: RangeAudit[] = []
  for (const chunk of split(window, CHUNK_MS)) {
    const whole = await auditRange(sql, chunk, signal)
    audits.push(...(isWhole(whole) ? [whole] : await auditHours(sql, whole, signal)))
  }
  const settled = audits.flatMap(({ settledTo }) => (settledTo === null ? [] : [settledTo.getTime()]))
  return {
    hours: audits.flatMap((audit) => hoursOf(audit, nowMs)),
    settledTo: settled.length === 0 ? null : new Date(Math.min(...settled)),
    accepted: await readAccepted(sql, window),
  }
}

interface RangeAudit {
  readonly range: Hours
  readonly gaps: readonly AuditGap[]
  readonly gapsOmitted: number
  readonly isCut: boolean
  readonly settledTo: Date | null
}

function isWhole({ gaps, gapsOmitted, isCut }: RangeAudit): boolean {
  return gaps.length === 0 && gapsOmitted === 0 && !isCut
}

async function auditRange(sql: Sql, range: Hours, signal: AbortSignal): Promise<RangeAudit> {
  const gaps: AuditGap[] = []
  let [gapsOmitted, isCut] = [0, false]
  let settledTo: Date | null = null
  for await (const audit of auditInstances(sql, range, { signal })) {
    const kept = audit.gaps.slice(0, MAX_GAPS - gaps.length)
    gaps.push(...kept)
    gapsOmitted += audit.gapsOmitted + audit.gaps.length - kept.length
    if (audit.folded?.isCounted === false) isCut = true
    const settled = audit.settledTo ?? null
    if (settled !== null && (settledTo === null || settled < settledTo)) settledTo = settled
  }
  return { range, gaps, gapsOmitted, isCut, settledTo }
}

/** The hours of a range that is not whole. A gap of the range that is in none of them may be in each. */
async function auditHours(sql: Sql, whole: RangeAudit, signal: AbortSignal): Promise<readonly RangeAudit[]> {
  const hours: RangeAudit[] = []
  for (const hour of split(whole.range, HOUR_MS)) hours.push(await auditRange(sql, hour, signal))
  const found = new Set(hours.flatMap(({ gaps }) => gaps.map(nameOf)))
  const homeless = whole.gaps.filter((gap) => !found.has(nameOf(gap)))
  if (homeless.length === 0) return hours
  return hours.map(({ range, gapsOmitted, isCut, settledTo, gaps }) => ({
    range,
    gapsOmitted,
    isCut,
    settledTo,
    gaps: [...gaps, ...homeless],
  }))
}

function nameOf({ kind, instance, tenant }: AuditGap): string {
  return `${kind} ${instance} ${tenant ?? '*'}`
}

function* split({ since, until, ...rest }: Hours, ms: number): Generator<Hours, void, undefined> {
  for (let from = since.getTime(); from < until.getTime(); from += ms)
    yield { ...rest, since: new Date(from), until: new Date(Math.min(from + ms, until.getTime())) }
}

function hoursOf({ range, settledTo, gaps, gapsOmitted, isCut }: RangeAudit, nowMs: number): AuditedHour[] {
  const worst = worstByTenant(gaps)
  return [...split(range, HOUR_MS)].map(({ since: at, until: end }) => {
    const isSettled = end.getTime() <= nowMs && (settledTo === null || settledTo >= end)
    return { at, gaps, worst, gapsOmitted, isCut, isSettled }
  })
}

/** What the batches of the window had accepted, by tenant and hour; without the canary's, and without those that are known in sum only. */
async function readAccepted(sql: Sql, window: Hours): Promise<ReadonlyMap<string, readonly number[]>> {
  const { since, until, tenant } = window
  const count = Math.round((until.getTime() - since.getTime()) / HOUR_MS)
  const rows = await sql<{ hour: number; tenant: string; n: number }[]>`
    SELECT least(greatest(floor(extract(epoch FROM coalesce(l.first_started_at, l.written_at) - ${since}::timestamptz) / 3600), 0),
        ${count - 1})::int AS hour, c.tenant, sum(c.n)::bigint AS n
    FROM access_ledger l CROSS JOIN LATERAL (
      SELECT key AS tenant, value::bigint AS n FROM jsonb_each_text(l.tenants)
      UNION ALL SELECT '', l.entries WHERE l.tenants IS NULL
      UNION ALL SELECT d.key, r.value::bigint FROM jsonb_each(l.dropped) d, jsonb_each_text(d.value) r) c
    WHERE ${inWindow(sql, window)} AND c.tenant <> ${CANARY_TENANT} ${tenant === undefined ? sql`` : sql`AND c.tenant = ${tenant}`}
    GROUP BY 1, 2`
  const accepted = new Map<string, number[]>()
  for (const { hour, tenant: slug, n } of rows) {
    const counts = accepted.get(slug) ?? Array.from({ length: count }, () => 0)
    counts[hour] = (counts[hour] ?? 0) + n
    accepted.set(slug, counts)
  }
  return accepted
}
