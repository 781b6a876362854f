import { z } from '@hono/zod-openapi'
import {
  dropDeliveries,
  dropOne,
  MAX_DECISIONS,
  redeliver,
  redeliverOne,
  REPEATABLE_STATES,
} from '../../../../store/deliveries/delivery-decisions.ts'
import { readClock } from '../../../../store/entries/retention.ts'
import { change } from '../../change.ts'
import { json, jsonBody, operation, type Api } from '../../operation.ts'
import { ApiError } from '../../problems.ts'
import type { ApiSources } from '../../sources.ts'
import { ID } from './delivery-body.ts'
import { deliveryFilter, FILTER, TAGS } from './delivery-query.ts'

/** A tenant's deliveries go to receivers of the operator's. */
const DECIDE = { role: 'operator', isForTenants: false } as const
const PATH = { params: z.object({ id: ID }) }
const SEARCH = { tenant: FILTER.tenant, route: FILTER.route, since: FILTER.since, until: FILTER.until }
const AT_MOST = z.int().min(1).max(MAX_DECISIONS).default(MAX_DECISIONS)

const REDELIVERY = z
  .strictObject({
    ...SEARCH,
    state: z.enum(REPEATABLE_STATES).default('dead'),
    limit: AT_MOST.openapi({ description: 'Oldest first.' }),
  })
  .openapi('Redelivery')

const DROPPING = z
  .strictObject({ ...SEARCH, state: z.enum(['waiting', 'dead']), limit: AT_MOST })
  .openapi('Dropping')

const NUMBER = z
  .object({
    n: z.int(),
    isMore: z.boolean().openapi({ description: 'As many as were permitted: there may be others.' }),
  })
  .openapi('DecidedDeliveries')

const ONE = z
  .object({ id: ID.openapi({ description: 'Of the new one.' }), redeliveryOf: ID })
  .openapi('RedeliveredDelivery')

/** What people decide on deliveries: one of them, or a search. */
export function addDecisions(api: Api, sources: ApiSources): void {
  addSearches(api, sources)
  addSingle(api, sources)
}

function addSearches(api: Api, { control }: ApiSources): void {
  const searched = { tags: TAGS, responses: { 200: json(NUMBER, 'How many') } }
  api.openapi(
    operation(DECIDE, {
      ...searched,
      method: 'post',
      path: '/deliveries/redeliver',
      operationId: 'redeliverSearch',
      description: `Has what is over delivered once more, each as a new delivery, ${MAX_DECISIONS} at a time; dead letters unless \`state\` says otherwise. At least one of the other fields is required.`,
      request: { body: jsonBody(REDELIVERY) },
    }),
    async (c) => {
      const { limit, ...query } = c.req.valid('json')
      requireSearch(query)
      const { databaseMs } = await readClock(control, Date.now)
      const filter = deliveryFilter(c, query, databaseMs)
      const { length: n } = await change(c, control, (tx) => redeliver(tx, filter, limit))
      return c.json({ n, isMore: n === limit }, 200)
    },
  )
  api.openapi(
    operation(DECIDE, {
      ...searched,
      method: 'post',
      path: '/deliveries/drop',
      operationId: 'dropSearch',
      description: `Gives up what waits, or dead letters, ${MAX_DECISIONS} at a time. At least one of the other fields is required.`,
      request: { body: jsonBody(DROPPING) },
    }),
    async (c) => {
      const { limit, ...query } = c.req.valid('json')
      requireSearch(query)
      const { databaseMs } = await readClock(control, Date.now)
      const filter = deliveryFilter(c, query, databaseMs)
      const { length: n } = await change(c, control, (tx) => dropDeliveries(tx, filter, limit))
      return c.json({ n, isMore: n === limit }, 200)
    },
  )
}

function addSingle(api: Api, { control }: ApiSources): void {
  api.openapi(
    operation(DECIDE, {
      method: 'post',
      path: '/deliveries/{id}/redeliver',
      operationId: 'redeliver',
      tags: TAGS,
      description: 'Has a dead, delivered or dropped one delivered once more, as a new one; once.',
      request: PATH,
      responses: { 200: json(ONE, 'The new one') },
    }),
    async (c) => {
      const { id } = c.req.valid('param')
      const made = await change(c, control, (tx) => redeliverOne(tx, { id }))
      return c.json({ id: made.as, redeliveryOf: id }, 200)
    },
  )
  api.openapi(
    operation(DECIDE, {
      method: 'delete',
      path: '/deliveries/{id}',
      operationId: 'dropDelivery',
      tags: TAGS,
      description: 'Gives it up. An attempt that is under way may still reach its receiver.',
      request: PATH,
      responses: { 200: json(z.object({ state: z.literal('dropped') }), 'It is dropped') },
    }),
    async (c) => {
      const { id } = c.req.valid('param')
      await change(c, control, (tx) => dropOne(tx, { id }))
      return c.json({ state: 'dropped' as const }, 200)
    },
  )
}

/** All there is must not be decided on by an empty body. Throws an ApiError for one. */
function requireSearch({ tenant, route, since, until }: Readonly<Record<string, unknown>>): void {
  if ([tenant, route, since, until].every((value) => value === undefined))
    throw ApiError.ofField('body', 'name at least one of tenant, route, since, until')
}
