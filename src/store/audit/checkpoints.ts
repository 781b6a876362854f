import type { AuditAccount } from '../../model/audit/audit.ts'
import type { Checkpoint } from '../../model/audit/checkpoint.ts'
import type { Sql, TransactionSql } from '../sql.ts'

/** By tenant: accepted, stored, expired, and drops by reason. Nothing waits in quarantine. */
export type StoredAccounts = Readonly<
  Record<string, readonly [number, number, number, Readonly<Record<string, number>>]>
>

interface CheckpointRow {
  readonly instance: string
  readonly last_batch: number
  readonly digest: Buffer
  readonly accepted_seq: number
  readonly buffered: number
  readonly is_final: boolean
  readonly first_at: Date
  readonly last_at: Date
  readonly accounts: StoredAccounts
}

/** The checkpoints by instance: all, those of some instances, or those whose last entry is not older. */
export async function readCheckpoints(
  sql: Sql | TransactionSql,
  of: { readonly instances?: readonly string[]; readonly since?: Date } = {},
): Promise<Map<string, Checkpoint>> {
  const { instances, since } = of
  const rows = await sql<CheckpointRow[]>`
    SELECT instance, last_batch, digest, accepted_seq, buffered, is_final, first_at, last_at, accounts
    FROM access_checkpoints WHERE true
      ${instances === undefined ? sql`` : sql`AND instance = ANY(${[...instances]}::uuid[])`}
      ${since === undefined ? sql`` : sql`AND last_at >= ${since}`}`
  return new Map(rows.map((row) => [row.instance, checkpointOf(row)]))
}

/** Replaces the checkpoint of an instance. */
export async function writeCheckpoint(
  tx: TransactionSql,
  instance: string,
  checkpoint: Checkpoint,
): Promise<void> {
  const { lastBatch, digest, acceptedSeq, buffered, isFinal, firstAt, lastAt } = checkpoint
  const accounts = JSON.stringify(storedOf(checkpoint.accounts))
  await tx`
    INSERT INTO access_checkpoints (instance, last_batch, digest, accepted_seq, buffered, is_final, first_at, last_at, accounts)
    VALUES (${instance}, ${lastBatch}, ${digest}, ${acceptedSeq}, ${buffered}, ${isFinal}, ${firstAt}, ${lastAt},
      ${accounts}::text::jsonb)
    ON CONFLICT (instance) DO UPDATE SET last_batch = excluded.last_batch, digest = excluded.digest,
      accepted_seq = excluded.accepted_seq, buffered = excluded.buffered, is_final = excluded.is_final,
      first_at = excluded.first_at, last_at = excluded.last_at, accounts = excluded.accounts, folded_at = clock_timestamp()`
}

function checkpointOf(row: CheckpointRow): Checkpoint {
  return {
    lastBatch: row.last_batch,
    digest: row.digest,
    acceptedSeq: row.accepted_seq,
    buffered: row.buffered,
    isFinal: row.is_final,
    firstAt: row.first_at,
    lastAt: row.last_at,
    accounts: accountsOf(row.accounts),
  }
}

/** As they are audited. */
export function accountsOf(all: StoredAccounts): AuditAccount[] {
  return Object.entries(all).map(([tenant, [accepted, stored, expired, dropped]]) => ({
    tenant,
    accepted,
    stored,
    expired,
    quarantined: 0,
    dropped,
  }))
}

/** As they are stored. */
export function storedOf(accounts: readonly AuditAccount[]): StoredAccounts {
  return Object.fromEntries(
    accounts.map(({ tenant, accepted, stored, expired, dropped }) => [
      tenant,
      [accepted, stored, expired, dropped] as const,
    ]),
  )
}
