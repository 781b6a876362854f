import { z } from '@hono/zod-openapi'
import type { Context } from 'hono'
import { apiHandlers } from '../../api.ts'
import { json, operation, tenantScope, type Api, type ApiEnv } from '../operation.ts'
import type { ApiSources } from '../sources.ts'

const TEXT = z.string().optional()
const WINDOW = { since: TEXT, until: TEXT, tenant: TEXT }
const GAP = z.looseObject({ isComplete: z.boolean() })

/** The reports of the command line: what their parameters must be is checked, and said, where the report is made. */
const REPORTS = [
  {
    path: '/who',
    operationId: 'who',
    description: 'Who had a package, and what that answer rests on: as `waybill who --quick --json`.',
    query: z.strictObject({ package: TEXT, range: TEXT, route: TEXT, ...WINDOW }),
    answer: z.looseObject({ users: z.array(z.unknown()) }).openapi('WhoAnswer'),
  },
  {
    path: '/usage',
    operationId: 'usage',
    description: 'Requests and bytes by day, tenant and route, at most 10,000 rows.',
    query: z.strictObject({ timezone: TEXT, ...WINDOW }),
    answer: z.looseObject({ usage: z.array(z.unknown()), isTruncated: z.boolean() }).openapi('Usage'),
  },
  {
    path: '/audit',
    operationId: 'audit',
    description:
      'Whether anything is missing: the figures of `waybill audit`, for a window of 7 days at most.',
    query: z.strictObject(WINDOW),
    answer: GAP.openapi('Audit'),
  },
] as const

/** GET /who, /usage and /audit. */
export function addReports(api: Api, { served }: ApiSources): void {
  const handlers = apiHandlers(served.queries)
  for (const { path, operationId, description, query, answer } of REPORTS) {
    const handler = handlers.get(`/api${path}`)
    if (handler === undefined) throw new Error(`there is no report ${path}`)
    api.openapi(
      operation(
        { role: 'viewer', isForTenants: true },
        {
          method: 'get',
          path,
          operationId,
          tags: ['reports'],
          description,
          request: { query },
          responses: { 200: json(answer, 'The report') },
        },
      ),
      async (c) => {
        // Plain objects of the reports: numbers, texts and moments.
        return c.json((await handler(scopedQuery(c), c.var.ended.signal)) as never, 200)
      },
    )
  }
}

/** The query as it came, of a tenant's own where the principal is one. */
function scopedQuery(c: Context<ApiEnv>): URLSearchParams {
  const query = new URL(c.req.url).searchParams
  const tenant = tenantScope(c, query.get('tenant') ?? undefined)
  if (tenant !== undefined) query.set('tenant', tenant)
  return query
}
