import { z } from '@hono/zod-openapi'
import {
  dropQuarantined,
  listQuarantine,
  retryQuarantined,
  type QuarantinedRow,
} from '../../../store/entries/quarantine.ts'
import { change } from '../change.ts'
import { SLUG } from '../fields.ts'
import { json, operation, pageOf, TIME, type Api } from '../operation.ts'
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

/** Rows of one answer; the command line has all of them. */
const MAX_ROWS = 1000
const PATH = { params: z.object({ id: z.coerce.number().int().positive().openapi({ type: 'integer' }) }) }
const TAGS = ['access log']

/** /quarantine: entries that PostgreSQL refused, to store again or give up. */
export function addQuarantine(api: Api, { control, reader }: ApiSources): void {
  api.openapi(
    operation(
      { role: 'viewer', isForTenants: false },
      {
        method: 'get',
        path: '/quarantine',
        operationId: 'listQuarantine',
        tags: TAGS,
        request: {
          query: z.strictObject({
            tenant: SLUG.optional(),
            resolved: z.enum(['true', 'false']).default('false'),
          }),
        },
        responses: { 200: json(pageOf(ROW), `Oldest first, the first ${MAX_ROWS}`) },
      },
    ),
    async (c) => {
      const { tenant, resolved } = c.req.valid('query')
      const filter = { ...(tenant === undefined ? {} : { tenant }), isResolvedIncluded: resolved === 'true' }
      const items: z.infer<typeof ROW>[] = []
      for await (const rows of listQuarantine(reader, filter)) {
        items.push(...rows.slice(0, MAX_ROWS - items.length).map(rowBody))
        if (items.length === MAX_ROWS) break
      }
      return c.json({ items, next: null }, 200)
    },
  )
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

function rowBody({ quarantinedAt, resolvedAt, ...row }: QuarantinedRow): z.infer<typeof ROW> {
  return { ...row, quarantinedAt: quarantinedAt.toISOString(), resolvedAt: resolvedAt?.toISOString() ?? null }
}
