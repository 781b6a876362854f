import type { AdminToken } from '../../../store/access/admin-tokens.ts'
import type { ApiKey, KeyChanges } from '../../../store/directory/keys.ts'
import type { Tenant } from '../../../store/directory/tenants.ts'
import { CommandError } from '../../errors.ts'
import type { Confirmations, DirectoryPort } from '../plane.ts'
import type { ApiClient } from './api-client.ts'

/** What JSON makes of a type with moments. */
type Read<T> = { readonly [K in keyof T]: T[K] extends Date | null ? string | null : T[K] }

const KEY_TIMES = ['expiresAt', 'revokedAt', 'createdAt', 'lastUsedAt'] as const
const TOKEN_TIMES = ['createdAt', 'expiresAt', 'revokedAt', 'lastUsedAt'] as const
const TENANT_TIMES = ['createdAt', 'updatedAt'] as const

/** The moments of a row that JSON has as text. */
export function withTimes<T extends object>(row: object, names: readonly (keyof T & string)[]): T {
  const times = names.map((name) => {
    const text = (row as Readonly<Record<string, unknown>>)[name]
    return [name, typeof text === 'string' ? new Date(text) : null]
  })
  return { ...row, ...Object.fromEntries(times) } as T
}

const tenantOf = (row: object): Tenant => withTimes<Tenant>(row, TENANT_TIMES)
const keyOf = (row: object): ApiKey => withTimes<ApiKey>(row, KEY_TIMES)
const tokenOf = (row: object): AdminToken => withTimes<AdminToken>(row, TOKEN_TIMES)

/** Takes the secret out of an answer that has it beside what was made. */
function mintedOf<N extends 'key' | 'token', T>(
  answer: Read<T> & Readonly<Record<N, string>>,
  name: N,
  read: (row: object) => T,
): { made: T; text: string } {
  const { [name]: text, ...row } = answer
  return { made: read(row), text }
}

/** Tenants, keys and tokens over HTTP. */
export function remoteDirectory(api: ApiClient): DirectoryPort {
  return { ...namesOf(api), ...tenantsOf(api), ...keysOf(api), ...tokensOf(api) }
}

type Part<K extends keyof DirectoryPort> = Pick<DirectoryPort, K>

function namesOf(
  api: ApiClient,
): Part<'getTenant' | 'getKey' | 'isInLedger' | 'tenantsLike' | 'recentRoutes'> {
  return {
    getTenant: async (slug) => {
      const found = await api.find<object>(at('tenants', slug))
      return found === null ? null : tenantOf(found)
    },
    getKey: async (id) => {
      const found = await api.find<object>(at('keys', id))
      return found === null ? null : keyOf(found)
    },
    isInLedger: async (slug) => (await tenantNames(api, slug, 'true')).isInLedger === true,
    tenantsLike: async (slug) => (await tenantNames(api, slug, 'false')).like,
    recentRoutes: async () =>
      await ifPermitted(async () => (await api.ask<{ routes: string[] }>('GET', '/names')).routes, []),
  }
}

interface TenantNames {
  readonly isInLedger: boolean | null
  readonly like: readonly string[]
}

/** `ledger`: whether the ledger is to be searched, which takes as long as it is. */
async function tenantNames(api: ApiClient, slug: string, ledger: 'true' | 'false'): Promise<TenantNames> {
  const nothing = { isInLedger: null, like: [] }
  const ask = async () => await api.ask<TenantNames>('GET', at('names', slug), { query: { ledger } })
  return await ifPermitted(ask, nothing)
}

/** A token of a tenant may not ask: what only makes a message better must not fail a command that does without. */
async function ifPermitted<T>(ask: () => Promise<T>, otherwise: T): Promise<T> {
  try {
    return await ask()
  } catch (error) {
    if (error instanceof CommandError) return otherwise
    throw error
  }
}

