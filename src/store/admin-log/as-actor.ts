import { actorSettings, type Actor } from '../../model/audit/actor.ts'
import { inTransaction, type Sql, type TransactionSql } from '../sql.ts'

/**
 * Runs `work` in a transaction whose changes the admin log has as those of `actor`: what the store's functions change with the handle
 * that `work` is given is committed together, or not at all. The settings end with the transaction, so that nothing of them is
 * left on a pooled connection.
 */
export async function asActor<T>(
  sql: Sql,
  actor: Actor,
  work: (tx: TransactionSql) => Promise<T>,
): Promise<T> {
  return await inTransaction(sql, async (tx) => {
    const [name, via, from] = Object.values(actorSettings(actor))
    await tx`
      SELECT set_config('waybill.actor', ${name ?? ''}, true), set_config('waybill.via', ${via ?? ''}, true),
        set_config('waybill.source', ${from ?? ''}, true)`
    return await work(tx)
  })
}
