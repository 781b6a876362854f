import { addAccount, type AuditAccount, openAuditAccount } from '../../model/audit/audit.ts'
import type { Checkpoint } from '../../model/audit/checkpoint.ts'
import { accountsOf, readCheckpoints, type StoredAccounts, storedOf } from './checkpoints.ts'
import { FOLD_LOCK_KEY } from './ledger-fold.ts'
import { findLost } from './lives.ts'
import { readRowsCover } from '../entries/partition-lives.ts'
import type { Sql, TransactionSql } from '../sql.ts'

/** Lives that one call takes together. */
const MAX_LIVES = 500

/** The sum of the lives that are not kept one by one any more. */
export interface PastLives {
  readonly lives: number
  readonly batches: number
  readonly firstAt: Date
  readonly lastAt: Date
  readonly accounts: readonly AuditAccount[]
}

/** Null when there are none. */
export async function readPastLives(sql: Sql | TransactionSql): Promise<PastLives | null> {
  const [row] = await sql<
    { lives: number; batches: number; first_at: Date; last_at: Date; accounts: StoredAccounts }[]
  >`SELECT lives, batches, first_at, last_at, accounts FROM access_past_lives`
  if (row === undefined) return null
  const { lives, batches, first_at: firstAt, last_at: lastAt } = row
  return { lives, batches, firstAt, lastAt, accounts: accountsOf(row.accounts) }
}

/**
 * Sums up lives that ended in order so long ago, all of whose batches are in their checkpoint, or that never had one: their rows in
 * `instances`, `access_checkpoints` and `instance_links` become part of one sum. Of which anything is amiss, a life stays. By the
 * database's clock, by one gateway at a time. Returns how many were summed up.
 */
export async function foldLives(sql: Sql, options: { readonly livesDays: number }): Promise<number> {
  const cover = await readRowsCover(sql)
  return await sql.begin(async (tx) => {
    const [lock] = await tx<
      { is_mine: boolean }[]
    >`SELECT pg_try_advisory_xact_lock(${FOLD_LOCK_KEY}) AS is_mine`
    if (lock?.is_mine !== true) return 0
    const found = await listPast(tx, options.livesDays)
    const lost = new Set(
      (await findLost(tx, { instances: found.map(({ id }) => id) })).map(({ instance }) => instance),
    )
    const past = found.filter(({ id }) => !lost.has(id) && cover.shortOf(id).length === 0)
    if (past.length === 0) return 0
    const ids = past.map(({ id }) => id)
    const checkpoints = await readCheckpoints(tx, { instances: ids })
    await writePast(tx, sumOf(await readPastLives(tx), past, [...checkpoints.values()]))
    await tx`DELETE FROM access_checkpoints WHERE instance = ANY(${ids}::uuid[])`
    await tx`DELETE FROM instances WHERE id = ANY(${ids}::uuid[])`
    await tx`DELETE FROM instance_links WHERE instance = ANY(${ids}::uuid[])`
    return past.length
  })
}

interface Past {
  readonly id: string
  readonly started_at: Date
  readonly ended_at: Date
}

async function listPast(tx: TransactionSql, livesDays: number): Promise<Past[]> {
  return await tx<Past[]>`
    SELECT i.id, i.started_at, i.ended_at FROM instances i LEFT JOIN access_checkpoints c ON c.instance = i.id
    WHERE i.ended_at < clock_timestamp() - make_interval(days => ${livesDays})
      AND (c.last_at IS NULL OR c.last_at < clock_timestamp() - make_interval(days => ${livesDays}))
      AND CASE WHEN c.instance IS NULL THEN coalesce(i.accepted_seq, 0) = 0
        ELSE c.is_final AND coalesce(i.accepted_seq, 0) <= c.accepted_seq END
      AND NOT EXISTS (SELECT FROM access_ledger l WHERE l.instance = i.id)
      AND NOT EXISTS (SELECT FROM quarantine q WHERE q.instance = i.id)
    ORDER BY i.ended_at LIMIT ${MAX_LIVES} FOR UPDATE OF i`
}

function sumOf(
  before: PastLives | null,
  past: readonly Past[],
  checkpoints: readonly Checkpoint[],
): PastLives {
  const accounts = new Map<string, AuditAccount>()
  for (const account of [...(before?.accounts ?? []), ...checkpoints.flatMap((each) => each.accounts)]) {
    let sum = accounts.get(account.tenant)
    if (sum === undefined) accounts.set(account.tenant, (sum = openAuditAccount(account.tenant)))
    addAccount(sum, account)
  }
  const times = [
    ...past.flatMap((each) => [each.started_at, each.ended_at]),
    ...checkpoints.flatMap(({ firstAt, lastAt }) => [firstAt, lastAt]),
    ...(before === null ? [] : [before.firstAt, before.lastAt]),
  ].map((time) => time.getTime())
  return {
    lives: (before?.lives ?? 0) + past.length,
    batches: checkpoints.reduce((sum, { lastBatch }) => sum + lastBatch, before?.batches ?? 0),
    firstAt: new Date(Math.min(...times)),
    lastAt: new Date(Math.max(...times)),
    accounts: [...accounts.values()],
  }
}

async function writePast(tx: TransactionSql, past: PastLives): Promise<void> {
  const accounts = JSON.stringify(storedOf(past.accounts))
  await tx`
    INSERT INTO access_past_lives (lives, batches, first_at, last_at, accounts)
    VALUES (${past.lives}, ${past.batches}, ${past.firstAt}, ${past.lastAt}, ${accounts}::text::jsonb)
    ON CONFLICT (id) DO UPDATE SET lives = excluded.lives, batches = excluded.batches, first_at = excluded.first_at,
      last_at = excluded.last_at, accounts = excluded.accounts`
}