function tenantsOf(api: ApiClient): Part<'listTenants' | 'createTenant' | 'updateTenant' | 'setTenantState'> {
  return {
    listTenants: async function* (includeDeleted) {
      const pages = api.pages<object>('/tenants', { deleted: String(includeDeleted) })
      for await (const page of pages) yield page.map(tenantOf)
    },
    createTenant: async (slug, body) =>
      tenantOf(await api.ask('PUT', at('tenants', slug), { body, isOnlyNew: true })),
    updateTenant: async (slug, body, ifMatch) =>
      tenantOf(await api.ask('PATCH', at('tenants', slug), { body, ifMatch })),
    setTenantState: async (slug, state) => {
      const before = await api.ask<{ version: number }>('GET', at('tenants', slug))
      const path = at('tenants', slug)
      const after =
        state === 'deleted'
          ? await api.ask<object>('DELETE', path)
          : await api.ask<object>('POST', `${path}/${state === 'active' ? 'resume' : 'suspend'}`)
      const tenant = tenantOf(after)
      return { tenant, changed: tenant.version !== before.version }
    },
  }
}

function keysOf(
  api: ApiClient,
): Part<'listKeys' | 'mintKey' | 'updateKey' | 'rotateKey' | 'revokeKey' | 'confirmations'> {
  return {
    listKeys: async ({ tenant, includeInactive }) => {
      const all: ApiKey[] = []
      const pages = api.pages<object>('/keys', { tenant, inactive: String(includeInactive === true) })
      for await (const page of pages) all.push(...page.map(keyOf))
      return all
    },
    mintKey: async ({ expiresAt, ...wish }) => {
      const body = { ...wish, expires: expiresAt?.toISOString() ?? null }
      return mintedOf<'key', ApiKey>(await api.ask('POST', '/keys', { body }), 'key', keyOf)
    },
    updateKey: async (id, changes, ifMatch) =>
      keyOf(await api.ask('PATCH', at('keys', id), { body: changesBody(changes), ifMatch })),
    rotateKey: async (id, overlapMs) => {
      const body = { overlap: `${overlapMs}ms` }
      const answer = await api.ask<Read<ApiKey> & { key: string }>('POST', `${at('keys', id)}/rotate`, {
        body,
      })
      const old = keyOf(await api.ask('GET', at('keys', id)))
      return { ...mintedOf<'key', ApiKey>(answer, 'key', keyOf), old }
    },
    revokeKey: async (id) => {
      const before = await api.ask<{ version: number }>('GET', at('keys', id))
      const key = keyOf(await api.ask('POST', `${at('keys', id)}/revoke`))
      return { key, changed: key.version !== before.version }
    },
    confirmations: async (table, id) => {
      const path = at(table === 'tenants' ? 'tenants' : 'keys', id)
      const found = await api.find<{ items: Receipt[] }>(`${path}/receipts`)
      if (found === null) return null
      const waiting = found.items.filter(({ isConfirmed }) => !isConfirmed)
      return {
        confirmed: found.items.length - waiting.length,
        waiting: waiting.map(({ instance, host, processId, silentMs }) => ({
          instance,
          host: host ?? '?',
          processId: processId ?? 0,
          silentMs,
        })),
      }
    },
  }
}

type Receipt = Omit<Confirmations['waiting'][number], 'host' | 'processId'> & {
  readonly host: string | null
  readonly processId: number | null
  readonly isConfirmed: boolean
}

function changesBody({ expiresAt, ...changes }: KeyChanges): object {
  return { ...changes, ...(expiresAt === undefined ? {} : { expires: expiresAt?.toISOString() ?? null }) }
}

const ALSO_ENDED = { inactive: 'true' }

function tokensOf(api: ApiClient): Part<'listTokens' | 'createToken' | 'revokeToken'> {
  return {
    listTokens: async (includeInactive) => {
      const all: AdminToken[] = []
      for await (const page of api.pages<object>('/tokens', { inactive: String(includeInactive) }))
        all.push(...page.map(tokenOf))
      return all
    },
    createToken: async ({ expiresAt, ...wish }) => {
      const body = { ...wish, expires: expiresAt?.toISOString() ?? null }
      return mintedOf<'token', AdminToken>(await api.ask('POST', '/tokens', { body }), 'token', tokenOf)
    },
    revokeToken: async (id) => {
      let changed = true
      for await (const page of api.pages<{ id: string; revokedAt: string | null }>('/tokens', ALSO_ENDED))
        if (page.some((token) => token.id === id && token.revokedAt !== null)) changed = false
      return { token: tokenOf(await api.ask('DELETE', at('tokens', id))), changed }
    },
  }
}

function at(collection: string, id: string): string {
  return `/${collection}/${encodeURIComponent(id)}`
}
