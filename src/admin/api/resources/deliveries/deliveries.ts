import { z } from '@hono/zod-openapi'
import { attemptEntries } from '../../../../store/deliveries/attempt-entries.ts'
import { deliveryAccounts, SETTLED_MS } from '../../../../store/deliveries/delivery-accounts.ts'
import { findDelivery, listDeliveries } from '../../../../store/deliveries/deliveries.ts'
import { readClock } from '../../../../store/entries/retention.ts'
import { StoreError } from '../../../../store/errors.ts'
import { windowOf } from '../../../window.ts'
import { json, LIMIT, operation, pageBody, pageOf, tenantScope, TIME, type Api } from '../../operation.ts'
import type { ApiSources } from '../../sources.ts'
import { viewFor, entryBody } from '../entries/entry-body.ts'
import { ACCOUNT, DELIVERY, deliveryBody, FOUND, ID } from './delivery-body.ts'
import { addDecisions } from './delivery-decisions.ts'
import { deliveryFilter, FILTER, TAGS, timesOf } from './delivery-query.ts'

/** Of an account. */
const ACCOUNT_WINDOW = { defaultDays: 1, maxDays: 31 }

const READ = { role: 'viewer', isForTenants: true } as const

const QUERY = z.strictObject({ ...FILTER, limit: LIMIT, cursor: ID.optional() })
const ACCOUNT_QUERY = z.strictObject({ tenant: FILTER.tenant, since: FILTER.since, until: FILTER.until })
const PATH = { params: z.object({ id: ID }) }

/** /deliveries: what routes with `mode: accept` keep. */
export function addDeliveries(api: Api, sources: ApiSources): void {
  addList(api, sources)
  // Before what takes any name for an id.
  addAccount(api, sources)
  addDecisions(api, sources)
  addFound(api, sources)
}

function addList(api: Api, { reader }: ApiSources): void {
  api.openapi(
    operation(READ, {
      method: 'get',
      path: '/deliveries',
      operationId: 'listDeliveries',
      tags: TAGS,
      description: 'Pages do not shift when deliveries come.',
      request: { query: QUERY },
      responses: { 200: json(pageOf(DELIVERY), 'Deliveries, newest first') },
    }),
    async (c) => {
      const { limit, cursor, ...query } = c.req.valid('query')
      const { databaseMs } = await readClock(reader, Date.now)
      const filter = deliveryFilter(c, query, databaseMs)
      const page = { limit: limit + 1, ...(cursor === undefined ? {} : { after: cursor }) }
      const found = await listDeliveries(reader, filter, page)
      return c.json(pageBody(found, limit, { body: deliveryBody, cursor: ({ id }) => id }), 200)
    },
  )
}

function addAccount(api: Api, { reader }: ApiSources): void {
  api.openapi(
    operation(READ, {
      method: 'get',
      path: '/deliveries/account',
      operationId: 'accountDeliveries',
      tags: TAGS,
      description:
        'The books of each tenant, of what was received in a window of 31 days at most; unless told, of the day up to 10 s ago. Accepted and repeated are delivered, waiting, dead, dropped, coalesced and duplicate.',
      request: { query: ACCOUNT_QUERY },
      responses: {
        200: json(
          z
            .object({
              since: TIME,
              until: TIME,
              isClosed: z.boolean().openapi({ description: 'Whether nothing is missing.' }),
              items: z.array(ACCOUNT),
            })
            .openapi('DeliveryAccounts'),
          'Tenants that have deliveries',
        ),
      },
    }),
    async (c) => {
      const { tenant: asked, ...query } = c.req.valid('query')
      const { databaseMs } = await readClock(reader, Date.now)
      const tenant = tenantScope(c, asked)
      const { since, until } = windowOf(timesOf(query, databaseMs), databaseMs - SETTLED_MS, ACCOUNT_WINDOW)
      const items = await deliveryAccounts(reader, {
        ...(tenant === undefined ? {} : { tenant }),
        since,
        until,
      })
      const isClosed = items.every(({ missing }) => missing === 0)
      return c.json({ since: since.toISOString(), until: until.toISOString(), isClosed, items }, 200)
    },
  )
}

function addFound(api: Api, { reader }: ApiSources): void {
  api.openapi(
    operation(READ, {
      method: 'get',
      path: '/deliveries/{id}',
      operationId: 'getDelivery',
      tags: TAGS,
      description: 'Without what was sent.',
      request: PATH,
      responses: { 200: json(FOUND, 'The delivery and its attempts') },
    }),
    async (c) => {
      const { id } = c.req.valid('param')
      const tenant = tenantScope(c, undefined)
      const found = await findDelivery(reader, { id, ...(tenant === undefined ? {} : { tenant }) })
      if (found === null) throw new StoreError('delivery_not_found', `there is no delivery ${id}`)
      const entries = await attemptEntries(reader, found, c.var.ended.signal)
      const view = viewFor(c.var.signedIn.principal)
      return c.json({ ...deliveryBody(found), entries: entries.map((row) => entryBody(row, view)) }, 200)
    },
  )
}
