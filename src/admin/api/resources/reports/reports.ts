import { z } from '@hono/zod-openapi'
import type { Context } from 'hono'
import { apiHandlers } from '../../../api.ts'
import { json, operation, tenantScope, type Api, type ApiEnv } from '../../operation.ts'
import type { ApiSources } from '../../sources.ts'
import { AUDIT, ownAudit } from './audit-body.ts'
import { USAGE } from './usage-body.ts'
import { ownWho, WHO } from './who-body.ts'

const TEXT = z.string().optional()
const WINDOW = { since: TEXT, until: TEXT, tenant: TEXT }

/** A report; `own` makes of it what a tenant is told. */
interface Report<T> {
  readonly path: string
  readonly operationId: string
  readonly description: string
  readonly query: z.ZodObject
  readonly answer: z.ZodType<T>
  readonly own: (report: T) => T
}

/** GET /who, /usage and /audit: what their parameters must be is checked, and said, where the report is made. */
export function addReports(api: Api, sources: ApiSources): void {
  addReport(api, sources, {
    path: '/who',
    operationId: 'who',
    description: 'Who had a package, and what that answer rests on: as `waybill who --quick --json`.',
    query: z.strictObject({ package: TEXT, range: TEXT, route: TEXT, ...WINDOW }),
    answer: WHO,
    own: ownWho,
  })
  addReport(api, sources, {
    path: '/usage',
    operationId: 'usage',
    description: 'Requests and bytes by day, tenant and route, at most 10,000 rows.',
    query: z.strictObject({ timezone: TEXT, ...WINDOW }),
    answer: USAGE,
    own: (usage) => usage,
  })
  addReport(api, sources, {
    path: '/audit',
    operationId: 'audit',
    description:
      'Whether anything is missing: the figures of `waybill audit`, for a window of 7 days at most.',
    query: z.strictObject(WINDOW),
    answer: AUDIT,
    own: ownAudit,
  })
}

function addReport<T>(api: Api, { served }: ApiSources, report: Report<T>): void {
  const { path, operationId, description, query, answer, own } = report
  const handler = apiHandlers(served.queries).get(`/api${path}`)
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
      // Plain objects of the reports, whose moments become texts as the answer is written.
      const found = (await handler(scopedQuery(c), c.var.ended.signal)) as T
      return c.json((c.var.signedIn.principal.tenant === null ? found : own(found)) as never, 200)
    },
  )
}

/** The query as it came, of a tenant's own where the principal is one. */
function scopedQuery(c: Context<ApiEnv>): URLSearchParams {
  const query = new URL(c.req.url).searchParams
  const tenant = tenantScope(c, query.get('tenant') ?? undefined)
  if (tenant !== undefined) query.set('tenant', tenant)
  return query
}
