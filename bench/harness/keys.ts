import { createHash, randomInt } from 'node:crypto'
import { crc32 } from 'node:zlib'
import type { Database } from './database.ts'

const BASE36 = '0123456789abcdefghijklmnopqrstuvwxyz'
const BASE62 = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
const RATE_PER_SECOND = 1_000_000
const CONCURRENCY = 1_000_000

/**
 * Makes tenants with a key each and returns the keys' texts. `keys mint` starts a process for each; for thousands their rows
 * are written as it writes them. With `isLimited` tenant and key have rates and a concurrency which are looked at but not met.
 */
export async function insertKeys(database: Database, count: number, isLimited: boolean): Promise<string[]> {
  const keys = Array.from({ length: count }, newKey)
  const slugs = keys.map((_, i) => `tenant-${i}`)
  const [rate, burst, concurrency] = isLimited
    ? [RATE_PER_SECOND, RATE_PER_SECOND, CONCURRENCY]
    : [null, null, null]
  await database.query(
    `INSERT INTO tenants (slug, rate_per_second, rate_burst, max_concurrency)
     SELECT slug, $2::float8, $3::integer, $4::integer FROM unnest($1::text[]) AS t (slug)`,
    [slugs, rate, burst, concurrency],
  )
  await database.query(
    `INSERT INTO api_keys (id, digest, tenant, scopes, rate_per_second, rate_burst)
     SELECT id, digest, tenant, '{*:*}', $4::float8, $5::integer
     FROM unnest($1::text[], $2::text[], $3::text[]) AS t (id, digest, tenant)`,
    [keys.map(idOf), keys.map(digestOf), slugs, rate, burst],
  )
  return keys
}

/** `wb_<id>_<secret><checksum>`, as docs and README describe it. */
function newKey(): string {
  const body = `wb_${randomText(12, BASE36)}_${randomText(32, BASE62)}`
  let rest = crc32(body)
  let checksum = ''
  for (let i = 0; i < 6; i++) {
    checksum = (BASE62[rest % 62] ?? '') + checksum
    rest = Math.floor(rest / 62)
  }
  return body + checksum
}

function randomText(length: number, alphabet: string): string {
  return Array.from({ length }, () => alphabet[randomInt(alphabet.length)]).join('')
}

function idOf(key: string): string {
  return key.split('_')[1] ?? ''
}

function digestOf(key: string): string {
  return createHash('sha256').update(key).digest('hex')
}
