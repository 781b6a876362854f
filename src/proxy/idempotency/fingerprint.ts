import { createHash } from 'node:crypto'

/**
 * SHA-256 of what makes a request the same: method, path, query and body. The body is last and all before it has its length told, so that
 * no two requests read the same.
 */
export function fingerprintOf(method: string, target: string, body: Buffer): Buffer {
  return createHash('sha256').update(`${method} ${target.length} ${target}\n`).update(body).digest()
}
