import { createCipheriv, createDecipheriv, createHash, hkdfSync, randomBytes } from 'node:crypto'

const [SALT, NONCE, TAG] = [16, 12, 16]

/** SHA-256. */
export function digestOf(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}

/**
 * Encrypts with a text that is stored nowhere: a salt of 16 bytes, a nonce of 12, the tag of 16, the ciphertext (AES-256-GCM, NIST SP
 * 800-38D). `purpose` keeps what is sealed for one thing from being opened for another.
 */
export function seal(bytes: Buffer, key: string, purpose: string): Buffer {
  const [salt, nonce] = [randomBytes(SALT), randomBytes(NONCE)]
  const cipher = createCipheriv('aes-256-gcm', cipherKey(key, salt, purpose), nonce)
  const sealed = Buffer.concat([cipher.update(bytes), cipher.final()])
  return Buffer.concat([salt, nonce, cipher.getAuthTag(), sealed])
}

/** What was sealed. Throws for what was sealed with another text, or changed. */
export function unseal(sealed: Buffer, key: string, purpose: string): Buffer {
  const salt = sealed.subarray(0, SALT)
  const nonce = sealed.subarray(SALT, SALT + NONCE)
  const tag = sealed.subarray(SALT + NONCE, SALT + NONCE + TAG)
  const decipher = createDecipheriv('aes-256-gcm', cipherKey(key, salt, purpose), nonce, {
    authTagLength: TAG,
  })
  decipher.setAuthTag(tag)
  return Buffer.concat([decipher.update(sealed.subarray(SALT + NONCE + TAG)), decipher.final()])
}

/** HKDF, RFC 5869: who has the table and not the key has nothing. */
function cipherKey(key: string, salt: Buffer, purpose: string): Buffer {
  return Buffer.from(hkdfSync('sha256', key, salt, purpose, 32))
}
