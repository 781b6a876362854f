import type { DocumentFault, Rewriter } from './document-rule.ts'

/** Longest tag that is looked at; in longer ones nothing is changed. */
const MAX_TAG_CHARS = 16_384
/** Within so many bytes a NUL says that it is no page: of UTF-16, or an archive. The WHATWG's "MIME Sniffing" looks as far. */
const SNIFFED_BYTES = 1445
/** Tags with addresses, and elements whose content is no markup (HTML standard §13.2.5.1). */
const LINKS: ReadonlySet<string> = new Set(['a', 'link', 'area'])
const RAW: ReadonlySet<string> = new Set(['script', 'style', 'textarea', 'title'])
const ADDRESS_NAMES: ReadonlySet<string> = new Set(['href', 'data-provenance'])
const COMMENT = '<!--'
const COMMENT_END = '-->'
const BLANK = /[\t\n\f\r ]/
const QUOTE = 0x22
const APOSTROPHE = 0x27
const SLASH = 0x2f
const CLOSE = 0x3e

/**
 * Replaces the addresses of links in an HTML document while it passes, `<base href>` included, and leaves every other byte. Read as
 * latin1: markup is ASCII in all encodings that pages are written in. Each character is searched once, and what comes out is the same,
 * in whatever pieces they come.
 */
export class HtmlRewriter implements Rewriter {
  readonly #translate: (address: string) => string
  fault: DocumentFault | null = null
  /** What has come and may be the beginning of a tag or an end that is looked for: some characters. */
  #rest = ''
  /** Whose end has not come; null between tags. */
  #openTag: OpenTag | null = null
  /** What ends the part that is passed over, in lower case; '' for none. */
  #until = ''
  /** What the page has its own addresses resolved against, as it wrote it; '' for none, or a path. */
  #base = ''
  #hasBase = false
  #sniffed = 0

  constructor(translate: (address: string) => string) {
    this.#translate = translate
  }

  /** See Rewriter. */
  push(bytes: Buffer): Buffer {
    if (this.fault !== null) return Buffer.from(bytes)
    const nul = this.#sniffed < SNIFFED_BYTES ? bytes.indexOf(0) : -1
    const isPage = nul === -1 || this.#sniffed + nul >= SNIFFED_BYTES
    this.#sniffed += bytes.length
    if (isPage) return Buffer.from(this.#read(bytes.toString('latin1')), 'latin1')
    this.fault = 'document_malformed'
    const before = this.#read(bytes.toString('latin1', 0, nul)) + this.#takeHeld()
    return Buffer.concat([Buffer.from(before, 'latin1'), bytes.subarray(nul)])
  }

  /** See Rewriter: a page that ends within a tag was cut. */
  end(): Buffer {
    const isCut = this.#openTag !== null || (this.#until === '' && this.#rest.length > 1)
    if (isCut) this.fault ??= 'document_malformed'
    return Buffer.from(this.#takeHeld(), 'latin1')
  }

  #takeHeld(): string {
    const held = this.#rest + (this.#openTag?.take() ?? '')
    this.#rest = ''
    return held
  }

  #read(piece: string): string {
    const text = this.#rest + piece
    this.#rest = ''
    let out = ''
    let at = 0
    while (at < text.length) {
      const from = at
      if (this.#openTag !== null) {
        at = this.#openTag.read(text, from)
        out += this.#openTag.isEnded ? this.#tag(this.#openTag) : this.#openTag.takeLong()
        continue
      }
      const until = this.#until
      at = until === '' ? this.#endOfText(text, from) : this.#endOfSkipped(text, from)
      out += text.slice(from, at)
      // What comes there cannot be told yet.
      if (at === from && this.#openTag === null && this.#until === until) break
    }
    this.#rest = text.slice(at)
    return out
  }

  /** Index behind a part that is passed over, or of what may be the beginning of its end. */
  #endOfSkipped(text: string, from: number): number {
    const until = this.#until
    const first = until.charAt(0)
    for (let at = text.indexOf(first, from); at !== -1; at = text.indexOf(first, at + 1)) {
      const part = text.slice(at, at + until.length).toLowerCase()
      if (!until.startsWith(part)) continue
      if (part.length < until.length) return at
      this.#until = ''
      // The end tag is read as a tag.
      return until === COMMENT_END ? at + until.length : at
    }
    return text.length
  }

