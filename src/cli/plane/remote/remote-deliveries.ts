import type { DeliveryAccount } from '../../../store/deliveries/delivery-accounts.ts'
import type { DeliveryFilter, DeliveryRow } from '../../../store/deliveries/deliveries.ts'
import type { Decided, DeliveryPort } from '../delivery-port.ts'
import type { ApiClient } from './api-client.ts'
import { withTimes } from './remote-directory.ts'
import { entryOf } from './remote-entries.ts'

/** Items of a page of the API at most. */
const PAGE = 1000

const rowOf = (row: object): DeliveryRow => withTimes<DeliveryRow>(row, ['receivedAt', 'nextAt', 'endedAt'])

/** What routes keep, over HTTP. */
export function remoteDeliveries(api: ApiClient): DeliveryPort {
  return {
    listDeliveries: async (filter, limit) => {
      const rows: DeliveryRow[] = []
      const query = { ...textOf(filter), limit: String(Math.min(limit, PAGE)) }
      for await (const page of api.pages<object>('/deliveries', query)) {
        rows.push(...page.map(rowOf))
        if (rows.length >= limit) break
      }
      return rows.slice(0, limit)
    },
    getDelivery: async (id) => {
      const found = await api.find<{ entries: object[] }>(`/deliveries/${id}`)
      if (found === null) return null
      const { entries, ...row } = found
      return { row: rowOf(row), entries: entries.map(entryOf) }
    },
    redeliverOne: async (id) => (await api.ask<{ id: string }>('POST', `/deliveries/${id}/redeliver`)).id,
    dropOne: async (id) => void (await api.ask('DELETE', `/deliveries/${id}`)),
    redeliverSearch: (filter) => api.ask<Decided>('POST', '/deliveries/redeliver', { body: textOf(filter) }),
    dropSearch: (filter) => api.ask<Decided>('POST', '/deliveries/drop', { body: textOf(filter) }),
    accountDeliveries: async (window) =>
      (await api.ask<{ items: DeliveryAccount[] }>('GET', '/deliveries/account', { query: textOf(window) }))
        .items,
  }
}

/** As the API takes it. */
function textOf({
  since,
  until,
  ...rest
}: Omit<DeliveryFilter, 'id'>): Readonly<Record<string, string | undefined>> {
  return { ...rest, since: since?.toISOString(), until: until?.toISOString() }
}
