import type { DocumentFault, Rewriter } from './document-rule.ts'

/** Longest line that is looked at; addresses in longer ones stay. */
const MAX_LINE_CHARS = 16_384

/**
 * Replaces the addresses in the lists that stand under one key of a YAML document, while it passes, line by line, and leaves every other
 * byte. It knows as much of YAML as programs write it: lists in lines of their own or in brackets, texts plain or quoted, and texts of
 * several lines, in which a key is none.
 */
export class YamlListRewriter implements Rewriter {
  readonly #key: string
  readonly #keyLine: RegExp
  readonly #translate: (address: string) => string
  readonly fault: DocumentFault | null = null
  #rest = ''
  /** Within a line that is too long. */
  #isLong = false
  /** Column of the key whose list this is; -1 outside of one. */
  #column = -1
  /** Indentation of the line with a text of several lines below it; -1 outside of one. */
  #blockIndent = -1

  constructor(key: string, translate: (address: string) => string) {
    this.#key = `${key}:`
    this.#keyLine = new RegExp(`^((?: |- )*)${key}:(?:[ \\t]+(.*))?$`)
    this.#translate = translate
  }

  /** See Rewriter. */
  push(bytes: Buffer): Buffer {
    const text = this.#rest + bytes.toString('latin1')
    let out = ''
    let at = 0
    for (let end = text.indexOf('\n'); end !== -1; end = text.indexOf('\n', at)) {
      out += this.#isLong ? text.slice(at, end + 1) : this.#line(text.slice(at, end + 1))
      this.#isLong = false
      at = end + 1
    }
    this.#rest = text.slice(at)
    if (this.#isLong || this.#rest.length > MAX_LINE_CHARS) {
      this.#isLong = true
      out += this.#rest
      this.#rest = ''
    }
    return Buffer.from(out, 'latin1')
  }

  /** See Rewriter. */
  end(): Buffer {
    return Buffer.from(this.#rest === '' ? '' : this.#line(this.#rest), 'latin1')
  }

  #line(line: string): string {
    const indent = indentOf(line)
    if (indent === -1) return line
    if (this.#blockIndent !== -1) {
      if (indent > this.#blockIndent) return line
      this.#blockIndent = -1
    }
    if (this.#column !== -1) {
      if (indent >= this.#column && line.startsWith('- ', indent)) return this.#item(line, indent + 2)
      this.#column = -1
    }
    if (line.includes(this.#key)) return this.#keyed(line)
    const last = lastChar(line)
    if (last === '|' || last === '>' || last === '-' || last === '+') this.#begin(line)
    return line
  }

  /** A text of several lines begins, if the line says so: `key: |`, `- key: >-`, `- |`. It is further in than its key, or dash. */
  #begin(line: string): void {
    if (!/(?:^|[:-] )[|>][-+0-9]{0,2}$/.test(line.trimEnd().slice(-8))) return
    const column = /^(?: |- )*/.exec(line)?.[0].length ?? 0
    this.#blockIndent = line[column] === '|' || line[column] === '>' ? column - 2 : column
  }

  #keyed(line: string): string {
    const body = line.replace(/\r?\n$/, '')
    const match = this.#keyLine.exec(body)
    if (match === null) return line
    const [, before = '', rest = ''] = match
    const value = rest.trim()
    if (value === '' || value.startsWith('#')) {
      this.#column = before.length
      return line
    }
    if (!value.startsWith('[')) return line
    const from = body.length - rest.length
    const shown = rest.replaceAll(/"(?:[^"\\]|\\.)*"|'[^']*'|[^\s,[\]"']+/g, (item) => this.#scalar(item))
    return line.slice(0, from) + shown + line.slice(body.length)
  }

  #item(line: string, from: number): string {
    const body = line.trimEnd()
    const start = from + (/^ */.exec(line.slice(from))?.[0].length ?? 0)
    const end = endOfScalar(body, start)
    if (start >= end) return line
    return line.slice(0, start) + this.#scalar(line.slice(start, end)) + line.slice(end)
  }

  /** An address as it is written, plain or quoted. */
  #scalar(text: string): string {
    const quote = text[0] ?? ''
    const isQuoted = (quote === '"' || quote === "'") && text.length > 1 && text.endsWith(quote)
    const inner = isQuoted ? text.slice(1, -1) : text
    // Escapes in addresses are written by nobody; such a one stays.
    if (inner.includes('\\') || inner.includes("''")) return text
    const shown = this.#translate(inner)
    if (shown === inner) return text
    return isQuoted ? quote + shown + quote : shown
  }
}

/** Blanks before the first other character; -1 for a line without one, or a comment. */
function indentOf(line: string): number {
  for (let at = 0; at < line.length; at++) {
    const char = line[at]
    if (char === ' ') continue
    return char === '\n' || char === '\r' || char === '#' ? -1 : at
  }
  return -1
}

function lastChar(line: string): string {
  let at = line.length - 1
  while (at >= 0 && (line[at] === '\n' || line[at] === '\r' || line[at] === ' ')) at--
  return line[at] ?? ''
}

/** Behind a quoted text, or before the comment behind a plain one. */
function endOfScalar(body: string, start: number): number {
  const quote = body[start] ?? ''
  if (quote === '"' || quote === "'") {
    const end = body.indexOf(quote, start + 1)
    return end === -1 ? body.length : end + 1
  }
  const comment = body.indexOf(' #', start)
  return comment === -1 ? body.length : body.slice(0, comment).trimEnd().length
}
