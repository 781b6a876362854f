import { errorCode } from '../lib/error-code.ts'
import {
  decodeHead,
  decodePayload,
  type EncodedFrame,
  findMagic,
  type FrameCodec,
  HEAD_BYTES,
  isNewerFormat,
} from './segment-format.ts'
import { type SpoolFile, type SpoolFiles } from './spool-files.ts'

/** What is read at once where a damaged place is searched for the next frame. */
const SEARCH_BYTES = 256 * 1024

/** A part of a segment. */
export interface Extent {
  readonly offset: number
  readonly bytes: number
}

/** A frame in a segment. */
export interface Frame<Batch> extends Extent {
  /** Entries in the batch. */
  readonly entries: number
  readonly batch: Batch
}

/**
 * A part that cannot be read. `damaged`: bytes that are no frame, up to the next one or the end; `torn`: the beginning of a frame that
 * was never finished, with nothing after it.
 */
export interface Unreadable extends Extent {
  readonly kind: 'damaged' | 'torn'
}

/** What is at a place of a segment. */
export type Reading<Batch> =
  | { readonly kind: 'frame'; readonly frame: Frame<Batch> }
  | Unreadable
  | { readonly kind: 'end' }

/** What a segment is made with. */
export interface SegmentParts<Batch> {
  readonly files: SpoolFiles
  readonly codec: FrameCodec<Batch>
}

/**
 * A file of frames, written by one process. Frames are read in order from the first that is not settled; those that were settled
 * out of order are stepped over:
 *
 *   │ settled │ settled │ frame at `cursor` │ settled │ frame │ … │ `bytes`
 */
export class Segment<Batch> {
  readonly path: string
  /** Whole frames, as far as this process wrote them. */
  bytes: number
  /** Rows in frames not settled; of a segment that another process wrote, as far as its heads can be read. */
  entries = 0
  /** Something in it could not be read. */
  isDamaged = false
  /** An append failed and its beginning could not be truncated: nothing may be appended any more. */
  isBroken = false
  /** Its file is not where it was: another process or a person has taken, moved or removed it. An open handle can still read it. */
  isGone = false
  /** Bytes up to the first frame that is not settled. */
  cursor = 0
  readonly #files: SpoolFiles
  readonly #codec: FrameCodec<Batch>
  #writer: SpoolFile | null
  #ended: Promise<void> | null = null
  #reader: SpoolFile | null = null
  /** Lengths of frames beyond the cursor that are settled, by offset. */
  readonly #settled = new Map<number, number>()
  #settledBytes = 0
  /** Lengths of frames that are set aside: not settled, and not read. */
  readonly #deferred = new Map<number, number>()
  #deferredBytes = 0
  /** Frames that need not be read back, by offset. */
  readonly #kept = new Map<number, Frame<Batch>>()
  #hasUnsynced = false

  private constructor(parts: SegmentParts<Batch>, path: string, bytes: number, writer: SpoolFile | null) {
    this.#files = parts.files
    this.#codec = parts.codec
    this.path = path
    this.bytes = bytes
    this.#writer = writer
  }

  /** A new one, open for writing. Rejects with the system's error. */
  static async create<Batch>(parts: SegmentParts<Batch>, path: string): Promise<Segment<Batch>> {
    return new Segment(parts, path, 0, await parts.files.open(path, 'wx+'))
  }

  /** One that another process wrote. Rejects with the system's error, and with `not_a_file`. */
  static async adopt<Batch>(parts: SegmentParts<Batch>, path: string): Promise<Segment<Batch>> {
    const stat = await parts.files.stat(path)
    if (!stat.isFile()) throw codedError('not_a_file')
    const segment = new Segment(parts, path, stat.size, null)
    await segment.#countEntries()
    return segment
  }

  /** Whether more can be appended. */
  get isOpen(): boolean {
    return this.#writer !== null && this.#ended === null
  }

  get isSettled(): boolean {
    return this.cursor >= this.bytes
  }

  /** Whether nothing is to be read of it: all is settled, or set aside. */
  get isExhausted(): boolean {
    return this.cursor + this.#settledBytes + this.#deferredBytes >= this.bytes
  }

