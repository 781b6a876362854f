import type { Test } from 'tap'
import type { TestDatabase } from './database.ts'
import type { TestGateway } from './gateway.ts'
import { until } from './wait.ts'

const STORED_TIMEOUT_MS = 15_000

interface LedgerRow {
  readonly instance: string
  readonly entries: string
  readonly told_dropped: string
  readonly quarantined: string
  readonly first_seq: string
  readonly last_seq: string
  readonly rows: string
}

/** Waits until the table holds at least so many entries. Returns how many; rejects when they do not come. */
export async function waitForEntries(
  db: TestDatabase,
  count: number,
  options: { readonly timeoutMs?: number; readonly where?: string } = {},
): Promise<number> {
  let found = 0
  return until(
    `${count} entries in access_log`,
    async () => {
      const sql = `SELECT count(*)::int AS n FROM access_log WHERE ${options.where ?? 'true'}`
      found = (await db.query<{ n: number }>(sql))[0]?.n ?? 0
      return found >= count ? found : undefined
    },
    { timeoutMs: options.timeoutMs ?? STORED_TIMEOUT_MS, describe: () => ({ found }) },
  )
}

/**
 * Waits until exactly `count` entries are stored and asserts law 3: in the live numbers of each gateway, and from SQL
 * alone. Gateways that have ended are left to SQL.
 */
export async function assertAllStored(
  t: Test,
  db: TestDatabase,
  gateways: readonly TestGateway[],
  count: number,
): Promise<void> {
  await waitForEntries(db, count)
  for (const gateway of gateways) {
    if (gateway.child.exitCode === null && gateway.child.signalCode === null) await assertBalanced(t, gateway)
  }
  const rows = await db.query<{ n: number }>('SELECT count(*)::int AS n FROM access_log')
  t.equal(rows[0]?.n, count, 'exactly the entries of the requests made are in the table')
  await assertLedger(t, db)
}

/** Asserts accepted = stored + spilled + quarantined + dropped + buffered in one reading of a gateway's live numbers. */
export async function assertBalanced(t: Test, gateway: TestGateway): Promise<void> {
  const { accepted, stored, spilled, quarantined, buffered, dropped } = (await gateway.overview()).accessLog
  const lost = Object.values(dropped).reduce((sum, n) => sum + n, 0)
  t.equal(
    stored + spilled + quarantined + lost + buffered,
    accepted,
    'accepted = stored + spilled + quarantined + dropped + buffered',
  )
}

/**
 * Asserts from SQL alone: the ledger counts what the table and the quarantine hold, nothing is there twice, and numbers are
 * missing from the sequence of an instance only where the ledger tells of drops or rows are in quarantine.
 */
export async function assertLedger(t: Test, db: TestDatabase): Promise<void> {
  const ledger = await db.query<LedgerRow>(`
    SELECT l.instance, l.entries, l.told_dropped, coalesce(a.rows, 0) AS rows, a.first_seq, a.last_seq,
           (SELECT count(*) FROM quarantine AS q
            WHERE q.instance = l.instance AND q.resolution IS DISTINCT FROM 'stored') AS quarantined
    FROM (SELECT instance, sum(entries) AS entries, coalesce(sum((
              SELECT sum(n.value::bigint) FROM jsonb_each(dropped) AS tenant, jsonb_each_text(tenant.value) AS n
            )), 0) AS told_dropped
          FROM access_ledger GROUP BY instance) AS l
    FULL JOIN (SELECT instance, count(*) AS rows, min(seq) AS first_seq, max(seq) AS last_seq
          FROM access_log GROUP BY instance) AS a USING (instance)`)
  for (const row of ledger) {
    const kept = Number(row.rows) + Number(row.quarantined)
    t.equal(Number(row.entries), kept, `instance ${row.instance}: the ledger counts the entries there are`)
    if (row.first_seq === null) continue
    const span = Number(row.last_seq) - Number(row.first_seq) + 1
    const holes = span - Number(row.rows)
    const told = Number(row.told_dropped) + Number(row.quarantined)
    t.ok(holes >= 0 && holes <= told, 'numbers are missing only where it is told', { holes, ...row })
  }
  const twice = await db.query(
    'SELECT instance, seq FROM access_log GROUP BY instance, seq HAVING count(*) > 1 LIMIT 5',
  )
  t.strictSame(twice, [], 'no entry is there twice')
}
