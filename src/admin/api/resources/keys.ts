import { z } from '@hono/zod-openapi'
import type { Context } from 'hono'
import { mintKey } from '../../../model/api-key.ts'
import { DURATION_FORM, parseDurationMs } from '../../../model/duration.ts'
import {
  getKey,
  insertKey,
  listKeys,
  revokeKey,
  rotateKey,
  updateKey,
  type ApiKey,
} from '../../../store/directory/keys.ts'
import { StoreError } from '../../../store/errors.ts'
import { change } from '../change.ts'
import { changeOnce, ONCE } from '../once.ts'
import { EXPIRES, expiryOf, ID, NAME, RATE, SCOPE, SLUG } from '../fields.ts'
import {
  ifMatch,
  json,
  jsonBody,
  LIMIT,
  operation,
  pageBody,
  pageOf,
  tenantScope,
  TIME,
  type Api,
  type ApiEnv,
} from '../operation.ts'
import { readReceipts, RECEIPT } from '../receipts.ts'
import type { ApiSources } from '../sources.ts'

const KEY = z
  .object({
    id: ID,
    tenant: SLUG,
    name: NAME.nullable(),
    state: z.enum(['active', 'expired', 'revoked']),
    scopes: z.array(z.string()),
    allowNetworks: z.array(z.string()).openapi({ description: 'CIDR; none means all.' }),
    rateLimit: RATE,
    expiresAt: TIME.nullable(),
    revokedAt: TIME.nullable(),
    rotatedTo: ID.nullable(),
    createdAt: TIME,
    lastUsedAt: TIME.nullable().openapi({ description: 'Coarse: gateways write it about once a minute.' }),
    version: z.int(),
  })
  .openapi('Key')

const MINTED = KEY.extend({
  key: z.string().openapi({ description: 'Shown once, stored nowhere.' }),
}).openapi('MintedKey')

const NETWORK = z.union([z.ipv4(), z.ipv6(), z.cidrv4(), z.cidrv6()], {
  error: 'an address or a CIDR network',
})

const NEW_KEY = z
  .strictObject({
    tenant: SLUG,
    name: NAME.nullable().default(null),
    scopes: z.array(SCOPE).min(1).max(100),
    allowNetworks: z.array(NETWORK).max(100).default([]),
    rateLimit: RATE.default(null),
    expires: EXPIRES.default(null),
  })
  .openapi('NewKey')

const CHANGES = z
  .strictObject({ name: NAME.nullable(), rateLimit: RATE, expires: EXPIRES })
  .partial()
  .openapi('KeyChanges')

const DURATION = z.string().refine((text) => parseDurationMs(text) !== null, { error: DURATION_FORM })
const ROTATION = z.strictObject({
  overlap: DURATION.default('24h').openapi({ description: 'How long the old key goes on working.' }),
})

const PATH = { params: z.object({ id: ID }) }
const TAGS = ['keys']
const READ = { role: 'viewer', isForTenants: true } as const
/** A tenant looks after its own keys. */
const CHANGE = { role: 'operator', isForTenants: true } as const

/** /keys: to mint, list, limit, rotate and revoke them. */
export function addKeys(api: Api, sources: ApiSources): void {
  addReading(api, sources)
  addMinting(api, sources)
  addChanging(api, sources)
}

function addReading(api: Api, { control }: ApiSources): void {
  api.openapi(
    operation(READ, {
      method: 'get',
      path: '/keys',
      operationId: 'listKeys',
      tags: TAGS,
      request: {
        query: z.strictObject({
          limit: LIMIT,
          cursor: ID.optional(),
          tenant: SLUG.optional(),
          inactive: z
            .enum(['true', 'false'])
            .default('false')
            .openapi({ description: 'Expired and revoked ones too.' }),
        }),
      },
      responses: { 200: json(pageOf(KEY), 'Keys by tenant, newest first') },
    }),
    async (c) => {
      const { limit, cursor, tenant, inactive } = c.req.valid('query')
      const scope = tenantScope(c, tenant)
      const keys = await listKeys(control, {
        ...(scope === undefined ? {} : { tenant: scope }),
        includeInactive: inactive === 'true',
        ...(cursor === undefined ? {} : { after: cursor }),
        limit: limit + 1,
      })
      return c.json(pageBody(keys, limit, { body: keyBody, cursor: ({ id }) => id }), 200)
    },
  )
  api.openapi(
    operation(READ, {
      method: 'get',
      path: '/keys/{id}',
      operationId: 'getKey',
      tags: TAGS,
      request: PATH,
      responses: { 200: json(KEY, 'The key; its version is the ETag') },
    }),
    async (c) => answer(c, await ownKey(c, control)),
  )
  api.openapi(
    operation(READ, {
      method: 'get',
      path: '/keys/{id}/receipts',
      operationId: 'listReceipts',
      tags: TAGS,
      description: 'Which gateway processes serve by the last change of the key: ask again until all do.',
      request: PATH,
      responses: { 200: json(pageOf(RECEIPT), 'Every process that follows this database') },
    }),
    async (c) => {
      const { id } = await ownKey(c, control)
      return c.json({ items: await readReceipts(c, control, { table: 'api_keys', id }), next: null }, 200)
    },
  )
}

