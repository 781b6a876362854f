import type { OidcSettings } from '../../model/admin/oidc.ts'
import type { Options } from '../options.ts'

type AdminOptions = Pick<Options, Extract<keyof Options, `admin.${string}`>>

/** How people sign in with OpenID Connect; null where they do not. */
export function oidcSettings(o: AdminOptions): OidcSettings | null {
  if (o['admin.oidc.issuer'] === '') return null
  return {
    issuer: o['admin.oidc.issuer'],
    clientId: o['admin.oidc.clientId'],
    clientSecret: o['admin.oidc.clientSecret'],
    scopes: o['admin.oidc.scopes'],
    publicUrl: new URL(o['admin.publicUrl']).origin,
    label: o['admin.oidc.label'],
    rolesClaim: o['admin.oidc.rolesClaim'],
    roles: o['admin.oidc.roles'],
    nameClaim: o['admin.oidc.nameClaim'],
    sessionMs: o['admin.oidc.sessionMs'],
  }
}

/** What is missing for people to sign in so; quotes the options' names. */
export function oidcProblems(o: AdminOptions): string[] {
  if (o['admin.oidc.issuer'] === '') return []
  const needed: readonly [boolean, string][] = [
    [o['admin.oidc.clientId'] !== '', 'admin.oidc.clientId'],
    [o['admin.oidc.clientSecret'] !== '', 'admin.oidc.clientSecret'],
    [Object.keys(o['admin.oidc.roles']).length > 0, 'admin.oidc.roles: without it nobody may do anything'],
    [o['admin.publicUrl'] !== '', 'admin.publicUrl: the issuer sends people back there'],
    [o['admin.token'] !== '', 'admin.token: without it everybody on loopback may look'],
  ]
  return needed.filter(([isMet]) => !isMet).map(([, what]) => `admin.oidc.issuer needs ${what}`)
}
