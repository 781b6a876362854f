import type { TenantCounts, TenantDrops } from '../../model/audit/ledger-chain.ts'
import { storableText } from './encode.ts'
import type { DropReport } from '../../channel/ledger.ts'

/** Numbers by tenant as jsonb holds them: keys storable, those that become one are summed, zeros left out. */
export function storableCounts(counts: Iterable<readonly [tenant: string, count: number]>): TenantCounts {
  const storable = emptyRecord<number>()
  for (const [tenant, count] of counts) if (count !== 0) add(storable, storableText(tenant), count)
  return storable
}

/** A drop report as jsonb holds it, see storableCounts. */
export function storableDrops(report: DropReport | null): TenantDrops | null {
  if (report === null) return null
  const storable = emptyRecord<Record<string, number>>()
  for (const [tenant, counts] of Object.entries(report)) {
    const reasons = (storable[storableText(tenant)] ??= emptyRecord<number>())
    for (const [reason, count] of Object.entries(counts)) add(reasons, reason, count)
  }
  return storable
}

/** No prototype: a tenant called `__proto__` is a key like any other. */
function emptyRecord<T>(): Record<string, T> {
  return Object.create(null) as Record<string, T>
}

function add(record: Record<string, number>, key: string, count: number): void {
  record[key] = (record[key] ?? 0) + count
}
