import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import { promisify } from 'node:util'
import { deflateRaw, deflateRawSync, inflateRawSync } from 'node:zlib'
import type { BodyKey } from '../model/delivery/body-key.ts'
import type { PackedBody } from '../model/delivery/parcel.ts'

const CIPHER = 'aes-256-gcm'
/** NIST SP 800-38D §8.2.2: 96 random bits; the tag has 128. */
const NONCE_BYTES = 12
const TAG_BYTES = 16
/** Smaller ones gain nothing by being packed. */
const MIN_BYTES = 512
/** Larger ones are packed on another thread. */
const MAX_SYNC_BYTES = 64 * 1024

const deflate = promisify<Buffer, object, Buffer>(deflateRaw)

/** Packs a body as it is kept: deflated where that makes it smaller, then encrypted with the first of the keys, if there is one. */
export async function packBody(body: Buffer, keys: readonly BodyKey[]): Promise<PackedBody> {
  const packed = body.length < MIN_BYTES ? body : await deflated(body)
  const isSmaller = packed.length < body.length
  const bytes = isSmaller ? packed : body
  const packing = isSmaller ? 'deflate' : ''
  const [first] = keys
  if (first === undefined) return { packing, bytes }
  const nonce = randomBytes(NONCE_BYTES)
  const cipher = createCipheriv(CIPHER, first.key, nonce)
  const sealed = Buffer.concat([cipher.update(bytes), cipher.final()])
  return {
    packing: `${packing}+${CIPHER}:${first.id}`,
    bytes: Buffer.concat([nonce, cipher.getAuthTag(), sealed]),
  }
}

/** The body of `packBody`. Throws an Error that says why for what cannot be opened. */
export function unpackBody({ packing, bytes }: PackedBody, keys: readonly BodyKey[]): Buffer {
  const [form = '', cipher] = packing.split('+')
  const plain = cipher === undefined ? bytes : opened(cipher, bytes, keys)
  if (form === '') return plain
  if (form !== 'deflate') throw new Error(`a body is packed in an unknown way: ${form.slice(0, 40)}`)
  return inflateRawSync(plain)
}

async function deflated(body: Buffer): Promise<Buffer> {
  // Of the levels the first is a third of the time of the usual one, and a tenth larger.
  const options = { level: 1 }
  return body.length > MAX_SYNC_BYTES ? await deflate(body, options) : deflateRawSync(body, options)
}

function opened(cipher: string, bytes: Buffer, keys: readonly BodyKey[]): Buffer {
  const id = cipher.slice(CIPHER.length + 1)
  const found = keys.find((key) => key.id === id)
  if (found === undefined)
    throw new Error(`the key ${id.slice(0, 40)} that a body is encrypted with is not there`)
  const decipher = createDecipheriv(CIPHER, found.key, bytes.subarray(0, NONCE_BYTES))
  decipher.setAuthTag(bytes.subarray(NONCE_BYTES, NONCE_BYTES + TAG_BYTES))
  return Buffer.concat([decipher.update(bytes.subarray(NONCE_BYTES + TAG_BYTES)), decipher.final()])
}
