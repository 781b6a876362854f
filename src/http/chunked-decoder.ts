import { readFieldLines } from './field-lines.ts'
import { HeldBytes } from './held-bytes.ts'

/** Where a chunked body is in its coding (RFC 9112 §7.1):
 *
 *     size ─► extension ─► sizeEnd ─► data ─► dataEnd ─► dataEndLf ─► size
 *                             └─ 0 ─► trailers ─► done
 *
 *  `malformed` is for good. */
type State =
  | 'size'
  | 'extension'
  | 'sizeEnd'
  | 'data'
  | 'dataEnd'
  | 'dataEndLf'
  | 'trailers'
  | 'done'
  | 'malformed'

const CR = 0x0d
const LF = 0x0a
const SEMICOLON = 0x3b
/** Chunk extensions of a whole body: more serves nobody but an attacker (CVE-2024-22019). */
const MAX_EXTENSION_BYTES = 16_384
/** 2^52, far beyond any body, and exact in a double. */
const MAX_SIZE_DIGITS = 13

/** Decodes a chunked body piece by piece. One object per body. */
export class ChunkedDecoder {
  readonly #onData: (bytes: Buffer) => void
  readonly #held: HeldBytes
  readonly trailers: string[] = []
  #state: State = 'size'
  #size = 0
  #digits = 0
  #extensionBytes = 0

  /** `onData` gets what the body holds, as parts of the bytes that were fed. `maxTrailerBytes` bounds the trailer section. */
  constructor(onData: (bytes: Buffer) => void, maxTrailerBytes: number) {
    this.#onData = onData
    this.#held = new HeldBytes(maxTrailerBytes)
  }

  get isDone(): boolean {
    return this.#state === 'done'
  }

  get isMalformed(): boolean {
    return this.#state === 'malformed'
  }

  /** Takes `data` from `from` on; returns where it stopped: at the end, or behind the body. */
  decode(data: Buffer, from: number): number {
    let at = from
    while (at < data.length) {
      switch (this.#state) {
        case 'data': {
          const end = Math.min(data.length, at + this.#size)
          this.#size -= end - at
          if (this.#size === 0) this.#state = 'dataEnd'
          this.#onData(data.subarray(at, end))
          at = end
          break
        }
        case 'trailers':
          at = this.#takeTrailers(data, at)
          break
        case 'done':
        case 'malformed':
          return at
        case 'size':
        case 'extension':
        case 'sizeEnd':
        case 'dataEnd':
        case 'dataEndLf':
          this.#state = this.#next(this.#state, data[at] ?? 0)
          at++
      }
    }
    return at
  }

  /** The state after one byte of the coding itself. */
  #next(state: 'size' | 'extension' | 'sizeEnd' | 'dataEnd' | 'dataEndLf', byte: number): State {
    switch (state) {
      case 'size':
        return this.#takeDigit(byte)
      case 'extension':
        if (byte === CR) return 'sizeEnd'
        this.#extensionBytes++
        return isControl(byte) || this.#extensionBytes > MAX_EXTENSION_BYTES ? 'malformed' : 'extension'
      case 'sizeEnd':
        if (byte !== LF) return 'malformed'
        this.#digits = 0
        return this.#size === 0 ? 'trailers' : 'data'
      case 'dataEnd':
        return byte === CR ? 'dataEndLf' : 'malformed'
      case 'dataEndLf':
        return byte === LF ? 'size' : 'malformed'
    }
  }

  #takeDigit(byte: number): State {
    const digit = hexDigit(byte)
    if (digit >= 0) {
      this.#digits++
      this.#size = this.#size * 16 + digit
      return this.#digits > MAX_SIZE_DIGITS ? 'malformed' : 'size'
    }
    if (this.#digits === 0) return 'malformed'
    if (byte === CR) return 'sizeEnd'
    return byte === SEMICOLON ? 'extension' : 'malformed'
  }

  #takeTrailers(data: Buffer, from: number): number {
    const before = this.#held.length
    if (before === 0 && data[from] === CR && data[from + 1] === LF) {
      this.#state = 'done'
      return from + 2
    }
    this.#held.append(data, from)
    const held = this.#held.view()
    const isEmpty = held[0] === CR
    const end = isEmpty ? 0 : held.indexOf('\r\n\r\n', Math.max(0, before - 3), 'latin1')
    if (isEmpty && held.length === 1) return from + 1
    if (isEmpty ? held[1] !== LF : end === -1 && this.#held.isFull) {
      this.#state = 'malformed'
      return from
    }
    if (end === -1) return data.length
    const length = isEmpty ? 2 : end + 4
    const isValid = isEmpty || readFieldLines(held.toString('latin1', 0, end + 2), 0, this.trailers)
    this.#state = isValid ? 'done' : 'malformed'
    this.#held.clear()
    return from + length - before
  }
}

function hexDigit(byte: number): number {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30
  const lower = byte | 0x20
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1
}

/** All but HTAB, visible characters and obs-text (RFC 9112 §7.1.1). */
function isControl(byte: number): boolean {
  return (byte < 0x20 && byte !== 0x09) || byte === 0x7f
}
