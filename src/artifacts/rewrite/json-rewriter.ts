import { HeldBytes } from '../../http/held-bytes.ts'
import type { DocumentFault, Rewriter } from './document-rule.ts'
import { MAX_NAME_BYTES, type PathNode } from './json-paths.ts'

/** Deepest nesting of a document that is read. Registries' own have 8 levels; what publishers put into theirs, some more. */
const MAX_DEPTH = 128
/** Longest address that is looked at, as it is written; longer ones stay. */
const MAX_ADDRESS_BYTES = 8192

const QUOTE = 0x22
const BACKSLASH = 0x5c
const OPEN_OBJECT = 0x7b
const CLOSE_OBJECT = 0x7d
const OPEN_ARRAY = 0x5b
const CLOSE_ARRAY = 0x5d
const COMMA = 0x2c
const COLON = 0x3a

/** What a byte is between texts; 0 for all others. */
const MARK = 1
const OPEN = 2
const CLOSE = 3
const BLANK = 4
const SCALAR = 5
const KINDS = new Uint8Array(256)
for (const byte of [QUOTE]) KINDS[byte] = MARK
for (const byte of [OPEN_OBJECT, OPEN_ARRAY]) KINDS[byte] = OPEN
for (const byte of [CLOSE_OBJECT, CLOSE_ARRAY]) KINDS[byte] = CLOSE
for (const byte of [0x20, 0x09, 0x0a, 0x0d]) KINDS[byte] = BLANK
for (const char of '0123456789+-.abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ')
  KINDS[char.charCodeAt(0)] = SCALAR

/** Where the reader is. */
type State =
  | 'between' // texts, in a part that holds addresses
  | 'text' // of no interest
  | 'name'
  | 'address'
  | 'skipped' // a part without addresses: only where it ends is looked for
  | 'skippedText'
  | 'raw' // after a fault

/** What may come next where addresses are. */
type Next = 'value' | 'valueOrEnd' | 'name' | 'nameOrEnd' | 'colon' | 'commaOrEnd' | 'scalar' | 'nothing'

const NOTHING = Buffer.alloc(0)

/**
 * Replaces the addresses at certain places of a JSON document (RFC 8259) while it passes, in whatever pieces, and leaves every other byte.
 * It does not hold the document, nor parse it: parts that hold no addresses are only searched for their end. So not every fault is
 * found; found are those that could hide an address: a document that is none, that ends too early or goes on after its end, brackets
 * that do not match, nesting beyond 128 levels.
 */
export class JsonRewriter implements Rewriter {
  readonly #translate: (address: string) => string
  readonly #root: PathNode
  fault: DocumentFault | null = null
  #state: State = 'between'
  #next: Next = 'value'
  /** A backslash was the last byte of a piece. */
  #isEscaped = false
  #depth = 0
  /** 1 for an object, by depth. */
  readonly #isObject = new Uint8Array(MAX_DEPTH + 1)
  readonly #nodes: (PathNode | null)[] = []
  /** What the next value is. */
  #node: PathNode | null
  /** Depth of the part that is skipped. */
  #skipDepth = 0
  /** What has come of a name or an address whose end has not. */
  readonly #held = new HeldBytes(MAX_ADDRESS_BYTES)
  // Of the piece in hand:
  #bytes: Buffer = NOTHING
  #at = 0
  /** Up to here it was given. */
  #given = 0
  #out: Buffer[] = []

  constructor(root: PathNode, translate: (address: string) => string) {
    this.#root = root
    this.#node = root
    this.#translate = translate
  }

