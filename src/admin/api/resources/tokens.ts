import { z } from '@hono/zod-openapi'
import { mintAdminToken } from '../../../model/admin/admin-token.ts'
import { ADMIN_ROLES } from '../../../model/admin/principal.ts'
import {
  insertAdminToken,
  listAdminTokens,
  revokeAdminToken,
  type AdminToken,
} from '../../../store/access/admin-tokens.ts'
import { change } from '../change.ts'
import { changeOnce, ONCE } from '../once.ts'
import { EXPIRES, expiryOf, ID, NAME, SLUG } from '../fields.ts'
import { json, jsonBody, LIMIT, operation, pageBody, pageOf, TIME, type Api } from '../operation.ts'
import { ApiError } from '../problems.ts'
import type { ApiSources } from '../sources.ts'

const TOKEN = z
  .object({
    id: ID,
    name: NAME,
    role: z.enum(ADMIN_ROLES),
    tenant: SLUG.nullable().openapi({ description: 'What the role `tenant` sees; null for the others.' }),
    state: z.enum(['active', 'expired', 'revoked']),
    createdAt: TIME,
    expiresAt: TIME.nullable(),
    revokedAt: TIME.nullable(),
    lastUsedAt: TIME.nullable().openapi({ description: 'Coarse: written once a minute at most.' }),
  })
  .openapi('Token')

const MINTED = TOKEN.extend({
  token: z.string().openapi({ description: 'Shown once, stored nowhere.' }),
}).openapi('MintedToken')

const NEW_TOKEN = z
  .strictObject({
    name: NAME,
    role: z.enum(ADMIN_ROLES),
    tenant: SLUG.nullable().default(null),
    expires: EXPIRES.default('90d'),
  })
  .openapi('NewToken')

const TAGS = ['tokens']
const ADMIN = { role: 'admin', isForTenants: false } as const

/** /tokens: those of people and machines for this API. */
export function addTokens(api: Api, { control }: ApiSources): void {
  api.openapi(
    operation(ADMIN, {
      method: 'get',
      path: '/tokens',
      operationId: 'listTokens',
      tags: TAGS,
      request: {
        query: z.strictObject({
          limit: LIMIT,
          cursor: ID.optional(),
          inactive: z
            .enum(['true', 'false'])
            .default('false')
            .openapi({ description: 'Expired and revoked ones too.' }),
        }),
      },
      responses: { 200: json(pageOf(TOKEN), 'Tokens, newest first') },
    }),
    async (c) => {
      const { limit, cursor, inactive } = c.req.valid('query')
      const tokens = await listAdminTokens(control, {
        includeInactive: inactive === 'true',
        ...(cursor === undefined ? {} : { after: cursor }),
        limit: limit + 1,
      })
      return c.json(pageBody(tokens, limit, { body: tokenBody, cursor: ({ id }) => id }), 200)
    },
  )
  api.openapi(
    operation(ADMIN, {
      method: 'post',
      path: '/tokens',
      operationId: 'createToken',
      tags: TAGS,
      request: { headers: ONCE, body: jsonBody(NEW_TOKEN) },
      responses: { 201: json(MINTED, 'The token, this once') },
    }),
    async (c) => {
      const { name, role, tenant, expires } = c.req.valid('json')
      if ((role === 'tenant') !== (tenant !== null))
        throw ApiError.ofField('tenant', 'is for the role tenant, which needs it')
      const minted = await changeOnce(c, control, async (tx) => {
        const expiresAt = await expiryOf(tx, expires)
        const { id, text, digest } = mintAdminToken()
        const token = await insertAdminToken(tx, { id, digest, name, role, tenant, expiresAt })
        return { ...tokenBody(token), token: text }
      })
      return c.json(minted, 201)
    },
  )
  api.openapi(
    operation(ADMIN, {
      method: 'delete',
      path: '/tokens/{id}',
      operationId: 'revokeToken',
      tags: TAGS,
      description: 'Revokes a token for good; sessions that were opened with it end.',
      request: { params: z.object({ id: ID }) },
      responses: { 200: json(TOKEN, 'Revoked, or revoked before') },
    }),
    async (c) => {
      const { token } = await change(c, control, (tx) => revokeAdminToken(tx, c.req.valid('param').id))
      return c.json(tokenBody(token), 200)
    },
  )
}

function tokenBody(token: AdminToken): z.infer<typeof TOKEN> {
  const { id, name, role, tenant, state, createdAt, expiresAt, revokedAt, lastUsedAt } = token
  return {
    id,
    name,
    role,
    tenant,
    createdAt: createdAt.toISOString(),
    expiresAt: expiresAt?.toISOString() ?? null,
    revokedAt: revokedAt?.toISOString() ?? null,
    lastUsedAt: lastUsedAt?.toISOString() ?? null,
    state,
  }
}
