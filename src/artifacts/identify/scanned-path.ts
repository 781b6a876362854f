const ENCODER = new TextEncoder()
const DOT = 0x2e
const SLASH = 0x2f
/** Bits of what a byte is; none of them for one that says nothing. */
const IS_SLASH = 1
const IS_ESCAPE = 2
const IS_SEMICOLON = 4
const IS_UNPRINTABLE = 8
const CLASSES = classesOfBytes()
/** Stands for each code unit that is not ASCII: no rule asks for one of them. */
const NO_ASCII = 0xff
/** Bytes that a code unit takes as UTF-8 at most. */
const BYTES_PER_UNIT = 3

/**
 * A path as bytes, and where its slashes are. For the kinds that look at most of their characters, some twice: reading a byte takes a third
 * of the time of `charCodeAt`, and the copy as long as reading thirty. One serves for one path after the other.
 */
export class ScannedPath {
  text = ''
  /** One for each code unit, 0xff for one that is not ASCII; behind the last stands 0, and behind that what earlier paths left. */
  readonly bytes: Uint8Array
  /** Where the slashes are; what stands behind `slashCount` is of earlier paths. */
  readonly slashes: Uint16Array
  slashCount = 0
  /** Whether all is printable ASCII that stands for itself: no percent sign. */
  isLiteral = true
  /** Whether a percent sign or a semicolon is there. */
  isCoded = false

  /** `maxLength`: of the paths that are read, in code units. */
  constructor(maxLength: number) {
    this.bytes = new Uint8Array(BYTES_PER_UNIT * maxLength + 1)
    this.slashes = new Uint16Array(maxLength)
  }

  /** Puts this path, which starts with '/', in the place of the last one. */
  read(text: string): void {
    const { bytes, slashes } = this
    const { length } = text
    if (ENCODER.encodeInto(text, bytes).written !== length) fillByUnits(bytes, text)
    bytes[length] = 0
    let count = 0
    let seen = 0
    // Without a branch, which the processor would have to guess.
    for (let i = 0; i < length; i++) {
      const found = CLASSES[bytes[i] ?? 0] ?? 0
      slashes[count] = i
      count += found & IS_SLASH
      seen |= found
    }
    this.text = text
    this.slashCount = count
    this.isLiteral = (seen & (IS_ESCAPE | IS_UNPRINTABLE)) === 0
    this.isCoded = (seen & (IS_ESCAPE | IS_SEMICOLON)) !== 0
  }

  /** Whether no segment can be read as several or as none: none is `.` or `..`, holds U+0000 (see `plainPath`), or, but for the last, is empty. */
  isClean(): boolean {
    const { text, bytes, slashes, slashCount } = this
    for (let i = 0; i < slashCount; i++) {
      const start = (slashes[i] ?? 0) + 1
      const first = bytes[start]
      if (first !== SLASH && first !== DOT) continue
      const end = i + 1 === slashCount ? text.length : (slashes[i + 1] ?? 0)
      if (first === SLASH || isDots(bytes, start, end)) return false
    }
    return this.isLiteral || !text.includes('\0')
  }

  /** Where the slash stands that is the `n`-th from the end, from 1; -1 where there are fewer. */
  slashFromEnd(n: number): number {
    return n > this.slashCount ? -1 : (this.slashes[this.slashCount - n] ?? -1)
  }
}

function classesOfBytes(): Uint8Array {
  const classes = new Uint8Array(256).fill(IS_UNPRINTABLE)
  classes.fill(0, 0x20, 0x7f)
  classes[SLASH] = IS_SLASH
  classes[0x25] = IS_ESCAPE
  classes[0x3b] = IS_SEMICOLON
  return classes
}

function fillByUnits(bytes: Uint8Array, text: string): void {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    bytes[i] = code < 0x80 ? code : NO_ASCII
  }
}

/** Whether the segment between these places, which begins with a dot, is `.` or `..`. */
function isDots(bytes: Uint8Array, start: number, end: number): boolean {
  return end - start === 1 || (end - start === 2 && bytes[start + 1] === DOT)
}
