import { type KeyGrant, type TenantGrant, tenantGrant } from '../model/grant.ts'
import { compileScopes } from '../model/scope.ts'

/** For tests: an active tenant, `acme` unless told, with the settings that a new one has. */
export function tenantOf(changes: Partial<TenantGrant> = {}): TenantGrant {
  return tenantGrant({ slug: 'acme', state: 'active', version: 1, ...changes })
}

/** For tests: a key of `acme` that may do everything from everywhere, for ever. */
export function keyOf(changes: Partial<KeyGrant> = {}): KeyGrant {
  return {
    id: 'k',
    tenant: 'acme',
    scopes: compileScopes(['*:*']),
    expiresAtMs: Infinity,
    isRevoked: false,
    networks: null,
    rateLimit: null,
    version: 1,
    ...changes,
  }
}