  /** Index behind text, or of a tag that begins, or of what cannot be told yet. */
  #endOfText(text: string, from: number): number {
    const start = text.indexOf('<', from)
    if (start === -1) return text.length
    if (text.startsWith(COMMENT, start)) {
      this.#until = COMMENT_END
      // What begins a comment may be its end as well: `<!-->`.
      return start + 2
    }
    if (text.length - start < COMMENT.length && COMMENT.startsWith(text.slice(start))) return start
    if (!/[A-Za-z/!?]/.test(text[start + 1] ?? '')) return start + 1
    this.#openTag = new OpenTag()
    return start
  }

  /** A tag whose end has come. */
  #tag(ended: OpenTag): string {
    this.#openTag = null
    const lower = ended.name.toLowerCase()
    if (RAW.has(lower) && !ended.isEmpty) this.#until = `</${lower}`
    const isBase = lower === 'base'
    const tag = ended.take()
    if (ended.isLong || (!isBase && !LINKS.has(lower))) return tag
    let out = ''
    let given = 0
    for (const { name: attribute, start, end, isQuoted } of attributesOf(tag, 1 + lower.length)) {
      if (!ADDRESS_NAMES.has(attribute)) continue
      const address = readAddress(tag.slice(start, end))
      if (address === null) continue
      const shown = isBase ? this.#takeBase(address) : this.#shown(address)
      if (shown === address) continue
      out += tag.slice(given, start) + (isQuoted ? written(shown) : `"${written(shown)}"`)
      given = end
    }
    return out + tag.slice(given)
  }

  /** The first one counts. */
  #takeBase(address: string): string {
    if (!this.#hasBase && URL.canParse(address)) this.#base = address
    this.#hasBase = true
    return this.#translate(address)
  }

  /** A path is one at the host of the page's base, which need not be the upstream's. */
  #shown(address: string): string {
    if (this.#base === '' || !address.startsWith('/')) return this.#translate(address)
    if (!URL.canParse(address, this.#base)) return address
    const { href } = new URL(address, this.#base)
    const shown = this.#translate(href)
    return shown === href ? address : shown
  }
}

/** A tag that comes in pieces: each is searched once for its end, which is none within quotes, and put together with the others once. */
class OpenTag {
  isEnded = false
  /** Longer than what is looked at: it is given as it comes. */
  isLong = false
  /** It ends with `/>`. */
  isEmpty = false
  /** As it is written, as far as any name goes that matters; '' for none. Known when the tag is long, or has ended. */
  name = ''
  #held = ''
  #length = 0
  /** The open quote; 0 for none. */
  #quote = 0
  #before = 0

  /** Takes what there is of the tag, its `<` at first, from `from` on. Index behind it. */
  read(text: string, from: number): number {
    let at = from
    while (at < text.length && !this.isEnded) {
      const code = text.charCodeAt(at)
      at++
      if (this.#quote !== 0) {
        if (code === this.#quote) this.#quote = 0
      } else if (code === CLOSE) {
        this.isEnded = true
        this.isEmpty = this.#before === SLASH
      } else if ((code === QUOTE || code === APOSTROPHE) && opensQuote(this.#before)) this.#quote = code
      this.#before = code
    }
    this.#held += text.slice(from, at)
    this.#length += at - from
    const isLong = this.#length > MAX_TAG_CHARS
    if (!this.isLong && (isLong || this.isEnded)) this.name = nameOf(this.#held)
    this.isLong = isLong
    return at
  }

  /** What is held, which is held no more. */
  take(): string {
    const held = this.#held
    this.#held = ''
    return held
  }

  /** The same, of a tag that is long; '' before. */
  takeLong(): string {
    return this.isLong ? this.take() : ''
  }
}

function nameOf(tag: string): string {
  return /^<([A-Za-z][^\s/>]{0,16})/.exec(tag)?.[1] ?? ''
}

/** Whether a quote behind this character begins a value: `=` and blanks. */
function opensQuote(before: number): boolean {
  return before === 0x3d || before === 0x20 || (before >= 0x09 && before <= 0x0d && before !== 0x0b)
}

interface Attribute {
  readonly name: string
  readonly start: number
  readonly end: number
  readonly isQuoted: boolean
}

/** The attributes of a tag that have a value, by where that stands. Linear in its length. */
function attributesOf(tag: string, from: number): Attribute[] {
  const found: Attribute[] = []
  const { length } = tag
  let at = from
  const skipBlanks = (): void => {
    while (at < length && BLANK.test(tag[at] ?? '')) at++
  }
  while (at < length) {
    skipBlanks()
    const nameStart = at
    while (at < length && !/[\t\n\f\r />=]/.test(tag[at] ?? '')) at++
    const name = tag.slice(nameStart, Math.min(at, nameStart + 32)).toLowerCase()
    skipBlanks()
    if (tag[at] !== '=') {
      if (at === nameStart) at++
      continue
    }
    at++
    skipBlanks()
    const quote = tag[at] ?? ''
    const isQuoted = quote === '"' || quote === "'"
    if (isQuoted) at++
    const start = at
    while (at < length && (isQuoted ? tag[at] !== quote : !/[\t\n\f\r >]/.test(tag[at] ?? ''))) at++
    found.push({ name, start, end: at, isQuoted })
    if (isQuoted) at++
  }
  return found
}

const NAMED: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" }

/** What an attribute's value says; null for one that is no text. */
function readAddress(value: string): string | null {
  const text = Buffer.from(value, 'latin1').toString()
  if (text.includes('\ufffd')) return null
  return text
    .replaceAll(
      /&(?:#([0-9]{1,7})|#x([0-9a-f]{1,6})|(amp|lt|gt|quot|apos));/gi,
      (whole, digits?: string, hex?: string, name?: string) => {
        const code = digits !== undefined ? Number(digits) : hex === undefined ? -1 : Number.parseInt(hex, 16)
        if (code === -1) return NAMED[(name ?? '').toLowerCase()] ?? whole
        return code > 0 && code <= 0x10ffff ? String.fromCodePoint(code) : whole
      },
    )
    .trim()
}

/** An address as the value of an attribute. */
function written(address: string): string {
  const escaped = address
    .replaceAll('&', '&amp;')
    .replaceAll('"', '&quot;')
    .replaceAll("'", '&#39;')
    .replaceAll('<', '&lt;')
  return Buffer.from(escaped).toString('latin1')
}
