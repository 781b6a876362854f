import type { AuditStats } from '../model/stats.ts'
import {
  lookedAtFamilies,
  lookedAtSamples,
  type Family,
  type FamilySamples,
  type LookedAt,
} from './family.ts'

/** What the newest audit found. Of several processes only one audits. */
const GAUGES: readonly LookedAt<AuditStats>[] = [
  {
    name: 'waybill_audit_gaps',
    help: 'Gaps that the newest audit of the last hour found, over all gateways; absent before the first and when it is off',
    labels: ['kind'],
    read: ({ gaps }) => Object.entries(gaps).map(([kind, value]) => ({ value, labels: { kind } })),
  },
  {
    name: 'waybill_audit_age_seconds',
    help: 'Since the newest audit; absent before the first and when it is off',
    labels: [],
    read: ({ ageMs }) => [{ value: ageMs / 1000, labels: {} }],
  },
]

/** For a process that audits itself. */
export const AUDIT_FAMILIES: readonly Family[] = lookedAtFamilies(GAUGES, ({ vitals }) => vitals.audit)

/** For a primary, which audits for its workers. */
export function auditSamples(audit: AuditStats | null): FamilySamples[] {
  return lookedAtSamples(GAUGES, audit)
}