function addMinting(api: Api, { control }: ApiSources): void {
  api.openapi(
    operation(CHANGE, {
      method: 'post',
      path: '/keys',
      operationId: 'mintKey',
      tags: TAGS,
      request: { headers: ONCE, body: jsonBody(NEW_KEY) },
      responses: { 201: json(MINTED, 'The key, this once') },
    }),
    async (c) => {
      const { expires, tenant, ...given } = c.req.valid('json')
      const owner = tenantScope(c, tenant) ?? tenant
      const minted = await changeOnce(c, control, async (tx) => {
        const expiresAt = await expiryOf(tx, expires)
        const { id, text, digest } = mintKey()
        const key = await insertKey(tx, { ...given, id, digest, tenant: owner, expiresAt })
        return { ...keyBody(key), key: text }
      })
      return c.json(minted, 201, { etag: `"${minted.version}"` })
    },
  )
  api.openapi(
    operation(CHANGE, {
      method: 'post',
      path: '/keys/{id}/rotate',
      operationId: 'rotateKey',
      tags: TAGS,
      description: 'Makes a successor with the same rights; the old key ends with the overlap.',
      request: { ...PATH, headers: ONCE, body: jsonBody(ROTATION) },
      responses: { 201: json(MINTED, 'The successor, this once') },
    }),
    async (c) => {
      const { id: oldId } = await ownKey(c, control)
      const overlapMs = parseDurationMs(c.req.valid('json').overlap) ?? 0
      const minted = await changeOnce(c, control, async (tx) => {
        const { id, text, digest } = mintKey()
        const { new: successor } = await rotateKey(tx, oldId, { id, digest }, overlapMs)
        return { ...keyBody(successor), key: text }
      })
      return c.json(minted, 201, { etag: `"${minted.version}"` })
    },
  )
}

function addChanging(api: Api, { control }: ApiSources): void {
  api.openapi(
    operation(CHANGE, {
      method: 'patch',
      path: '/keys/{id}',
      operationId: 'changeKey',
      tags: TAGS,
      description: 'Changes name, limit or expiry. Takes effect on every gateway at once.',
      request: { ...PATH, body: jsonBody(CHANGES) },
      responses: { 200: json(KEY, 'Changed') },
    }),
    async (c) => {
      const { id } = await ownKey(c, control)
      const { expires, name, rateLimit } = c.req.valid('json')
      const changes = {
        ...(name === undefined ? {} : { name }),
        ...(rateLimit === undefined ? {} : { rateLimit }),
        ...(expires === undefined ? {} : { expiresAt: await expiryOf(control, expires) }),
      }
      return answer(c, await change(c, control, (tx) => updateKey(tx, id, changes, ifMatch(c))))
    },
  )
  api.openapi(
    operation(CHANGE, {
      method: 'post',
      path: '/keys/{id}/revoke',
      operationId: 'revokeKey',
      tags: TAGS,
      description: 'Ends a key, for good. /keys/{id}/receipts tells which gateways have it.',
      request: PATH,
      responses: { 200: json(KEY, 'Revoked, or revoked before') },
    }),
    async (c) => {
      const { id } = await ownKey(c, control)
      return answer(c, (await change(c, control, (tx) => revokeKey(tx, id))).key)
    },
  )
}

/** The key of the path. Throws a StoreError when there is none, or when it is not for this principal to see. */
async function ownKey(
  c: Context<ApiEnv, string, { out: { param: { id: string } } }>,
  control: ApiSources['control'],
): Promise<ApiKey> {
  const { id } = c.req.valid('param')
  const key = await getKey(control, id)
  const { tenant } = c.var.signedIn.principal
  if (key === null || (tenant !== null && key.tenant !== tenant))
    throw new StoreError('key_not_found', `there is no key ${id}`)
  return key
}

function answer(c: Context<ApiEnv>, key: ApiKey) {
  return c.json(keyBody(key), 200, { etag: `"${key.version}"` })
}

/** In the order of the command line's JSON. */
function keyBody(key: ApiKey): z.infer<typeof KEY> {
  return {
    id: key.id,
    tenant: key.tenant,
    name: key.name,
    scopes: [...key.scopes],
    allowNetworks: [...key.allowNetworks],
    rateLimit: key.rateLimit,
    expiresAt: key.expiresAt?.toISOString() ?? null,
    revokedAt: key.revokedAt?.toISOString() ?? null,
    rotatedTo: key.rotatedTo,
    createdAt: key.createdAt.toISOString(),
    lastUsedAt: key.lastUsedAt?.toISOString() ?? null,
    version: key.version,
    state: key.state,
  }
}
