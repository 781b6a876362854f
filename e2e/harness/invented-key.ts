import { crc32 } from 'node:zlib'

const BASE62 = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'

/** A key with a right checksum that nobody minted: `wb_<12 of 0-9a-z>_<32 of base62><CRC-32 in base62>`. */
export function inventedKey(n: number): string {
  const id = n.toString(36).padStart(12, '0')
  const body = `wb_${id}_${n.toString(10).padStart(32, 'x')}`
  let rest = crc32(body)
  let digits = ''
  for (let i = 0; i < 6; i++) {
    digits = (BASE62[rest % 62] ?? '') + digits
    rest = Math.floor(rest / 62)
  }
  return body + digits
}
