import { z } from '@hono/zod-openapi'
import type { Context } from 'hono'
import { LOG_POLICIES } from '../../../model/log-policy.ts'
import type { TenantChanges } from '../../../model/tenant-settings.ts'
import { INITIAL_SETTINGS } from '../../../model/tenant-settings.ts'
import { StoreError } from '../../../store/errors.ts'
import {
  createTenant,
  getTenant,
  listTenants,
  setTenantState,
  updateTenant,
  type Tenant,
} from '../../../store/directory/tenants.ts'
import { change } from '../change.ts'
import { RATE, SLUG } from '../fields.ts'
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
import { ApiError } from '../problems.ts'
import { readReceipts, RECEIPT } from '../receipts.ts'
import type { ApiSources } from '../sources.ts'

const SETTINGS = z.strictObject({
  rateLimit: RATE,
  routeRateLimits: z.record(SLUG, RATE).openapi({ description: 'By route; null removes one.' }),
  maxConcurrency: z.int().min(1).max(1_000_000).nullable(),
  logPolicy: z.enum(LOG_POLICIES),
})

const TENANT = z
  .object({
    slug: SLUG,
    state: z.enum(['active', 'suspended', 'deleted']),
    ...SETTINGS.shape,
    version: z.int(),
    createdAt: TIME,
    updatedAt: TIME,
  })
  .openapi('Tenant')

const CHANGES = SETTINGS.partial().openapi('TenantSettings')
const PATH = { params: z.object({ slug: SLUG }) }
const TAGS = ['tenants']

/** /tenants: to list, create, limit, suspend and delete them. */
export function addTenants(api: Api, sources: ApiSources): void {
  addReading(api, sources)
  addReceipts(api, sources)
  addChanging(api, sources)
  addStates(api, sources)
}

function addReading(api: Api, { control }: ApiSources): void {
  api.openapi(
    operation(
      { role: 'viewer', isForTenants: true },
      {
        method: 'get',
        path: '/tenants',
        operationId: 'listTenants',
        tags: TAGS,
        request: {
          query: z.strictObject({
            limit: LIMIT,
            cursor: SLUG.optional(),
            deleted: z.enum(['true', 'false']).default('false').openapi({ description: 'Deleted ones too.' }),
          }),
        },
        responses: { 200: json(pageOf(TENANT), 'Tenants by slug') },
      },
    ),
    async (c) => {
      const { limit, cursor = '', deleted } = c.req.valid('query')
      const own = tenantScope(c, undefined)
      if (own !== undefined) {
        const tenant = await getTenant(control, own)
        return c.json({ items: tenant === null ? [] : [tenantBody(tenant)], next: null }, 200)
      }
      const rows = await listTenants(control, {
        after: cursor,
        limit: limit + 1,
        includeDeleted: deleted === 'true',
      })
      return c.json(pageBody(rows, limit, { body: tenantBody, cursor: ({ slug }) => slug }), 200)
    },
  )
  api.openapi(
    operation(
      { role: 'viewer', isForTenants: true },
      {
        method: 'get',
        path: '/tenants/{slug}',
        operationId: 'getTenant',
        tags: TAGS,
        request: PATH,
        responses: { 200: json(TENANT, 'The tenant; its version is the ETag') },
      },
    ),
    async (c) => {
      const { slug } = c.req.valid('param')
      const tenant = await getTenant(control, tenantScope(c, slug) ?? slug)
      if (tenant === null) throw new StoreError('tenant_not_found', `there is no tenant ${slug}`)
      return answer(c, tenant)
    },
  )
}

function addReceipts(api: Api, { control }: ApiSources): void {
  api.openapi(
    operation(
      { role: 'viewer', isForTenants: true },
      {
        method: 'get',
        path: '/tenants/{slug}/receipts',
        operationId: 'listTenantReceipts',
        tags: TAGS,
        description:
          'Which gateway processes serve by the last change of the tenant: ask again until all do.',
        request: PATH,
        responses: { 200: json(pageOf(RECEIPT), 'Every process that follows this database') },
      },
    ),
    async (c) => {
      const { slug } = c.req.valid('param')
      const id = tenantScope(c, slug) ?? slug
      return c.json({ items: await readReceipts(c, control, { table: 'tenants', id }), next: null }, 200)
    },
  )
}

