import type { Rule } from '../../../store/rules/rules.ts'
import type { RowShape } from '../../output/listing.ts'

/** How rules are printed. */
export const RULE_SHAPE: RowShape<Rule> = {
  toOutput: ({ isDryRun, ...rule }) => ({ ...rule, dryRun: isDryRun }),
  csvColumns: [
    'id',
    'package',
    'action',
    'dryRun',
    'state',
    'tenants',
    'routes',
    'keys',
    'priority',
    'reason',
    'reference',
    'expiresAt',
    'createdBy',
    'createdAt',
    'version',
  ],
  columns: [
    { title: 'ID', cell: (r) => r.id },
    { title: 'ACTION', cell: (r) => (r.isDryRun ? `${r.action} (dry run)` : r.action) },
    { title: 'PACKAGE', minWidth: 16, cell: (r) => r.package },
    { title: 'FOR', minWidth: 8, dropOrder: 2, cell: scopeText },
    { title: 'STATE', cell: (r) => r.state },
    { title: 'PRIORITY', isRight: true, dropOrder: 4, cell: (r) => String(r.priority) },
    { title: 'EXPIRES', dropOrder: 3, cell: (r) => r.expiresAt?.toISOString() ?? 'never' },
    { title: 'BY', minWidth: 8, dropOrder: 5, cell: (r) => r.createdBy },
    { title: 'REASON', minWidth: 12, dropOrder: 1, cell: reasonText },
  ],
}

function scopeText({ tenants, routes, keys }: Rule): string {
  const parts = [
    ...tenants.map((name) => `tenant ${name}`),
    ...routes.map((name) => `route ${name}`),
    ...keys.map((id) => `key ${id}`),
  ]
  return parts.length === 0 ? 'all' : parts.join(', ')
}

function reasonText({ reason, reference }: Rule): string {
  return reference === '' ? reason : `${reason} (${reference})`
}
