import type { Context } from 'hono'
import { asActor } from '../../store/admin-log/as-actor.ts'
import type { Sql, TransactionSql } from '../../store/sql.ts'
import { credentialsOf } from './credentials.ts'
import type { ApiEnv } from './operation.ts'

/** Runs a change in a transaction that the admin log has as the caller's. */
export async function change<T>(
  c: Context<ApiEnv>,
  control: Sql,
  work: (tx: TransactionSql) => Promise<T>,
): Promise<T> {
  const { name, tokenId } = c.var.signedIn.principal
  const actor = {
    name: tokenId === null ? name : `${name} (token ${tokenId})`,
    via: 'api' as const,
    from: credentialsOf(c).address,
  }
  return await asActor(control, actor, work)
}
