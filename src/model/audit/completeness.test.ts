import t from 'tap'
import type { AuditGap, AuditGapKind } from './audit.ts'
import { hourState, worstByTenant, type AuditedHour } from './completeness.ts'

const gap = (kind: AuditGapKind, tenant: string | null): AuditGap => ({
  kind,
  tenant,
  instance: 'i',
  line: 'x',
  entries: null,
  entriesAtMost: null,
  requestsAtMost: null,
  batches: null,
})

const hour = (parts: Partial<Omit<AuditedHour, 'worst'>>): AuditedHour => ({
  at: new Date('2026-01-02T03:00:00Z'),
  gaps: [],
  worst: worstByTenant(parts.gaps ?? []),
  gapsOmitted: 0,
  isCut: false,
  isSettled: true,
  ...parts,
})

t.test('a gap is of its tenant and of all, one of nobody is of each, and doubt is no gap', (t) => {
  const cases: readonly (readonly [AuditedHour, string | null, number, string])[] = [
    [hour({}), null, 3, 'complete'],
    [hour({}), 'acme', 0, 'none'],
    [hour({ isSettled: false }), 'acme', 0, 'so_far'],
    [hour({ gaps: [gap('dropped', 'acme')] }), 'acme', 3, 'gap'],
    [hour({ gaps: [gap('dropped', 'acme')] }), null, 3, 'gap'],
    [hour({ gaps: [gap('dropped', 'acme')] }), 'globex', 3, 'complete'],
    [hour({ gaps: [gap('died', null)] }), 'globex', 0, 'gap'],
    [hour({ gaps: [gap('unproven', null)] }), 'globex', 3, 'unproven'],
    [hour({ gaps: [gap('chain_broken', null), gap('died', null)] }), 'globex', 3, 'gap'],
    [hour({ gaps: [gap('dropped', 'acme')], gapsOmitted: 1 }), 'globex', 3, 'unproven'],
    [hour({ gaps: [gap('unproven', 'acme'), gap('dropped', 'acme')] }), 'acme', 3, 'gap'],
    [hour({ gaps: [gap('dropped', 'acme'), gap('unproven', 'acme')] }), 'acme', 3, 'gap'],
    [hour({ gaps: [gap('died', null), gap('unproven', 'acme')] }), 'acme', 3, 'gap'],
    [hour({ gaps: [gap('unproven', 'acme'), gap('died', 'globex')] }), null, 3, 'gap'],
    [hour({ isCut: true }), null, 3, 'unproven'],
  ]
  for (const [of, tenant, accepted, state] of cases)
    t.equal(hourState(of, tenant, accepted), state, JSON.stringify([of, tenant]))
  t.end()
})
