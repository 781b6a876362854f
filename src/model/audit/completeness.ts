import type { AuditGap, AuditGapKind } from './audit.ts'

/** What the ledger says of an hour: `none` is an hour without a request, `so_far` one that is not over, or not all stored yet. */
export const HOUR_STATES = ['complete', 'so_far', 'gap', 'unproven', 'none'] as const

export type HourState = (typeof HOUR_STATES)[number]

/** What a gap makes of its hour. */
export type GapState = Extract<HourState, 'gap' | 'unproven'>

/** The audit of an hour (UTC). */
export interface AuditedHour {
  /** Its beginning. */
  readonly at: Date
  readonly gaps: readonly AuditGap[]
  /** What they come to: `worstByTenant`. Each of thousands of tenants asks this, and not the gaps. */
  readonly worst: ReadonlyMap<string | null, GapState>
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

/** The worst that gaps say of each tenant that they name; of all tenants under null. */
export function worstByTenant(gaps: readonly AuditGap[]): ReadonlyMap<string | null, GapState> {
  const worst = new Map<string | null, GapState>()
  for (const { kind, tenant } of gaps)
    if (worst.get(tenant) !== 'gap') worst.set(tenant, DOUBTS.has(kind) ? 'unproven' : 'gap')
  return worst
}

/** What is said of an hour of a tenant, or, where it is null, of all. `accepted`: its requests. */
export function hourState(hour: AuditedHour, tenant: string | null, accepted: number): HourState {
  const { worst } = hour
  const found = tenant === null ? [...worst.values()] : [worst.get(null), worst.get(tenant)]
  if (found.includes('gap')) return 'gap'
  if (found.includes('unproven') || hour.gapsOmitted > 0 || hour.isCut) return 'unproven'
  if (!hour.isSettled) return 'so_far'
  return accepted === 0 ? 'none' : 'complete'
}
