import type { Audit } from '../../api/audit.ts'
import type { AuditedHour, Completeness, HourState } from '../../api/completeness.ts'

/** What is said of an hour or a day: that of its worst hour. */
export type CellState = HourState | 'beyond' | 'unread' | 'to_come'

export interface Cell {
  readonly state: CellState
  readonly accepted: number
}

/** The worst first. */
const WORST: readonly CellState[] = ['gap', 'unproven', 'so_far', 'complete', 'beyond', 'none']

/** A day's cell of a tenant, or of all of them together where it is null. */
export function dayCell(day: Completeness | null, tenant: string | null): Cell {
  if (day === null) return { state: 'unread', accepted: 0 }
  const hours = day.hours.map((_, i) => hourCell(day, tenant, i))
  const accepted = hours.reduce((sum, cell) => sum + cell.accepted, 0)
  return { state: WORST.find((state) => hours.some((cell) => cell.state === state)) ?? 'none', accepted }
}

/** An hour's cell, by its number in the day. */
export function hourCell(day: Completeness, tenant: string | null, i: number): Cell {
  const hour = day.hours[i]
  if (hour === undefined) return { state: 'to_come', accepted: 0 }
  if (tenant === null) return hour
  const row = day.tenants.find((one) => one.tenant === tenant)
  if (row === undefined) return { state: rowless(day, hour), accepted: 0 }
  return { state: row.states[i] ?? 'none', accepted: row.accepted[i] ?? 0 }
}

/** Who has no row has no request, unless there are more rows than were read. What is nobody's gap is each one's. */
function rowless({ moreTenants }: Completeness, { state, gaps, gapCount }: AuditedHour): CellState {
  if (moreTenants > 0) return 'beyond'
  const isOfEach = gapCount > gaps.length || gaps.some(({ tenant }) => tenant === null)
  return isOfEach || state === 'so_far' ? state : 'none'
}

/** What a state is called, and the sign that stands for it in a small place. */
export const CELL_WORDS: Readonly<Record<CellState, readonly [sign: string, words: string]>> = {
  complete: ['✓', 'complete'],
  so_far: ['…', 'complete so far'],
  gap: ['!', 'something is missing'],
  unproven: ['?', 'unproven'],
  none: ['·', 'no request'],
  beyond: ['', 'not read: others have more requests'],
  unread: ['', 'being read'],
  to_come: ['', 'to come'],
}

/** Tenants of all days, those with gaps first, then those with most requests. */
export function tenantsOf(days: readonly (Completeness | null)[]): readonly string[] {
  const known = new Map<string, { doubts: number; accepted: number }>()
  for (const { tenant, states, accepted } of days.flatMap((day) => day?.tenants ?? [])) {
    const sum = known.get(tenant) ?? { doubts: 0, accepted: 0 }
    sum.doubts += states.filter((state) => state === 'gap' || state === 'unproven').length
    sum.accepted += accepted.reduce((all, n) => all + n, 0)
    known.set(tenant, sum)
  }
  return [...known]
    .toSorted(([, a], [, b]) => b.doubts - a.doubts || b.accepted - a.accepted)
    .map(([tenant]) => tenant)
}

const DOUBTS: ReadonlySet<string> = new Set(['chain_broken', 'unproven'])

/** What an audit says of its whole window. */
export function auditState(audit: Audit): HourState {
  if (audit.gaps.some(({ kind }) => !DOUBTS.has(kind))) return 'gap'
  if (audit.gapCount > 0 || audit.isCutByFold) return 'unproven'
  if (audit.total.accepted === 0) return 'none'
  const isSettled = audit.settledTo === null || audit.settledTo >= audit.until
  return isSettled && (audit.waiting ?? 0) === 0 ? 'complete' : 'so_far'
}
