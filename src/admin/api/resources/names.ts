import { z } from '@hono/zod-openapi'
import { isInLedger, recentRoutes, tenantsLike } from '../../../store/directory/names.ts'
import { SLUG } from '../fields.ts'
import { json, operation, type Api } from '../operation.ts'
import type { ApiSources } from '../sources.ts'

const READ = { role: 'viewer', isForTenants: false } as const
const TAGS = ['names']

const LIKE = z
  .object({
    isInLedger: z.boolean().nullable().openapi({
      description: 'Whether entries of such a tenant were ever stored; null where that was not asked.',
    }),
    like: z.array(z.string()).openapi({ description: 'Tenants with a name of about that length.' }),
  })
  .openapi('TenantNames')

const ROUTES = z.object({ routes: z.array(z.string()) }).openapi('RouteNames')

/** GET /names and /names/{slug}: what a name that is not known may have meant. */
export function addNames(api: Api, { reader }: ApiSources): void {
  api.openapi(
    operation(READ, {
      method: 'get',
      path: '/names',
      operationId: 'listNames',
      tags: TAGS,
      description: 'Routes of all gateways that were asked for lately.',
      responses: { 200: json(ROUTES, 'Their names') },
    }),
    async (c) => c.json({ routes: await recentRoutes(reader) }, 200),
  )
  api.openapi(
    operation(READ, {
      method: 'get',
      path: '/names/{slug}',
      operationId: 'findNames',
      tags: TAGS,
      description: 'What is known of a tenant that is not there, and which may have been meant.',
      request: {
        params: z.object({ slug: SLUG }),
        query: z.strictObject({
          ledger: z.enum(['true', 'false']).default('true').openapi({
            description: 'Whether to search the ledger for entries of the tenant, which reads all of it.',
          }),
        }),
      },
      responses: { 200: json(LIKE, 'What is known') },
    }),
    async (c) => {
      const { slug } = c.req.valid('param')
      const isAsked = c.req.valid('query').ledger === 'true'
      return c.json(
        {
          isInLedger: isAsked ? await isInLedger(reader, slug) : null,
          like: await tenantsLike(reader, slug),
        },
        200,
      )
    },
  )
}
