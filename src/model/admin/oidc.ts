import { SLUG_PATTERN } from '../slug.ts'
import type { AdminRole, Principal } from './principal.ts'

/** How people sign in with OpenID Connect: the options `admin.oidc.*` and `admin.publicUrl`. */
export interface OidcSettings {
  readonly issuer: string
  readonly clientId: string
  /** A secret. */
  readonly clientSecret: string
  /** Separated by spaces, `openid` among them. */
  readonly scopes: string
  /** Origin under which browsers reach the admin listener. */
  readonly publicUrl: string
  /** What the button says. */
  readonly label: string
  readonly rolesClaim: string
  /** Values of the claim, with what each may: `viewer`, `operator`, `admin` or `tenant:<slug>`. */
  readonly roles: Readonly<Record<string, string>>
  readonly nameClaim: string
  /** Longest life of a session. */
  readonly sessionMs: number
}

/** What an issuer said of somebody, as a session keeps it. */
export interface Person {
  readonly issuer: string
  /** `sub`: the issuer gives it to nobody else (OpenID Connect Core §2). */
  readonly subject: string
  /** For people. */
  readonly name: string
  /** Of the roles' claim, those that the configuration knew. */
  readonly values: readonly string[]
}

/** Longest that is kept of a name and of a subject (OpenID Connect Core §2 has 255 for the latter). */
const MAX_NAME = 200
const MAX_SUBJECT = 255
/** Most values of the roles' claim that are looked at. */
const MAX_VALUES = 1000

/** What stands for a role in the configuration; null when it is none. */
export function readOidcRole(text: string): { role: AdminRole; tenant: string | null } | null {
  if (text === 'viewer' || text === 'operator' || text === 'admin') return { role: text, tenant: null }
  const tenant = text.startsWith('tenant:') ? text.slice('tenant:'.length) : ''
  return SLUG_PATTERN.test(tenant) ? { role: 'tenant', tenant } : null
}

/**
 * The person that the claims of an ID token name; null without a subject of a length that may be, or with one that cannot be shown as it is:
 * two of them must not become one.
 */
export function personOf(
  claims: Readonly<Record<string, unknown>>,
  { issuer, nameClaim, rolesClaim, roles }: OidcSettings,
): Person | null {
  const { sub } = claims
  if (typeof sub !== 'string' || sub === '' || printable(sub, MAX_SUBJECT) !== sub) return null
  const named = claims[nameClaim]
  const name = printable(typeof named === 'string' ? named : '', MAX_NAME) || printable(sub, MAX_NAME)
  const values = valuesOf(rolesClaim, claims[rolesClaim]).filter((value) => Object.hasOwn(roles, value))
  return { issuer, subject: sub, name, values }
}

/** A claim is a text, or a list of them. `scope` alone is a list in a text (RFC 8693 §4.2): "Not admins" is not the group `admins`. */
function valuesOf(name: string, claim: unknown): string[] {
  if (typeof claim === 'string')
    return name === 'scope' ? [...new Set(claim.split(' ', MAX_VALUES))] : [claim]
  if (!Array.isArray(claim)) return []
  return [...new Set(claim.slice(0, MAX_VALUES).filter((value) => typeof value === 'string'))]
}

/** Names come from strangers, and stand in logs and lists. */
function printable(text: string, max: number): string {
  return text
    .replaceAll(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu, '')
    .trim()
    .slice(0, max)
    .replace(/[\ud800-\udbff]$/, '')
}

const RANK: readonly AdminRole[] = ['tenant', 'viewer', 'operator', 'admin']

/**
 * Who a person is by the configuration in force: the highest of the roles, of several tenants the first by name; null for nobody.
 * Asked for each request of a session, so that what is taken out of the configuration is gone at once.
 */
export function principalOfPerson(person: Person, settings: OidcSettings): Principal | null {
  if (person.issuer !== settings.issuer) return null
  const granted = person.values
    .flatMap((value) => (Object.hasOwn(settings.roles, value) ? [settings.roles[value] ?? ''] : []))
    .map(readOidcRole)
    .filter((one) => one !== null)
    .toSorted(
      (a, b) => RANK.indexOf(b.role) - RANK.indexOf(a.role) || ((a.tenant ?? '') < (b.tenant ?? '') ? -1 : 1),
    )[0]
  if (granted === undefined) return null
  return { name: person.name, ...granted, kind: 'oidc', tokenId: null, subject: person.subject }
}
