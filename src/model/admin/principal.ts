/** What a principal of the admin API may do, the least first; `tenant` stands apart: it sees one tenant, and changes nothing but its keys. */
export const ADMIN_ROLES = ['viewer', 'operator', 'admin', 'tenant'] as const

export type AdminRole = (typeof ADMIN_ROLES)[number]

/** Who asks the admin API. */
export interface Principal {
  /** For people: the token's name, `configured` for that of the configuration, `anonymous` for nobody, a person's. */
  readonly name: string
  readonly role: AdminRole
  /** The one tenant that the role `tenant` sees; null for the others. */
  readonly tenant: string | null
  readonly kind: 'token' | 'configured' | 'anonymous' | 'oidc'
  /** Public id of the token; null for the other kinds. */
  readonly tokenId: string | null
  /** What the issuer calls a person who signed in with OpenID Connect; of the kind `oidc` alone. */
  readonly subject?: string
}

/** Who may use an operation. */
export interface Access {
  /** The least role. */
  readonly role: Exclude<AdminRole, 'tenant'>
  /** Whether the role `tenant` may too, for what is its own. */
  readonly isForTenants: boolean
}

const RANK: Readonly<Record<Access['role'], number>> = { viewer: 1, operator: 2, admin: 3 }

/** Whether a principal may use an operation at all; a tenant's answers are restricted to its own besides. */
export function mayUse(principal: Principal, { role, isForTenants }: Access): boolean {
  return principal.role === 'tenant' ? isForTenants : RANK[principal.role] >= RANK[role]
}
