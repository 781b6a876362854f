import { randomBytes } from 'node:crypto'
import { inTransaction, type Sql, type TransactionSql } from '../sql.ts'

/** A new key signs so long after it was made: every gateway that has its database has read it by then. */
const KNOWN_AFTER_SECONDS = 30

/** A signing key as the control plane shows it: without its secret. */
export interface SigningKeyInfo {
  readonly kid: string
  readonly createdAt: Date
  readonly activeFrom: Date
  readonly retiresAt: Date | null
}

/** Makes the first one, once there is none that goes on. Two gateways at once make two, and both are good. */
export async function ensureSigningKey(sql: Sql): Promise<void> {
  const { kid, secret } = fresh()
  await sql`
    INSERT INTO signing_keys (kid, secret, active_from) SELECT ${kid}, ${secret}, now()
    WHERE NOT EXISTS (SELECT FROM signing_keys WHERE retires_at IS NULL)`
}

/** All of them, the newest first. */
export async function listSigningKeys(sql: Sql | TransactionSql): Promise<SigningKeyInfo[]> {
  const rows = await sql<{ kid: string; created_at: Date; active_from: Date; retires_at: Date | null }[]>`
    SELECT kid, created_at, active_from, retires_at FROM signing_keys ORDER BY active_from DESC, kid`
  return rows.map((row) => ({
    kid: row.kid,
    createdAt: row.created_at,
    activeFrom: row.active_from,
    retiresAt: row.retires_at,
  }))
}

/**
 * Makes another one, and has those before it retire when it begins to sign; tokens of before live on until they expire. With `isAtOnce`, as
 * after a theft, it signs now, and those before it are gone, with all of their tokens.
 */
export async function rotateSigningKeys(
  sql: Sql | TransactionSql,
  isAtOnce: boolean,
): Promise<SigningKeyInfo[]> {
  const { kid, secret } = fresh()
  await inTransaction(sql, async (tx) => {
    const seconds = isAtOnce ? 0 : KNOWN_AFTER_SECONDS
    if (isAtOnce) await tx`DELETE FROM signing_keys`
    else await tx`DELETE FROM signing_keys WHERE retires_at < now() - interval '1 day'`
    await tx`
      UPDATE signing_keys SET retires_at = least(retires_at, now() + ${seconds}::float8 * interval '1 second')`
    await tx`
      INSERT INTO signing_keys (kid, secret, active_from)
      VALUES (${kid}, ${secret}, now() + ${seconds}::float8 * interval '1 second')`
  })
  return await listSigningKeys(sql)
}

function fresh(): { kid: string; secret: string } {
  return { kid: randomBytes(8).toString('hex'), secret: randomBytes(32).toString('base64url') }
}