function addChanging(api: Api, { control }: ApiSources): void {
  api.openapi(
    operation(
      { role: 'operator', isForTenants: false },
      {
        method: 'put',
        path: '/tenants/{slug}',
        operationId: 'putTenant',
        tags: TAGS,
        description:
          'Creates the tenant, or replaces its settings: what is left out is as in a new one. `If-None-Match: *` only creates, `If-Match` only replaces that version. The same request again changes nothing.',
        request: { ...PATH, body: jsonBody(CHANGES) },
        responses: { 200: json(TENANT, 'Replaced'), 201: json(TENANT, 'Created') },
      },
    ),
    async (c) => {
      const { slug } = c.req.valid('param')
      const settings = { ...INITIAL_SETTINGS, ...c.req.valid('json') }
      const existing = await getTenant(control, slug)
      if (existing === null) {
        if (c.req.header('if-match') !== undefined) throw NOT_THERE
        return answer(c, await change(c, control, (tx) => createTenant(tx, slug, settings)), 201)
      }
      if (c.req.header('if-none-match') === '*')
        throw new ApiError(412, 'tenant_exists', {
          title: 'The tenant exists',
          detail: `tenant ${slug} exists, or existed: slugs are not used twice`,
        })
      return answer(
        c,
        await change(c, control, (tx) => updateTenant(tx, slug, replacing(existing, settings), ifMatch(c))),
      )
    },
  )
  api.openapi(
    operation(
      { role: 'operator', isForTenants: false },
      {
        method: 'patch',
        path: '/tenants/{slug}',
        operationId: 'changeTenant',
        tags: TAGS,
        description: 'Changes the settings that are given. Takes effect on every gateway at once.',
        request: { ...PATH, body: jsonBody(CHANGES) },
        responses: { 200: json(TENANT, 'Changed') },
      },
    ),
    async (c) =>
      answer(
        c,
        await change(c, control, (tx) =>
          updateTenant(tx, c.req.valid('param').slug, c.req.valid('json'), ifMatch(c)),
        ),
      ),
  )
}

function addStates(api: Api, { control }: ApiSources): void {
  const changeTo = (
    [method, path, operationId]: readonly [
      'post' | 'delete',
      '/tenants/{slug}/suspend' | '/tenants/{slug}/resume' | '/tenants/{slug}',
      string,
    ],
    state: 'suspended' | 'active' | 'deleted',
    description: string,
  ): void => {
    api.openapi(
      operation(
        { role: state === 'deleted' ? 'admin' : 'operator', isForTenants: false },
        {
          method,
          path,
          operationId,
          tags: TAGS,
          description,
          request: PATH,
          responses: { 200: json(TENANT, 'Done, or done before') },
        },
      ),
      async (c) =>
        answer(
          c,
          (await change(c, control, (tx) => setTenantState(tx, c.req.valid('param').slug, state))).tenant,
        ),
    )
  }
  changeTo(
    ['post', '/tenants/{slug}/suspend', 'suspendTenant'],
    'suspended',
    'Refuses all its requests until it is resumed.',
  )
  changeTo(['post', '/tenants/{slug}/resume', 'resumeTenant'], 'active', 'Ends a suspension.')
  changeTo(
    ['delete', '/tenants/{slug}', 'deleteTenant'],
    'deleted',
    'Deletes it and revokes its keys, for good; its access log stays.',
  )
}

const NOT_THERE = new ApiError(412, 'tenant_not_found', {
  title: 'The tenant does not exist',
  detail: 'If-Match asks for one that exists.',
})

/** A change that leaves exactly these settings: rates of routes that are not named are removed. */
function replacing(existing: Tenant, settings: TenantChanges): TenantChanges {
  const removed = Object.fromEntries(Object.keys(existing.routeRateLimits).map((route) => [route, null]))
  return { ...settings, routeRateLimits: { ...removed, ...settings.routeRateLimits } }
}

function answer<S extends 200 | 201 = 200>(c: Context<ApiEnv>, tenant: Tenant, status: S = 200 as S) {
  return c.json(tenantBody(tenant), status, { etag: `"${tenant.version}"` })
}

function tenantBody(tenant: Tenant): z.infer<typeof TENANT> {
  const {
    slug,
    state,
    rateLimit,
    routeRateLimits,
    maxConcurrency,
    logPolicy,
    version,
    createdAt,
    updatedAt,
  } = tenant
  return {
    slug,
    state,
    rateLimit,
    routeRateLimits,
    maxConcurrency,
    logPolicy,
    version,
    createdAt: createdAt.toISOString(),
    updatedAt: updatedAt.toISOString(),
  }
}
