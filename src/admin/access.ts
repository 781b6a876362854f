import { hash, timingSafeEqual } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import { isIP } from 'node:net'
import { isConsolePath } from './console-files.ts'
import type { Problem } from './problem.ts'

/** Paths that need no token: what orchestrators probe; and those of the console, whose files hold no data. */
const OPEN_PATHS: ReadonlySet<string> = new Set(['/healthz', '/readyz'])

/**
 * Decides which requests the admin listener answers. With a token: those that present it. Without one the listener is on loopback, and what has to
 * be kept out are other people's pages in the browser of this machine: those that had their name resolve to this address
 * (DNS rebinding, so the Host must not be a foreign name) and those that send requests across origins (so no foreign Origin).
 */
export class AccessRule {
  readonly #tokenDigest: Buffer | null
  readonly #host: string

  /** `token` '' for none; `host` is the address or name that the listener was told to listen on. */
  constructor(token: string, host: string) {
    this.#tokenDigest = token === '' ? null : digest(token)
    this.#host = host.toLowerCase()
  }

  /** Why the request is refused, or null when it is not. */
  refusal(path: string, headers: IncomingHttpHeaders): Problem | null {
    if (this.#tokenDigest !== null) {
      return OPEN_PATHS.has(path) ||
        isConsolePath(path) ||
        this.#isAuthorized(headers.authorization, this.#tokenDigest)
        ? null
        : UNAUTHORIZED
    }
    const host = headers.host ?? ''
    if (!this.#isOwnHost(host)) return FOREIGN_HOST
    const { origin } = headers
    return origin === undefined || isOriginOf(host, origin) ? null : FOREIGN_ORIGIN
  }

  #isAuthorized(authorization: string | undefined, expected: Buffer): boolean {
    const token = /^bearer +(\S+) *$/i.exec(authorization ?? '')?.[1]
    return token !== undefined && timingSafeEqual(digest(token), expected)
  }

  #isOwnHost(host: string): boolean {
    const name = /^(?:\[([\da-f:.]+)\]|([^:[\]]+))(?::\d{1,5})?$/i.exec(host.toLowerCase())
    const plain = name?.[1] ?? name?.[2] ?? ''
    // An IP literal cannot be rebound: it resolves to nothing but itself.
    return isIP(plain) !== 0 || plain === 'localhost' || (plain !== '' && plain === this.#host)
  }
}

const UNAUTHORIZED: Problem = {
  status: 401,
  title: 'The admin token is required',
  detail: 'Send it as Authorization: Bearer <token>.',
  headers: { 'www-authenticate': 'Bearer realm="waybill admin"' },
}

const FOREIGN_HOST: Problem = {
  status: 403,
  title: 'Foreign host name',
  detail: 'Without an admin token this listener answers only to localhost and to IP addresses.',
}

const FOREIGN_ORIGIN: Problem = {
  status: 403,
  title: 'Foreign origin',
  detail: 'Without an admin token this listener does not answer to pages of other origins.',
}

/** Whether an Origin field is that of pages from this host. */
export function isOriginOf(host: string, origin: string): boolean {
  const lower = origin.toLowerCase()
  return lower === `http://${host.toLowerCase()}` || lower === `https://${host.toLowerCase()}`
}

/** Whether two secrets are the same, in a time that does not depend on them. */
export function isSameText(one: string, other: string): boolean {
  return timingSafeEqual(digest(one), digest(other))
}

/** Digests have one length, so that a comparison of them tells nothing, not even the secret's length. */
function digest(text: string): Buffer {
  return hash('sha256', text, 'buffer')
}
