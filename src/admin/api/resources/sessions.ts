import { z } from '@hono/zod-openapi'
import { endSession, listSessions, type AdminSession } from '../../../store/access/sessions.ts'
import { change } from '../change.ts'
import { ID } from '../fields.ts'
import { json, LIMIT, operation, pageBody, pageOf, TIME, type Api } from '../operation.ts'
import type { ApiSources } from '../sources.ts'

const SESSION = z
  .object({
    id: ID,
    kind: z.enum(['token', 'configured', 'oidc']).openapi({ description: 'By which one signed in.' }),
    name: z.string().nullable().openapi({ description: 'Of the token, or the person.' }),
    tokenId: ID.nullable(),
    issuer: z
      .string()
      .nullable()
      .openapi({ description: 'Of the person (OpenID Connect), as is `subject`.' }),
    subject: z.string().nullable(),
    createdAt: TIME,
    expiresAt: TIME,
  })
  .openapi('OpenSession')

const TAGS = ['session']
const ADMIN = { role: 'admin', isForTenants: false } as const

/** GET /sessions and DELETE /sessions/{id}: those of browsers, to be looked at and ended. */
export function addSessions(api: Api, { control }: ApiSources): void {
  api.openapi(
    operation(ADMIN, {
      method: 'get',
      path: '/sessions',
      operationId: 'listSessions',
      tags: TAGS,
      request: {
        query: z.strictObject({
          limit: LIMIT,
          cursor: ID.optional(),
          subject: z.string().min(1).max(255).optional().openapi({ description: 'Of one person.' }),
        }),
      },
      responses: { 200: json(pageOf(SESSION), 'Those that hold, newest first') },
    }),
    async (c) => {
      const { limit, cursor, subject } = c.req.valid('query')
      const found = await listSessions(control, {
        ...(subject === undefined ? {} : { subject }),
        ...(cursor === undefined ? {} : { after: cursor }),
        limit: limit + 1,
      })
      return c.json(pageBody(found, limit, { body: sessionBody, cursor: ({ id }) => id }), 200)
    },
  )
  api.openapi(
    operation(ADMIN, {
      method: 'delete',
      path: '/sessions/{id}',
      operationId: 'endSession',
      tags: TAGS,
      description:
        'Ends a session at once. Who may sign in, may again: that ends with the token, or at the issuer.',
      request: { params: z.object({ id: ID }) },
      responses: { 200: json(SESSION, 'Ended, or ended before') },
    }),
    async (c) => {
      const session = await change(c, control, (tx) => endSession(tx, c.req.valid('param').id))
      return c.json(sessionBody(session), 200)
    },
  )
}

function sessionBody({ createdAt, expiresAt, ...session }: AdminSession): z.infer<typeof SESSION> {
  return { ...session, createdAt: createdAt.toISOString(), expiresAt: expiresAt.toISOString() }
}
