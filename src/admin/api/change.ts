import type { Context } from 'hono'
import { actorName } from '../../model/audit/actor.ts'
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
  const { name, tokenId, kind, subject } = c.var.signedIn.principal
  const account =
    subject !== undefined
      ? ({ kind: 'subject', id: subject } as const)
      : tokenId === null
        ? null
        : ({ kind: 'token', id: tokenId } as const)
  const actor = {
    name: account === null ? name : actorName(name, account),
    via: kind === 'oidc' ? ('oidc' as const) : ('api' as const),
    from: credentialsOf(c).address,
  }
  return await asActor(control, actor, work)
}
