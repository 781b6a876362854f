import { z } from '@hono/zod-openapi'
import { asideLines } from '../../../model/audit/set-aside.ts'
import { listSetAside } from '../../../store/audit/set-aside.ts'
import {
  dropQuarantined,
  getQuarantined,
  quarantinedEntry,
  quarantinePage,
  retryQuarantined,
  type QuarantinedRow,
} from '../../../store/entries/quarantine.ts'
import { StoreError } from '../../../store/errors.ts'
import { change } from '../change.ts'
import { SLUG } from '../fields.ts'
import { json, LIMIT, operation, pageBody, pageOf, TIME, type Api } from '../operation.ts'
import type { ApiSources } from '../sources.ts'

const ROW = z
  .object({
    id: z.int(),
    instance: z.uuid(),
    seq: z.int(),
    tenant: z.string().openapi({ description: "'' for a request that could not be attributed." }),
    code: z.string().openapi({ description: 'SQLSTATE of the refusal.' }),
    detail: z.string().nullable(),
    quarantinedAt: TIME,
    resolution: z.enum(['stored', 'dropped']).nullable(),
    resolvedAt: TIME.nullable(),
  })
  .openapi('QuarantinedEntry')

const RESULT = z
  .object({
    state: z.enum(['stored', 'refused', 'dropped', 'already_resolved']),
    code: z.string().optional(),
    detail: z.string().optional(),
  })
  .openapi('QuarantineResult')

const FOUND = ROW.extend({
  entry: z.union([z.record(z.string(), z.string().nullable()), z.string()]).openapi({
    description: 'The columns as they were to be stored; what is no row as it is, a character for each byte.',
  }),
}).openapi('QuarantinedEntryValues')

const ASIDE = z
  .object({
    instance: z.uuid(),
    host: z.string(),
    lines: z.array(z.string()).openapi({ description: 'What stands aside, for people.' }),
  })
  .openapi('SetAside')

const ROW_ID = z.coerce.number().int().positive().openapi({ type: 'integer' })
const PATH = { params: z.object({ id: ROW_ID }) }
const TAGS = ['access log']
const READ = { role: 'viewer', isForTenants: false } as const

/** /quarantine: entries that PostgreSQL refused, to store again or give up. */
export function addQuarantine(api: Api, sources: ApiSources): void {
  addReading(api, sources)
  addDeciding(api, sources)
}

function addReading(api: Api, { reader }: ApiSources): void {
  api.openapi(
    operation(READ, {
      method: 'get',
      path: '/quarantine',
      operationId: 'listQuarantine',
      tags: TAGS,
      request: {
        query: z.strictObject({
          limit: LIMIT,
          cursor: ROW_ID.optional(),
          tenant: SLUG.optional(),
          resolved: z
            .enum(['true', 'false'])
            .default('false')
            .openapi({ description: 'Those that were decided on too.' }),
        }),
      },
      responses: { 200: json(pageOf(ROW), 'Oldest first') },
    }),
    async (c) => {
      const { tenant, resolved, limit, cursor = 0 } = c.req.valid('query')
      const filter = { ...(tenant === undefined ? {} : { tenant }), isResolvedIncluded: resolved === 'true' }
      const rows = await quarantinePage(reader, filter, { after: cursor, limit: limit + 1 })
      return c.json(pageBody(rows, limit, { body: rowBody, cursor: ({ id }) => String(id) }), 200)
    },
  )
  // Before what takes any name for a row's.
  api.openapi(
    operation(READ, {
      method: 'get',
      path: '/quarantine/set-aside',
      operationId: 'listSetAside',
      tags: TAGS,
      description: 'What live gateways have on disk and cannot store for now.',
      responses: { 200: json(pageOf(ASIDE), 'All on one page') },
    }),
    async (c) => {
      const found = await listSetAside(reader)
      const items = found.map(({ instance, host, aside }) => ({ instance, host, lines: asideLines(aside) }))
      return c.json({ items, next: null }, 200)
    },
  )
  api.openapi(
    operation(READ, {
      method: 'get',
      path: '/quarantine/{id}',
      operationId: 'getQuarantined',
      tags: TAGS,
      request: PATH,
      responses: { 200: json(FOUND, 'The entry and its values') },
    }),
    async (c) => {
      const { id } = c.req.valid('param')
      const found = await getQuarantined(reader, id)
      if (found === null) throw new StoreError('quarantine_not_found', `there is no row ${id} in quarantine`)
      return c.json({ ...rowBody(found.row), entry: quarantinedEntry(found) }, 200)
    },
  )
}

function addDeciding(api: Api, { control }: ApiSources): void {
  api.openapi(
    operation(
      { role: 'operator', isForTenants: false },
      {
        method: 'post',
        path: '/quarantine/{id}/retry',
        operationId: 'retryQuarantined',
        tags: TAGS,
        description:
          'Stores the entry, once its cause has been mended: exactly once, however often it is asked.',
        request: PATH,
        responses: { 200: json(RESULT, 'What became of it') },
      },
    ),
    async (c) => c.json(await change(c, control, (tx) => retryQuarantined(tx, c.req.valid('param').id)), 200),
  )
  api.openapi(
    operation(
      { role: 'admin', isForTenants: false },
      {
        method: 'delete',
        path: '/quarantine/{id}',
        operationId: 'dropQuarantined',
        tags: TAGS,
        description: 'Gives the entry up: audits count it as dropped from then on.',
        request: PATH,
        responses: { 200: json(RESULT, 'What became of it') },
      },
    ),
    async (c) => {
      const isDropped = await change(c, control, (tx) => dropQuarantined(tx, c.req.valid('param').id))
      return c.json({ state: isDropped ? ('dropped' as const) : ('already_resolved' as const) }, 200)
    },
  )
}

/** In the order of the command line's JSON. */
function rowBody(row: QuarantinedRow): z.infer<typeof ROW> {
  const { quarantinedAt, resolvedAt } = row
  return { ...row, quarantinedAt: quarantinedAt.toISOString(), resolvedAt: resolvedAt?.toISOString() ?? null }
}
