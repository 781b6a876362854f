import type { DocumentFault, Rewriter } from './document-rule.ts'

/** Longest tag that is looked at; of longer ones nothing is changed. */
const MAX_TAG_CHARS = 16_384
/** Tags with addresses, and elements whose content is no markup (HTML standard §13.2.5.1). */
const LINKS: ReadonlySet<string> = new Set(['a', 'link', 'area'])
const RAW: ReadonlySet<string> = new Set(['script', 'style', 'textarea', 'title'])
const ADDRESS_NAMES: ReadonlySet<string> = new Set(['href', 'data-provenance'])
const COMMENT = '<!--'
const BLANK = /[\t\n\f\r ]/

/**
 * Replaces the addresses of links in an HTML document while it passes, `<base href>` included, and leaves every other byte. Read as
 * latin1: markup is ASCII in all encodings that pages are written in.
 */
export class HtmlRewriter implements Rewriter {
  readonly #translate: (address: string) => string
  fault: DocumentFault | null = null
  /** What has come and may be the beginning of a tag or an end that is looked for. */
  #rest = ''
  /** What ends the part that is passed over, in lower case; '' for none. */
  #until = ''
  /** What the page has its own addresses resolved against, as it wrote it; '' for none, or a path. */
  #base = ''
  #hasBase = false
  #hasBegun = false

  constructor(translate: (address: string) => string) {
    this.#translate = translate
  }

  /** See Rewriter. */
  push(bytes: Buffer): Buffer {
    if (!this.#hasBegun && bytes.length > 0) {
      this.#hasBegun = true
      if (bytes.includes(0)) this.fault = 'document_malformed'
    }
    if (this.fault !== null) return Buffer.from(bytes)
    const text = this.#rest + bytes.toString('latin1')
    this.#rest = ''
    return Buffer.from(this.#read(text), 'latin1')
  }

  /** See Rewriter: a page that ends within a tag was cut. */
  end(): Buffer {
    if (this.#rest !== '' && this.#until === '' && this.#rest.length > 1) this.fault ??= 'document_malformed'
    return Buffer.from(this.#rest, 'latin1')
  }

  #read(text: string): string {
    let out = ''
    let at = 0
    while (at < text.length) {
      if (this.#until !== '') {
        const end = this.#endOfSkipped(text, at)
        out += text.slice(at, end)
        at = end
        if (this.#until !== '') break
        continue
      }
      const start = text.indexOf('<', at)
      if (start === -1) return out + text.slice(at)
      out += text.slice(at, start)
      at = start
      const end = this.#endOfMarkup(text, start)
      if (end === -1) break
      out +=
        this.#until === '' || !text.startsWith(COMMENT, start) ? this.#tag(text.slice(start, end)) : COMMENT
      at = end
    }
    this.#rest = text.slice(at)
    return out
  }

  /** Index behind a part that is passed over, or of what may be the beginning of its end. */
  #endOfSkipped(text: string, from: number): number {
    const until = this.#until
    const found = until === '-->' ? text.indexOf(until, from) : text.slice(from).toLowerCase().indexOf(until)
    if (found === -1) return Math.max(from, text.length - until.length + 1)
    this.#until = ''
    // The end tag is read as a tag.
    return until === '-->' ? found + until.length : from + found
  }

  /** Index behind a tag, or behind the beginning of a comment; -1 when it has not come yet. */
  #endOfMarkup(text: string, start: number): number {
    const left = text.length - start
    if (left < COMMENT.length && COMMENT.startsWith(text.slice(start))) return -1
    if (text.startsWith(COMMENT, start)) {
      this.#until = '-->'
      return start + COMMENT.length
    }
    if (!/[A-Za-z/!?]/.test(text[start + 1] ?? '')) return start + 1
    const end = endOfTag(text, start)
    if (end !== -1) return end
    return left > MAX_TAG_CHARS ? start + 1 : -1
  }

  #tag(tag: string): string {
    const [, name = ''] = /^<([A-Za-z][^\s/>]{0,16})/.exec(tag) ?? []
    const lower = name.toLowerCase()
    if (RAW.has(lower) && !tag.endsWith('/>')) this.#until = `</${lower}`
    const isBase = lower === 'base'
    if (!isBase && !LINKS.has(lower)) return tag
    let out = ''
    let given = 0
    for (const { name: attribute, start, end, isQuoted } of attributesOf(tag, 1 + name.length)) {
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

/** Index behind a tag's end, which is none within quotes; -1 when it is not there. */
function endOfTag(text: string, start: number): number {
  let quote = ''
  for (let at = start + 1; at < text.length; at++) {
    const char = text[at] ?? ''
    if (quote !== '') {
      if (char === quote) quote = ''
    } else if (char === '>') return at + 1
    else if ((char === '"' || char === "'") && /[=\t\n\f\r ]/.test(text[at - 1] ?? '')) quote = char
  }
  return -1
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
