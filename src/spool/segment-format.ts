import { crc32 } from 'node:zlib'

/*
 * A segment is a file of frames, one batch each, nothing between them; numbers are little-endian:
 *
 *   magic 4 │ version 2 │ 0: 2 │ header length 4 │ body length 4 │ entries 4 │ CRC-32 of header and body 4 │ CRC-32 of these 24 bytes 4
 *   header and body: see FrameCodec
 *
 * The magic's first two bytes occur in no UTF-8 text, so that it is found again after damage.
 */
const MAGIC = Buffer.from([0xff, 0xfe, 0x57, 0x42])
/**
 * What is written. Versions differ in what batches hold: rows of the access log's first form, or up to its second, or up to its third. A
 * program that does not know a form would have each row of it refused; by the number it leaves the segment alone.
 */
const VERSION = 3
const OLDEST_VERSION = 1

/** No gateway writes longer frames. A longer length is damage, and believing it would exhaust the memory. */
const MAX_FRAME_BYTES = 512 * 1024 * 1024

/** Length of the part before the header. */
export const HEAD_BYTES = 28

/** A batch as bytes. */
export interface FrameContent {
  /** How many entries the batch has: they can be counted without decoding it. */
  readonly entries: number
  /** What describes the body, e.g. JSON. */
  readonly header: Buffer
  readonly body: Buffer
}

/** How a batch, which is what one call appends, becomes bytes and is read back. */
export interface FrameCodec<Batch> {
  /** The body is not copied, and must not change. */
  encode(batch: Batch): FrameContent
  /** The inverse, of content whose checksum is right; null when it is no batch. Must not throw. */
  decode(content: FrameContent): Batch | null
  /** What the operator knows it by, e.g. `batch 7`. */
  nameOf(batch: Batch): string
}

/** What the first bytes of a frame say. */
export interface FrameHead {
  readonly headerBytes: number
  readonly bodyBytes: number
  /** Entries in the batch. */
  readonly entries: number
  readonly checksum: number
  /** Of the whole frame. */
  readonly totalBytes: number
}

/** The pieces of a frame, in order, their length, and the number of entries. */
export interface EncodedFrame {
  readonly pieces: readonly Buffer[]
  readonly bytes: number
  readonly entries: number
}

/** The content as a frame. Nothing of it is copied. */
export function encodeFrame({ entries, header, body }: FrameContent): EncodedFrame {
  const head = Buffer.alloc(HEAD_BYTES)
  MAGIC.copy(head)
  head.writeUInt16LE(VERSION, 4)
  head.writeUInt32LE(header.length, 8)
  head.writeUInt32LE(body.length, 12)
  head.writeUInt32LE(entries, 16)
  head.writeUInt32LE(crc32(body, crc32(header)), 20)
  head.writeUInt32LE(crc32(head.subarray(0, 24)), 24)
  return { pieces: [head, header, body], bytes: HEAD_BYTES + header.length + body.length, entries }
}

/** The head at the start of `bytes`; null when there is none, or a damaged one. */
export function decodeHead(bytes: Buffer): FrameHead | null {
  if (bytes.length < HEAD_BYTES || !bytes.subarray(0, 4).equals(MAGIC)) return null
  const version = bytes.readUInt16LE(4)
  if (bytes.readUInt32LE(24) !== crc32(bytes.subarray(0, 24))) return null
  if (version < OLDEST_VERSION || version > VERSION) return null
  const headerBytes = bytes.readUInt32LE(8)
  const bodyBytes = bytes.readUInt32LE(12)
  if (headerBytes + bodyBytes > MAX_FRAME_BYTES) return null
  return {
    headerBytes,
    bodyBytes,
    entries: bytes.readUInt32LE(16),
    checksum: bytes.readUInt32LE(20),
    totalBytes: HEAD_BYTES + headerBytes + bodyBytes,
  }
}

/** Whether a later version has written the frame that begins here: its head is whole, and not for us. */
export function isNewerFormat(bytes: Buffer): boolean {
  if (bytes.length < HEAD_BYTES || !bytes.subarray(0, 4).equals(MAGIC)) return false
  return bytes.readUInt32LE(24) === crc32(bytes.subarray(0, 24)) && bytes.readUInt16LE(4) > VERSION
}

/** The content of a frame: `payload` is all that follows its head. Null when it is damaged. */
export function decodePayload(head: FrameHead, payload: Buffer): FrameContent | null {
  if (payload.length !== head.totalBytes - HEAD_BYTES || crc32(payload) !== head.checksum) return null
  const header = payload.subarray(0, head.headerBytes)
  return { entries: head.entries, header, body: payload.subarray(head.headerBytes) }
}

/** Where the next frame may begin, from `start` on; -1 for nowhere. */
export function findMagic(bytes: Buffer, start: number): number {
  return bytes.indexOf(MAGIC, start)
}
