import { z } from '@hono/zod-openapi'
import { listAdminLog, type AdminLogEntry } from '../../../store/admin-log/admin-log.ts'
import { SLUG } from '../fields.ts'
import { json, LIMIT, operation, pageBody, pageOf, tenantScope, TIME, type Api } from '../operation.ts'
import type { ApiSources } from '../sources.ts'

const FIELDS = z.record(z.string(), z.unknown()).nullable()

const CHANGE = z
  .object({
    seq: z.int(),
    at: TIME,
    actor: z.string().openapi({
      description:
        'A token, person or program; for a tenant `operator` for all that was not done with a token by this API.',
    }),
    via: z.enum(['api', 'oidc', 'cli', 'job', 'sql']),
    from: z.string().nullable().openapi({ description: 'Address or host; null for a tenant.' }),
    role: z.string().nullable().openapi({
      description: 'The role of the database that the session logged in as; null for a tenant.',
    }),
    action: z.string().openapi({ example: 'tenant.changed' }),
    subject: z.string().openapi({ example: 'tenant:acme' }),
    name: z.string().nullable(),
    tenant: z.string().nullable(),
    before: FIELDS,
    after: FIELDS,
  })
  .openapi('Change')

const QUERY = z.strictObject({
  limit: LIMIT,
  order: z.enum(['newest', 'oldest']).default('newest'),
  cursor: z.coerce.number().int().positive().optional().openapi({ type: 'integer' }),
  since: z.iso.datetime({ offset: true }).optional(),
  until: z.iso.datetime({ offset: true }).optional(),
  actor: z.string().min(1).max(200).optional(),
  subject: z
    .string()
    .min(1)
    .max(200)
    .optional()
    .openapi({ description: '`tenant:acme`, or the kind alone: `tenant`.' }),
  tenant: SLUG.optional().openapi({
    description: 'What belongs to the tenant: itself, its keys and tokens.',
  }),
})

/** GET /admin-log: who changed what, newest first. */
export function addAdminLog(api: Api, { control }: ApiSources): void {
  api.openapi(
    operation(
      { role: 'viewer', isForTenants: true },
      {
        method: 'get',
        path: '/admin-log',
        operationId: 'listChanges',
        tags: ['admin log'],
        request: { query: QUERY },
        responses: { 200: json(pageOf(CHANGE), 'Changes, newest first unless told') },
      },
    ),
    async (c) => {
      const { limit, order, cursor, since, until, actor, subject, tenant: asked } = c.req.valid('query')
      const tenant = tenantScope(c, asked)
      const isOperator = c.var.signedIn.principal.tenant === null
      const filter = {
        ...(since === undefined ? {} : { since: new Date(since) }),
        ...(until === undefined ? {} : { until: new Date(until) }),
        ...(actor === undefined ? {} : { actor, ...(isOperator ? {} : { via: 'api' as const }) }),
        ...(subject === undefined ? {} : { subject }),
        ...(tenant === undefined ? {} : { tenant }),
      }
      const page = {
        order,
        limit: limit + 1,
        ...(cursor === undefined ? {} : { after: cursor }),
      }
      const found = await listAdminLog(control, filter, page)
      const body = isOperator ? changeBody : ownChangeBody
      return c.json(pageBody(found, limit, { body, cursor: ({ seq }) => String(seq) }), 200)
    },
  )
}

function changeBody(change: AdminLogEntry): z.infer<typeof CHANGE> {
  return { ...change, at: change.at.toISOString() }
}

/** As a tenant sees it: nothing of the operator's people, machines and database; tokens are named. */
function ownChangeBody(change: AdminLogEntry): z.infer<typeof CHANGE> {
  const actor = change.via === 'api' ? change.actor : 'operator'
  return { ...changeBody(change), actor, from: null, role: null }
}
