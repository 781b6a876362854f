import { freeMemory } from '../lib/host/free-memory.ts'

/**
 * What an idle connection reads into, all of them into the same. A response of 64 KiB fits into it with its head, so that it
 * is one read and one write. Measured against 64 KiB: 11 % less CPU for such responses.
 */
const SHARED_BYTES = 131_072
/**
 * What a connection reads into while a large body comes on it; at least the bytes above. Measured on downloads, 128 / 256 /
 * 512 / 1024 KiB: 1.24 / 1 / 0.73 / 0.75 of the CPU time.
 */
const OWN_BYTES = 524_288
/** A read of this size tells of a large body; one below the other limit that it trickles. */
const LARGE_BYTES = 32_768
const SMALL_BYTES = 4096
/** A copy of this size is freed when it is let go, and not when the collector comes by. */
const LARGE_COPY_BYTES = 16_384
/** Own buffers in use at once; other connections copy what they read. 16 MiB. */
const MAX_OWN = 32
/** Own buffers kept for the next large body. 2 MiB. */
const MAX_FREE = 4

/**
 * One buffer for what idle connections and those with small responses read. What is kept of a read is copied before the next
 * one begins: so no read allocates, and idle connections hold nothing. Measured: 1 µs less per 1 KiB response than a buffer
 * for each read. Windows reads into the buffer while others do; there every connection has its own.
 */
const SHARED = Buffer.allocUnsafeSlow(SHARED_BYTES)

const free: Buffer[] = []
let taken = 0

/**
 * Where one connection reads to, and how long what it has read stays. Large bodies are read into a buffer of the connection's
 * own, which goes to the client as it is; nothing is read into it before the client's socket has let go of it.
 *
 *     shared ── a large read, `hold` copies it ──► own ── `release`, or a small read ──► shared
 *
 * A fresh copy of each read costs half of all CPU time of downloads: docs/decisions/0011.
 */
export class ReadBuffer {
  readonly #base: Buffer = process.platform === 'win32' ? Buffer.allocUnsafeSlow(SHARED_BYTES) : SHARED
  /** The socket may bring more although it was paused: TLS hands over all records of what it has decrypted. */
  readonly #isHasty: boolean
  #own: Buffer | null = null
  /** The own buffer was taken for the last read, which was copied to it. */
  #isNew = false
  #current: Buffer = this.#base
  #readBytes = 0
  /** Copies that are held. */
  #copies: Buffer[] = []

  constructor(isTls: boolean) {
    this.#isHasty = isTls
  }

  /** The first `length` bytes were read. */
  read(length: number): Buffer {
    this.#readBytes = length
    return this.#current.subarray(0, length)
  }

  /** The bytes, a part of the last read, in a place where they stay until that is let go. */
  hold(bytes: Buffer): Buffer {
    if (this.#current === this.#own) return bytes
    if (this.#own === null && this.#readBytes >= LARGE_BYTES) {
      this.#own = take()
      this.#isNew = this.#own !== null
    }
    const own = this.#own
    if (own === null || !this.#isNew) return this.#copy(bytes)
    const at = bytes.byteOffset
    bytes.copy(own, at)
    return own.subarray(at, at + bytes.length)
  }

  /** The buffer of the next read. `isLetGo`: nothing that was held is needed any more. */
  next(isLetGo: boolean): Buffer {
    if (isLetGo) this.#freeCopies()
    if (this.#own !== null && isLetGo && this.#readBytes < SMALL_BYTES) this.release(true)
    this.#isNew = false
    this.#current = this.#own === null || (this.#isHasty && !isLetGo) ? this.#base : this.#own
    return this.#current
  }

  /** The body is over. What was held and not let go stays, for whoever holds it. */
  release(isLetGo: boolean): void {
    if (isLetGo) this.#freeCopies()
    this.#copies = []
    const own = this.#own
    if (own === null) return
    this.#own = null
    taken--
    if (isLetGo && free.length < MAX_FREE) free.push(own)
  }

  #copy(bytes: Buffer): Buffer {
    if (bytes.length < LARGE_COPY_BYTES) return Buffer.from(bytes)
    const copy = Buffer.allocUnsafeSlow(bytes.length)
    bytes.copy(copy)
    this.#copies.push(copy)
    return copy
  }

  #freeCopies(): void {
    for (let copy = this.#copies.pop(); copy !== undefined; copy = this.#copies.pop()) freeMemory(copy)
  }
}

function take(): Buffer | null {
  if (taken === MAX_OWN) return null
  taken++
  return free.pop() ?? Buffer.allocUnsafeSlow(OWN_BYTES)
}