  /** See Rewriter. */
  push(bytes: Buffer): Buffer {
    this.#bytes = bytes
    this.#at = 0
    this.#given = 0
    this.#out = []
    while (this.#at < bytes.length) this.#step()
    if (this.#state !== 'address') this.#give(bytes.length)
    this.#bytes = NOTHING
    return Buffer.concat(this.#out)
  }

  /** See Rewriter. */
  end(): Buffer {
    const held = this.#state === 'address' ? this.#held.view() : NOTHING
    const isWhole =
      this.#depth === 0 && (this.#next === 'nothing' || this.#next === 'scalar') && this.#state === 'between'
    if (!isWhole) this.fault ??= 'document_malformed'
    this.#state = 'raw'
    return held
  }

  #step(): void {
    switch (this.#state) {
      case 'between':
        this.#readBetween()
        return
      case 'text':
        if (this.#passText()) this.#state = 'between'
        return
      case 'skippedText':
        if (this.#passText()) this.#state = 'skipped'
        return
      case 'skipped':
        this.#skip()
        return
      case 'name':
        this.#readName()
        return
      case 'address':
        this.#readAddress()
        return
      case 'raw':
        this.#at = this.#bytes.length
    }
  }

  /** Gives the piece up to here as it is. */
  #give(to: number): void {
    if (to > this.#given) this.#out.push(this.#bytes.subarray(this.#given, to))
    this.#given = to
  }

  #fail(): void {
    this.fault = 'document_malformed'
    this.#state = 'raw'
  }

  /** Goes to behind the end of a text; false when that is not in this piece. */
  #passText(): boolean {
    const bytes = this.#bytes
    const { length } = bytes
    let at = this.#at
    if (this.#isEscaped) {
      this.#isEscaped = false
      at++
    }
    while (at < length) {
      const byte = bytes[at]
      if (byte === QUOTE) {
        this.#at = at + 1
        return true
      }
      at += byte === BACKSLASH ? 2 : 1
    }
    this.#isEscaped = at > length
    this.#at = length
    return false
  }

  /** Searches for the end of a part without addresses. */
  #skip(): void {
    const bytes = this.#bytes
    const { length } = bytes
    let at = this.#at
    while (at < length) {
      const byte = bytes[at] ?? 0
      at++
      const kind = KINDS[byte]
      if (kind === MARK) {
        // As #passText, which a call for each of thousands of short texts would double the time of.
        let char = bytes[at]
        while (char !== QUOTE && at < length) {
          at += char === BACKSLASH ? 2 : 1
          char = bytes[at]
        }
        at++
        if (at > length) {
          this.#isEscaped = at > length + 1
          this.#at = length
          this.#state = 'skippedText'
          return
        }
      } else if (kind === OPEN) {
        if (!this.#enter(byte)) return
      } else if (kind === CLOSE) {
        if (!this.#leave(byte)) return
        if (this.#depth < this.#skipDepth) {
          this.#at = at
          this.#state = 'between'
          return
        }
      }
    }
    this.#at = length
  }

  #enter(byte: number): boolean {
    if (this.#depth >= MAX_DEPTH) {
      this.#fail()
      return false
    }
    this.#depth++
    this.#isObject[this.#depth] = byte === OPEN_OBJECT ? 1 : 0
    return true
  }

  #leave(byte: number): boolean {
    const wanted = this.#isObject[this.#depth] === 1 ? CLOSE_OBJECT : CLOSE_ARRAY
    if (this.#depth === 0 || byte !== wanted) {
      this.#fail()
      return false
    }
    this.#depth--
    return true
  }

  /** Reads the bytes between texts, up to one that leads elsewhere. */
  #readBetween(): void {
    const bytes = this.#bytes
    while (this.#at < bytes.length && this.#state === 'between') {
      const byte = bytes[this.#at] ?? 0
      this.#at++
      const isRight = this.#take(byte)
      if (!isRight) this.#fail()
    }
  }

  /** Takes one byte between texts; false when it may not be there. */
  #take(byte: number): boolean {
    const next = this.#next
    switch (KINDS[byte] ?? 0) {
      case BLANK:
        if (next === 'scalar') this.#next = this.#afterValue()
        return true
      case MARK:
        return this.#begin(next)
      case OPEN:
        return (next === 'value' || next === 'valueOrEnd') && this.#open(byte)
      case CLOSE:
        return this.#close(byte, next)
      case SCALAR:
        if (next === 'value' || next === 'valueOrEnd') this.#next = 'scalar'
        return this.#next === 'scalar'
      default:
        if (byte === COLON && next === 'colon') {
          this.#next = 'value'
          return true
        }
        return byte === COMMA && (next === 'commaOrEnd' || next === 'scalar') && this.#continue()
    }
  }

