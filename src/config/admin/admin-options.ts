import { readOidcRole } from '../../model/admin/oidc.ts'
import { integer, isHost, mapping, milliseconds, text } from '../option-rows.ts'

const DAY_MS = 86_400_000

/** A secure origin; a plain one only on this machine, where no one listens in. */
function isSafeUrl(v: string, isOrigin: boolean): boolean {
  if (v === '') return true
  if (!URL.canParse(v) || !/^https?:\/\/[^/?#@\s\\]+(?:\/[^?#@\s\\]*)?$/.test(v)) return false
  const { protocol, hostname, pathname } = new URL(v)
  const isLocal = /^(?:localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(hostname)
  return (protocol === 'https:' || isLocal) && (!isOrigin || pathname === '/')
}

const isPlain = (v: string): boolean => /^[^\p{Cc}]{0,512}$/u.test(v)

/** The admin listener, and how people sign in to it. */
export const ADMIN_OPTIONS = {
  'admin.host': text('127.0.0.1', 'an address or host name', 'Address of the admin listener', isHost, {
    actsOn: 'restart',
  }),
  'admin.port': integer(8090, 0, 65_535, 'Port of the admin listener; 0 takes a free one', {
    actsOn: 'restart',
  }),
  'admin.token': text(
    '',
    'a text of 16 to 512 characters',
    'Bearer token of the admin listener; required when its address is not loopback',
    (v) => v === '' || (v.length >= 16 && v.length <= 512),
    { isSecret: true, actsOn: 'restart' },
  ),
  'admin.publicUrl': text(
    '',
    'https://host or https://host:port without a path; http:// only on this machine',
    'How browsers reach the admin listener: where an issuer sends people back to, at /api/v1/session/oidc/callback',
    (v) => isSafeUrl(v, true),
    { actsOn: 'reload' },
  ),
  'admin.oidc.issuer': text(
    '',
    'empty, or an https URL; http:// only on this machine',
    'Issuer at which people sign in with OpenID Connect; empty for none',
    (v) => v.length <= 2048 && isSafeUrl(v, false),
    { actsOn: 'reload' },
  ),
  'admin.oidc.clientId': text('', 'up to 512 characters', 'What the issuer calls this gateway', isPlain, {
    actsOn: 'reload',
  }),
  'admin.oidc.clientSecret': text(
    '',
    'up to 512 characters',
    'By which the gateway proves itself to the issuer',
    isPlain,
    { isSecret: true, actsOn: 'reload' },
  ),
  'admin.oidc.scopes': text(
    'openid profile email',
    'names with a space between them, openid among them',
    'What the issuer is asked for',
    (v) =>
      /^[\x21\x23-\x5b\x5d-\x7e]+(?: [\x21\x23-\x5b\x5d-\x7e]+)*$/.test(v) && v.split(' ').includes('openid'),
    { actsOn: 'reload' },
  ),
  'admin.oidc.rolesClaim': text(
    'groups',
    '1 to 512 characters',
    'Claim of the ID token or of userinfo, a text or a list of them, whose values admin.oidc.roles has',
    (v) => v !== '' && isPlain(v),
    { actsOn: 'reload' },
  ),
  'admin.oidc.roles': mapping(
    'a mapping such as { "platform": admin, "team-a": "tenant:acme" } to viewer, operator, admin or tenant:<slug>; in a variable as JSON',
    'What values of the claim may do; the highest counts, of several tenants the first by name',
    (value) => readOidcRole(value) !== null,
    { actsOn: 'reload' },
  ),
  'admin.oidc.nameClaim': text(
    'email',
    '1 to 512 characters',
    'Claim of the ID token or of userinfo with the name by which a person is shown, and stands in the admin log',
    (v) => v !== '' && isPlain(v),
    { actsOn: 'reload' },
  ),
  'admin.oidc.label': text(
    'OpenID Connect',
    '1 to 60 characters',
    'What the console\'s button says after "Sign in with"',
    (v) => /^[^\p{Cc}]{1,60}$/u.test(v),
    { actsOn: 'reload' },
  ),
  'admin.oidc.sessionMs': milliseconds(
    28_800_000,
    60_000,
    7 * DAY_MS,
    'Longest time for which a person stays signed in',
    { actsOn: 'reload' },
  ),
} as const
