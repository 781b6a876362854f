import { z } from '@hono/zod-openapi'
import type { Context } from 'hono'
import { readClock } from '../../../../store/entries/retention.ts'
import { countFacets, type Facet } from '../../../../store/entry-search/facets.ts'
import { countByTime, MAX_BINS, type Bin } from '../../../../store/entry-search/histogram.ts'
import type { BoundedFilter } from '../../../../store/entry-search/sample.ts'
import { requireOrder } from '../../../window.ts'
import { json, operation, TIME, type Api, type ApiEnv } from '../../operation.ts'
import type { ApiSources } from '../../sources.ts'
import { READ, TAGS } from './entry-access.ts'
import { ENTRY_QUERY, entryFilter, type EntryQuery } from './entry-query.ts'

const DAY_MS = 86_400_000

const BASIS = {
  isSample: z.boolean().openapi({
    description:
      'Whether the window is too large to be counted, and the numbers are made of a part of its entries.',
  }),
  rows: z.int().openapi({ description: 'Entries that were counted; of a sample, those in it.' }),
}

const VALUES = z.array(z.object({ value: z.string().nullable(), n: z.int() }))

const FACETS_BODY = z
  .object({
    ...BASIS,
    n: z.int(),
    tenant: VALUES,
    key: VALUES,
    route: VALUES,
    status: VALUES,
    outcome: VALUES,
    reason: VALUES,
    method: VALUES,
    artifactKind: VALUES,
    package: VALUES,
    address: VALUES,
  } satisfies Record<Facet | keyof typeof BASIS | 'n', z.ZodType>)
  .openapi('EntryFacets')

const HISTOGRAM = z
  .object({
    ...BASIS,
    stepMs: z.int(),
    items: z
      .array(
        z.object({
          at: TIME,
          n: z.int(),
          errors: z
            .int()
            .openapi({ description: 'With a status of 500 or more, and not refused by the gateway.' }),
          refused: z.int().openapi({ description: 'Refused by the gateway.' }),
        }),
      )
      .max(MAX_BINS),
  })
  .openapi('EntryHistogram')

const QUERY = z.strictObject(ENTRY_QUERY)
const WINDOW = 'The last day, unless `since` and `until` say otherwise.'

/** /entries/facets and /entries/histogram. */
export function addCounts(api: Api, { reader }: ApiSources): void {
  api.openapi(
    operation(READ, {
      method: 'get',
      path: '/entries/facets',
      operationId: 'countEntries',
      tags: TAGS,
      description: `The most frequent values of each field among the entries. ${WINDOW}`,
      request: { query: QUERY },
      responses: { 200: json(FACETS_BODY, 'Values and how many entries have each, the most frequent first') },
    }),
    async (c) => {
      const filter = await windowFilter(c, c.req.valid('query'), reader)
      const { fields, ...basis } = await countFacets(reader, filter, c.var.ended.signal)
      return c.json({ ...basis, ...fields }, 200)
    },
  )
  api.openapi(
    operation(READ, {
      method: 'get',
      path: '/entries/histogram',
      operationId: 'countEntriesByTime',
      tags: TAGS,
      description: `How many entries there are over time. ${WINDOW}`,
      request: { query: QUERY },
      responses: { 200: json(HISTOGRAM, 'Bins from the first to the last, empty ones too') },
    }),
    async (c) => {
      const filter = await windowFilter(c, c.req.valid('query'), reader)
      const { items, ...rest } = await countByTime(reader, filter, c.var.ended.signal)
      return c.json({ ...rest, items: items.map(binBody) }, 200)
    },
  )
}

async function windowFilter(
  c: Context<ApiEnv>,
  query: EntryQuery,
  reader: ApiSources['reader'],
): Promise<BoundedFilter> {
  const { databaseMs } = await readClock(reader, Date.now)
  const filter = entryFilter(c, query, databaseMs)
  const until = filter.until ?? new Date(Math.ceil(databaseMs))
  const since = filter.since ?? new Date(until.getTime() - DAY_MS)
  requireOrder(since, until)
  return { ...filter, since, until }
}

function binBody({ at, n, errors, refused }: Bin) {
  return { at: at.toISOString(), n, errors, refused }
}
