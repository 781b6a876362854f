import { digestKey, isWellFormedKey, KEY_LENGTH, keyIdOf } from '../../model/api-key.ts'
import type { KeyGrant, Snapshot, TenantGrant } from '../../model/grant.ts'
import { isInNetworks } from '../../model/network.ts'
import type { Outcome, Reason } from '../../model/outcome.ts'
import { SEVERAL, type Credential } from '../headers/credentials.ts'

/** The outcome of authentication. On refusal `key` and `tenant` say whom the request is attributed to, if anybody. */
export type Authentication =
  | { readonly ok: true; readonly key: KeyGrant; readonly tenant: TenantGrant }
  | {
      readonly ok: false
      readonly outcome: Outcome
      readonly reason: Reason
      readonly key: KeyGrant | null
    }

/**
 * Digests of keys that were found lately, by their public id: no secret is kept. A text with such an id and digest
 * needs no checksum, which saves 0.7 of 1.6 µs, measured, and nothing else: the key is looked up in the snapshot each time, so a revocation
 * is never later for it. Only keys that exist get here, so garbage pushes nobody out.
 */
const KNOWN = new Map<string, string>()
const MAX_KNOWN = 8192

function remember(id: string, digest: string): void {
  if (KNOWN.size >= MAX_KNOWN) KNOWN.clear()
  KNOWN.set(id, digest)
}

/**
 * Decides from memory alone. A malformed key never causes a look-up; the look-up is by digest, so its time does not depend
 * on how much of a key was guessed. `nowMs` is epoch milliseconds, `clientIp` a plain address.
 */
export function authenticate(
  credential: Credential | null,
  snapshot: Snapshot,
  clientIp: string,
  nowMs: number,
): Authentication {
  if (credential === null) return refusal('missing_key', null)
  if (credential === SEVERAL) return refusal('several_credentials', null)
  const { text } = credential
  const id = keyIdOf(text)
  const knownDigest = text.length === KEY_LENGTH ? KNOWN.get(id) : undefined
  let digest = knownDigest === undefined ? '' : digestKey(text)
  const isKnown = knownDigest === digest
  // The same text, whose hash the look-up need not compute again.
  if (isKnown) digest = knownDigest
  else {
    if (!isWellFormedKey(text)) return refusal('malformed_key', null)
    digest ||= digestKey(text)
  }
  const key = snapshot.keyByDigest(digest)
  if (key === undefined) return refusal('unknown_key', null)
  if (!isKnown) remember(id, digest)
  if (key.isRevoked) return refusal('revoked_key', key)
  if (key.expiresAtMs <= nowMs) return refusal('expired_key', key)
  const tenant = snapshot.tenants.get(key.tenant)
  if (tenant === undefined || tenant.state === 'deleted') return refusal('deleted', key)
  if (tenant.state === 'suspended') {
    return { ok: false, outcome: 'tenant_suspended', reason: 'suspended', key }
  }
  if (key.networks !== null && !isInNetworks(key.networks, clientIp)) return refusal('network', key)
  return { ok: true, key, tenant }
}

function refusal(reason: Reason, key: KeyGrant | null): Authentication {
  return { ok: false, outcome: 'unauthenticated', reason, key }
}
