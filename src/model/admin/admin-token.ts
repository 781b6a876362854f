import { hasRightChecksum, mintSecret, type MintedKey } from '../api-key.ts'

/** A token's text: as a key's (see KEY_PATTERN), beginning `wba_`. */
const TOKEN_PATTERN = /^wba_[0-9a-z]{12}_[0-9A-Za-z]{38}$/

/** Mints a token of the admin API. */
export function mintAdminToken(): MintedKey {
  return mintSecret('wba_')
}

/** True when the text has a token's form and its checksum is right; says nothing about whether the token exists. */
export function isWellFormedAdminToken(text: string): boolean {
  return TOKEN_PATTERN.test(text) && hasRightChecksum(text)
}
