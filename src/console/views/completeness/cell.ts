import type { Audit } from '../../api/audit.ts'

/** What the ledger says of a tenant's day. */
export type CellState = 'complete' | 'so_far' | 'gap' | 'unproven' | 'none' | 'unread'

export interface Cell {
  readonly state: CellState
  readonly accepted: number
}

const NOT_READ: Cell = { state: 'unread', accepted: 0 }
const DOUBTS: ReadonlySet<string> = new Set(['chain_broken', 'unproven'])

/** The cell of a tenant, or of all of them together where it is null. */
export function cellOf(audit: Audit | null, tenant: string | null): Cell {
  if (audit === null) return NOT_READ
  const account = tenant === null ? audit.total : audit.tenants.find((one) => one.tenant === tenant)
  const accepted = account?.accepted ?? 0
  const gaps = audit.gaps.filter((gap) => tenant === null || gap.tenant === tenant || gap.tenant === null)
  if (gaps.some(({ kind }) => !DOUBTS.has(kind))) return { state: 'gap', accepted }
  // Of gaps beyond those that are listed nobody knows whose they are.
  const isDoubted = gaps.length > 0 || audit.gapCount > audit.gaps.length || audit.isCutByFold
  if (isDoubted) return { state: 'unproven', accepted }
  if (accepted === 0) return { state: 'none', accepted }
  const isSettled = audit.settledTo === null || audit.settledTo >= audit.until
  return { state: isSettled && audit.waiting === 0 ? 'complete' : 'so_far', accepted }
}

/** What a state is called, and the sign that stands for it in a small place. */
export const CELL_WORDS: Readonly<Record<CellState, readonly [sign: string, words: string]>> = {
  complete: ['✓', 'complete'],
  so_far: ['…', 'complete so far'],
  gap: ['!', 'something is missing'],
  unproven: ['?', 'unproven'],
  none: ['·', 'no request'],
  unread: ['', 'being read'],
}

/** Tenants of all audits, those with most requests first; the canary's is none. */
export function tenantsOf(audits: readonly (Audit | null)[]): readonly string[] {
  const accepted = new Map<string, number>()
  for (const { tenant, accepted: n } of audits.flatMap((audit) => audit?.tenants ?? [])) {
    if (tenant !== '__canary__') accepted.set(tenant, (accepted.get(tenant) ?? 0) + n)
  }
  return [...accepted].toSorted((a, b) => b[1] - a[1]).map(([tenant]) => tenant)
}
