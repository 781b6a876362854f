import type { AuditGap, AuditGapKind } from './audit.ts'

/** What the ledger says of an hour: `none` is an hour without a request, `so_far` one that is not over, or not all stored yet. */
export const HOUR_STATES = ['complete', 'so_far', 'gap', 'unproven', 'none'] as const

export type HourState = (typeof HOUR_STATES)[number]

/** The audit of an hour (UTC). */
export interface AuditedHour {
  /** Its beginning. */
  readonly at: Date
  readonly gaps: readonly AuditGap[]
  /** Gaps beyond those: nobody knows whose they are. */
  readonly gapsOmitted: number
  /** Whether some of its batches are known in sum only, with those of other hours. */
  readonly isCut: boolean
  /** Whether it is over, and all that was accepted in it is accounted for. */
  readonly isSettled: boolean
}

/** By which nothing is known to be missing, and nothing proven either. */
const DOUBTS: ReadonlySet<AuditGapKind> = new Set(['chain_broken', 'unproven'])

/** Gaps of an hour that are, or may be, a tenant's; all where it is null. */
export function gapsOf({ gaps }: Pick<AuditedHour, 'gaps'>, tenant: string | null): readonly AuditGap[] {
  return tenant === null ? gaps : gaps.filter((gap) => gap.tenant === null || gap.tenant === tenant)
}

/** What is said of an hour of a tenant, or, where it is null, of all. `accepted`: its requests. */
export function hourState(hour: AuditedHour, tenant: string | null, accepted: number): HourState {
  const gaps = gapsOf(hour, tenant)
  if (gaps.some(({ kind }) => !DOUBTS.has(kind))) return 'gap'
  if (gaps.length > 0 || hour.gapsOmitted > 0 || hour.isCut) return 'unproven'
  if (!hour.isSettled) return 'so_far'
  return accepted === 0 ? 'none' : 'complete'
}
