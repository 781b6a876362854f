import type { DeliveryStats } from '../model/stats.ts'
import { byKey, single, type Family, type Sample } from './family.ts'

/** What routes with `mode: accept` keep and deliver; without such a route these families are empty. */
export const DELIVERY_FAMILIES: readonly Family[] = [
  byKey(
    'counter',
    ['waybill_deliveries_received_total', 'result'],
    'Requests of routes that accept, by what became of them',
    ({ deliveries }): Readonly<Record<string, number>> => {
      if (deliveries === null) return {}
      const { accepted, duplicates: duplicate, refused } = deliveries
      return { accepted, duplicate, refused }
    },
  ),
  byKey(
    'counter',
    ['waybill_deliveries_attempts_total', 'result'],
    'Attempts to deliver, by how they ended',
    ({ deliveries }): Readonly<Record<string, number>> =>
      deliveries === null ? {} : { ...deliveries.attempts },
  ),
  told('waybill_deliveries_waiting', 'Deliveries of all gateways that wait for their receivers', (told) =>
    sum(told, 'waiting'),
  ),
  told('waybill_deliveries_dead', 'Dead letters of all gateways that nobody has decided on', (told) =>
    sum(told, 'dead'),
  ),
  told('waybill_deliveries_oldest_seconds', 'Since the oldest delivery that waits was received', (told) =>
    told.tenants.reduce((most, { oldestMs }) => Math.max(most, oldestMs / 1000), 0),
  ),
  byKey(
    'gauge',
    ['waybill_deliveries_fill_ratio', 'bound'],
    'Share of a bound that is used up: by the tenant with most of what it may have waiting, and on disk',
    ({ deliveries }): Readonly<Record<string, number>> => (deliveries === null ? {} : { ...deliveries.fill }),
    'max',
  ),
  {
    type: 'gauge',
    merge: 'sum',
    name: 'waybill_deliveries_under_way',
    help: 'Attempts that this gateway makes now',
    labels: ['route'],
    read: ({ deliveries }) =>
      (deliveries?.routes ?? []).map(({ route, underWay }): Sample => ({
        value: underWay,
        labels: { route },
      })),
  },
  {
    type: 'gauge',
    merge: 'max',
    name: 'waybill_deliveries_breaker_open',
    help: 'Whether the receiver of a route is left alone since it fails (1), or is being tried (0.5)',
    labels: ['route'],
    read: ({ deliveries }) =>
      (deliveries?.routes ?? []).map(({ route, breaker }): Sample => ({
        value: OPEN[breaker],
        labels: { route },
      })),
  },
]

const OPEN = { closed: 0, half_open: 0.5, open: 1 } as const

function sum({ tenants }: DeliveryStats, name: 'waiting' | 'dead'): number {
  return tenants.reduce((all, tenant) => all + tenant[name], 0)
}

/** Every process that delivers tells the same: the greatest, for one may have looked later. */
function told(name: string, help: string, read: (told: DeliveryStats) => number): Family {
  return single(
    'gauge',
    name,
    help,
    ({ deliveries }) => (deliveries === null ? null : read(deliveries)),
    'max',
  )
}