  /** A text begins. */
  #begin(next: Next): boolean {
    if (next === 'name' || next === 'nameOrEnd') {
      const node = this.#nodes[this.#depth] ?? null
      this.#next = 'colon'
      this.#node = node?.all ?? null
      this.#state = node?.byName === null || node === null ? 'text' : 'name'
      return true
    }
    if (next !== 'value' && next !== 'valueOrEnd') return false
    this.#next = this.#afterValue()
    this.#state = this.#node?.isAddress === true ? 'address' : 'text'
    if (this.#state === 'address') this.#give(this.#at)
    return true
  }

  /** An object or array begins. */
  #open(byte: number): boolean {
    const node = this.#node
    if (!this.#enter(byte)) return false
    const isObject = byte === OPEN_OBJECT
    if (node === null || (node.all === null && (node.byName === null || !isObject))) {
      this.#skipDepth = this.#depth
      this.#next = this.#depth === 1 ? 'nothing' : 'commaOrEnd'
      this.#state = 'skipped'
      return true
    }
    this.#nodes[this.#depth] = node
    this.#node = isObject ? null : node.all
    this.#next = isObject ? 'nameOrEnd' : 'valueOrEnd'
    return true
  }

  #close(byte: number, next: Next): boolean {
    const isObject = byte === CLOSE_OBJECT
    const mayEnd =
      next === 'commaOrEnd' || next === 'scalar' || next === (isObject ? 'nameOrEnd' : 'valueOrEnd')
    if (!mayEnd || !this.#leave(byte)) return false
    this.#next = this.#afterValue()
    return true
  }

  /** Another member or element. */
  #continue(): boolean {
    if (this.#depth === 0) return false
    const isObject = this.#isObject[this.#depth] === 1
    this.#next = isObject ? 'name' : 'value'
    if (!isObject) this.#node = this.#nodes[this.#depth]?.all ?? null
    return true
  }

  #afterValue(): Next {
    return this.#depth === 0 ? 'nothing' : 'commaOrEnd'
  }

  /** The text in hand as it is written, without its quotes, once its end is here; null before, or when it is too long to matter. */
  #readText(maxBytes: number): Buffer | null {
    const start = this.#at
    const isWhole = this.#passText()
    const part = this.#bytes.subarray(start, isWhole ? this.#at - 1 : this.#at)
    const held = this.#held
    if (held.length === 0 && isWhole) return part
    if (held.length + part.length > maxBytes) {
      // From here on it is passed over.
      if (this.#state === 'address') {
        this.#out.push(held.view())
        this.#given = start
      }
      held.clear()
      this.#state = isWhole ? 'between' : 'text'
      return null
    }
    held.append(part, 0)
    if (!isWhole) return null
    const text = held.view()
    held.clear()
    return text
  }

  #readName(): void {
    const name = this.#readText(MAX_NAME_BYTES * 6)
    if (name === null) return
    this.#state = 'between'
    const node = this.#nodes[this.#depth] ?? this.#root
    const { length } = name
    if (name.includes(BACKSLASH)) this.#node = node.byName?.get(unescaped(name) ?? '') ?? null
    else if (length <= MAX_NAME_BYTES && node.lengths[length] === 1)
      this.#node = node.byName?.get(name.toString('latin1')) ?? null
    else this.#node = null
  }

  #readAddress(): void {
    const written = this.#readText(MAX_ADDRESS_BYTES)
    if (written === null) {
      if (this.#state === 'address') this.#given = this.#at
      return
    }
    this.#state = 'between'
    const address = written.length > MAX_ADDRESS_BYTES ? null : unescaped(written)
    const shown = address === null ? null : this.#translate(address)
    if (shown === null || shown === address) this.#out.push(written)
    else this.#out.push(Buffer.from(JSON.stringify(shown).slice(1, -1)))
    this.#given = this.#at - 1
  }
}

/** A text of JSON as it is written → what it says; null for one that is not right. */
function unescaped(written: Buffer): string | null {
  const text = written.toString('utf8')
  if (text.includes('\ufffd')) return null
  if (!text.includes('\\')) return text
  try {
    return JSON.parse(`"${text}"`) as string
  } catch {
    return null
  }
}
