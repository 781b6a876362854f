import type { TestDatabase } from './database.ts'
import { until } from './wait.ts'

/** What SQL tells of one tenant's entries. */
export interface Account {
  readonly stored: number
  /** Waiting for an operator. */
  readonly quarantined: number
  /** By reason, those that are in the ledger. */
  readonly dropped: Readonly<Record<string, number>>
}

/** Entries by tenant, '' for requests that no tenant can be held to, from SQL alone. */
export async function readAccounts(db: TestDatabase): Promise<Map<string, Account>> {
  const rows = await db.query<{ tenant: string; kind: string; reason: string; n: number }>(`
    SELECT coalesce(tenant, '') AS tenant, 'stored' AS kind, '' AS reason, count(*)::int AS n FROM access_log GROUP BY 1
    UNION ALL
    SELECT tenant, 'quarantined', '', count(*)::int FROM quarantine WHERE resolution IS NULL GROUP BY 1
    UNION ALL
    SELECT tenant, 'dropped', 'quarantine', count(*)::int FROM quarantine WHERE resolution = 'dropped' GROUP BY 1
    UNION ALL
    SELECT t.key, 'dropped', r.key, sum(r.value::bigint)::int
    FROM access_ledger, jsonb_each(dropped) AS t, jsonb_each_text(t.value) AS r GROUP BY 1, 3`)
  const accounts = new Map<string, { stored: number; quarantined: number; dropped: Record<string, number> }>()
  for (const { tenant, kind, reason, n } of rows) {
    const account = accounts.get(tenant) ?? { stored: 0, quarantined: 0, dropped: {} }
    if (kind === 'stored') account.stored = n
    else if (kind === 'quarantined') account.quarantined = n
    else account.dropped[reason] = n
    accounts.set(tenant, account)
  }
  return accounts
}

/** Waits until stored, quarantined and dropped entries of all tenants come to `total`; more than that is seen by the caller. */
export async function untilAccounted(
  db: TestDatabase,
  total: number,
  timeoutMs = 20_000,
): Promise<Map<string, Account>> {
  let last: Map<string, Account> = new Map()
  return until(
    `${total} entries stored, quarantined or told as dropped`,
    async () => {
      // The database may be on its way back.
      last = await readAccounts(db).catch(() => last)
      let sum = 0
      for (const account of last.values()) sum += account.stored + account.quarantined + lossOf(account)
      return sum >= total ? last : undefined
    },
    { timeoutMs, describe: () => [...last] },
  )
}

/** Entries that were dropped, for whatever reason. */
export function lossOf(account: Pick<Account, 'dropped'>): number {
  return Object.values(account.dropped).reduce((sum, n) => sum + n, 0)
}
