import { Readable } from 'node:stream'

/** Gives `length` bytes from `offset` on. The same offset always gives the same byte. */
export type BytesAt = (offset: number, length: number) => Buffer

/** One chunk: large enough for speed, small enough that thousands of stalled downloads are harmless. */
const chunkBytes = 64 * 1024

/**
 * The bytes of every generated sample file: one endless sequence, each file being its first `size` bytes. Word `i`
 * (32 bit, little endian) is MurmurHash3's finalizer of `i`, so that any range costs only its own length.
 */
export function generatedBytesAt(offset: number, length: number): Buffer {
  const firstWord = Math.floor(offset / 4)
  const words = Math.ceil((offset + length) / 4) - firstWord
  const bytes = Buffer.allocUnsafe(words * 4)
  for (let i = 0, at = 0; i < words; i += 1) {
    let word = Math.imul(firstWord + i + 1, 0x9e3779b1)
    word = Math.imul(word ^ (word >>> 16), 0x85ebca6b)
    word = Math.imul(word ^ (word >>> 13), 0xc2b2ae35)
    word ^= word >>> 16
    bytes[at++] = word
    bytes[at++] = word >>> 8
    bytes[at++] = word >>> 16
    bytes[at++] = word >>> 24
  }
  return bytes.subarray(offset % 4, (offset % 4) + length)
}

/** Streams `length` bytes from `offset` on, generating a chunk only when the reader asks for one. */
export function streamBytes(bytesAt: BytesAt, offset: number, length: number): Readable {
  let at = offset
  const end = offset + length
  return new Readable({
    highWaterMark: chunkBytes,
    read() {
      const size = Math.min(chunkBytes, end - at)
      if (size === 0) {
        this.push(null)
        return
      }
      this.push(bytesAt(at, size))
      at += size
    },
  })
}