  /** Sets a frame aside: it is stepped over until it is recalled. */
  defer({ offset, bytes }: Extent): void {
    if (offset < this.cursor || this.#settled.has(offset) || this.#deferred.has(offset)) return
    this.#deferred.set(offset, bytes)
    this.#deferredBytes += bytes
    this.#kept.delete(offset)
  }

  /** A frame that was set aside is read again. */
  recall({ offset }: Pick<Extent, 'offset'>): void {
    this.#deferredBytes -= this.#deferred.get(offset) ?? 0
    this.#deferred.delete(offset)
  }

  /** Whether its file is where it was. */
  async isThere(): Promise<boolean> {
    try {
      await this.#files.stat(this.path)
      return true
    } catch (error) {
      this.isGone = isMissing(error)
      return !this.isGone
    }
  }

  /**
   * Appends a batch, of which `encoded` are the bytes; `isKept`: it stays in memory, and need not be read back. Rejects with the system's
   * error; then the file is truncated to where it was. Where that fails too, the reader finds the frame torn.
   */
  async append(batch: Batch, encoded: EncodedFrame, isKept: boolean): Promise<Frame<Batch>> {
    const { pieces, bytes, entries } = encoded
    const writer = this.#writer
    if (writer === null) throw new Error('segment is not open')
    const offset = this.bytes
    try {
      // A write may end early, and say why only at the next.
      for (let written = 0; written < bytes;) {
        const { bytesWritten } = await writer.writev(piecesFrom(pieces, written), offset + written)
        if (bytesWritten === 0) throw Object.assign(new Error('nothing was written'), { code: 'EIO' })
        written += bytesWritten
      }
    } catch (error) {
      await writer.truncate(offset).catch(() => (this.isBroken = true))
      throw error
    }
    const frame = { offset, bytes, entries, batch }
    this.bytes = offset + bytes
    this.entries += entries
    this.#hasUnsynced = true
    if (isKept) this.#kept.set(offset, frame)
    return frame
  }

  /** Makes what was appended survive the machine. Rejects with the system's error. */
  async sync(): Promise<void> {
    if (this.#writer === null || !this.#hasUnsynced) return
    this.#hasUnsynced = false
    await this.#writer.datasync()
  }

  /** Syncs and ends the writing. Rejects with the system's error; it is ended even so. A second call returns the same promise. */
  endWriting(): Promise<void> {
    return (this.#ended ??= this.#endWriting())
  }

  /** What is at or after `from`: the cursor, or the end of another frame. Rejects with the system's error. */
  async read(from: number): Promise<Reading<Batch>> {
    let offset = from
    const skip = (at: number): number | undefined => this.#settled.get(at) ?? this.#deferred.get(at)
    for (let bytes = skip(offset); bytes !== undefined; bytes = skip(offset)) offset += bytes
    if (offset >= this.bytes) return { kind: 'end' }
    const kept = this.#kept.get(offset)
    if (kept !== undefined) return { kind: 'frame', frame: kept }
    const start = await this.#bytesAt(offset, HEAD_BYTES)
    const head = decodeHead(start)
    // A later version of the gateway wrote the segment, and can read it.
    if (isNewerFormat(start)) throw codedError('newer_format')
    if (head === null) return await this.#readDamaged(offset, start.length < HEAD_BYTES)
    const bytes = head.totalBytes
    // The head's own checksum says that this is its length: the file ends early.
    if (offset + bytes > this.bytes) return { kind: 'torn', offset, bytes: this.bytes - offset }
    const payload = await this.#bytesAt(offset + HEAD_BYTES, bytes - HEAD_BYTES)
    const content = decodePayload(head, payload)
    const batch = content === null ? null : this.#codec.decode(content)
    if (batch === null) return await this.#readDamaged(offset, false)
    return { kind: 'frame', frame: { offset, bytes, entries: head.entries, batch } }
  }

  /** Says that a part is done with. A second call for the same part changes nothing; returns whether it was the first. */
  settle(part: Extent & { readonly entries?: number }): boolean {
    if (part.offset < this.cursor || this.#settled.has(part.offset)) return false
    this.#kept.delete(part.offset)
    this.recall(part)
    this.entries = Math.max(0, this.entries - (part.entries ?? 0))
    this.#settled.set(part.offset, part.bytes)
    this.#settledBytes += part.bytes
    for (;;) {
      const bytes = this.#settled.get(this.cursor)
      if (bytes === undefined) return true
      this.#settled.delete(this.cursor)
      this.#settledBytes -= bytes
      this.cursor += bytes
    }
  }

  /** Ends all use of it; never rejects. */
  async close(): Promise<void> {
    await this.endWriting().catch(() => {})
    const reader = this.#reader
    this.#reader = null
    await reader?.close().catch(() => {})
  }

  async #endWriting(): Promise<void> {
    const writer = this.#writer
    if (writer === null) return
    try {
      await this.sync()
    } finally {
      this.#writer = null
      // No path leads to the file any more: this handle is the only way to read it.
      if (this.isGone) this.#reader ??= writer
      if (this.#reader !== writer) await writer.close().catch(() => {})
    }
  }

  async #readDamaged(offset: number, isShort: boolean): Promise<Unreadable> {
    let isZero = true
    // One byte less than is read is looked at twice: a magic may lie across.
    for (let at = offset; at < this.bytes;) {
      const chunk = await this.#bytesAt(at, Math.min(SEARCH_BYTES, this.bytes - at))
      if (chunk.length === 0) break
      isZero &&= chunk.every((byte) => byte === 0)
      const found = findMagic(chunk, at === offset ? 1 : 0)
      if (found !== -1) return { kind: 'damaged', offset, bytes: at + found - offset }
      at += chunk.length
      if (at < this.bytes) at -= Math.min(3, chunk.length - 1)
    }
    // When the machine crashes, a file that had grown already is left with zeros.
    return { kind: isZero || isShort ? 'torn' : 'damaged', offset, bytes: this.bytes - offset }
  }

  /** As many bytes as there are, up to `length`. */
  async #bytesAt(offset: number, length: number): Promise<Buffer> {
    const reader = await this.#openReader()
    const buffer = Buffer.allocUnsafeSlow(length)
    let filled = 0
    while (filled < length) {
      const { bytesRead } = await reader.read(buffer, filled, length - filled, offset + filled)
      if (bytesRead === 0) break
      filled += bytesRead
    }
    return buffer.subarray(0, filled)
  }

  async #openReader(): Promise<SpoolFile> {
    if (this.#reader !== null) return this.#reader
    try {
      return (this.#reader = await this.#files.open(this.path, 'r'))
    } catch (error) {
      // Looked at again: its writing may have ended meanwhile, and left its file to be read.
      const open = this.#openFile()
      if (!isMissing(error) || open === null) throw error
      this.isGone = true
      return open
    }
  }

  #openFile(): SpoolFile | null {
    return this.#reader ?? this.#writer
  }

  async #countEntries(): Promise<void> {
    try {
      for (let offset = 0; offset < this.bytes;) {
        const head = decodeHead(await this.#bytesAt(offset, HEAD_BYTES))
        if (head === null || offset + head.totalBytes > this.bytes) return
        this.entries += head.entries
        offset += head.totalBytes
      }
    } catch (error) {
      // The read that follows meets the same error, and reports it.
      if (errorCode(error) === 'unknown') throw error
    }
  }
}

/** The file, or a directory on the way to it, is not there. */
export function isMissing(error: unknown): boolean {
  return ['ENOENT', 'ENOTDIR'].includes(errorCode(error))
}

function codedError(code: string): Error {
  return Object.assign(new Error(code), { code })
}

function piecesFrom(pieces: readonly Buffer[], written: number): Buffer[] {
  const left: Buffer[] = []
  let skip = written
  for (const piece of pieces) {
    if (skip < piece.length) left.push(piece.subarray(skip))
    skip = Math.max(0, skip - piece.length)
  }
  return left
}
