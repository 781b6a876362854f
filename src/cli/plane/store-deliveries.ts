import { deliveryAccounts } from '../../store/deliveries/delivery-accounts.ts'
import {
  dropDeliveries,
  dropOne,
  MAX_DECISIONS,
  redeliver,
  redeliverOne,
} from '../../store/deliveries/delivery-decisions.ts'
import { findDelivery, listDeliveries } from '../../store/deliveries/deliveries.ts'
import { attemptEntries } from '../../store/deliveries/attempt-entries.ts'
import type { Sql } from '../../store/sql.ts'
import type { Decided, DeliveryPort } from './delivery-port.ts'

/** What routes keep, on a database that is open. */
export function storeDeliveries(sql: Sql): DeliveryPort {
  return {
    listDeliveries: (filter, limit) => listDeliveries(sql, filter, { limit }),
    getDelivery: async (id) => {
      const row = await findDelivery(sql, { id })
      return row === null ? null : { row, entries: await attemptEntries(sql, row) }
    },
    redeliverOne: async (id) => (await redeliverOne(sql, { id })).as,
    dropOne: (id) => dropOne(sql, { id }),
    redeliverSearch: async (filter) => decided(await redeliver(sql, filter, MAX_DECISIONS)),
    dropSearch: async (filter) => decided(await dropDeliveries(sql, filter, MAX_DECISIONS)),
    accountDeliveries: (window) => deliveryAccounts(sql, window),
  }
}

function decided({ length: n }: readonly unknown[]): Decided {
  return { n, isMore: n === MAX_DECISIONS }
}
