import type { DocumentFault, Rewriter } from './document-rule.ts'

/** Longest line that is looked at, with its end; addresses in longer ones stay. */
const MAX_LINE_CHARS = 16_384
/** An element of a list in brackets. None that is begun fails: each character is looked at once, also where a quote has no end. */
const ELEMENT = /"(?:[^"\\]|\\[^])*"?|'[^']*'?|[^\s,[\]"'][^\s,[\]]*/g

/**
 * Replaces the addresses in the lists that stand under one key of a YAML document, while it passes, line by line, and leaves every other
 * byte. It knows as much of YAML as programs write it: lists in lines of their own or in brackets, texts plain or quoted, and texts of
 * several lines, in which a key is none. Each character is searched once, and what comes out is the same, in whatever pieces they come.
 */
export class YamlListRewriter implements Rewriter {
  readonly #key: string
  readonly #translate: (address: string) => string
  readonly fault: DocumentFault | null = null
  /** Of a line whose end has not come. */
  #rest = ''
  /** Within a line that is too long. */
  #isLong = false
  /** Column of the key whose list this is; -1 outside of one. */
  #column = -1
  /** Indentation of the line with a text of several lines below it; -1 outside of one. */
  #blockIndent = -1

  constructor(key: string, translate: (address: string) => string) {
    this.#key = `${key}:`
    this.#translate = translate
  }

  /** See Rewriter. */
  push(bytes: Buffer): Buffer {
    const text = bytes.toString('latin1')
    let out = ''
    let at = 0
    for (let end = text.indexOf('\n'); end !== -1; end = text.indexOf('\n', at)) {
      const line = this.#rest + text.slice(at, end + 1)
      this.#rest = ''
      out += this.#isLong ? line : this.#line(line)
      this.#isLong = false
      at = end + 1
    }
    const rest = this.#rest + text.slice(at)
    const isLong = rest.length > MAX_LINE_CHARS
    if (isLong && !this.#isLong) this.#line(rest)
    this.#isLong ||= isLong
    this.#rest = this.#isLong ? '' : rest
    return Buffer.from(this.#isLong ? out + rest : out, 'latin1')
  }

  /** See Rewriter. */
  end(): Buffer {
    return Buffer.from(this.#rest === '' ? '' : this.#line(this.#rest), 'latin1')
  }

  /** A line, or one that is too long as far as it has come: only where it stands counts. */
  #line(line: string): string {
    const isLong = line.length > MAX_LINE_CHARS
    const indent = indentOf(isLong ? line.slice(0, MAX_LINE_CHARS) : line)
    if (indent === -1) return line
    if (this.#blockIndent !== -1) {
      if (indent > this.#blockIndent) return line
      this.#blockIndent = -1
    }
    if (this.#column !== -1) {
      if (indent >= this.#column && line.startsWith('- ', indent))
        return isLong ? line : this.#item(line, indent + 2)
      this.#column = -1
    }
    if (isLong) return line
    if (line.includes(this.#key)) return this.#keyed(line)
    const last = lastChar(line)
    if (last === '|' || last === '>' || last === '-' || last === '+') this.#begin(line)
    return line
  }

  /** A text of several lines begins, if the line says so: `key: |`, `- key: >-`, `- |`. It is further in than its key, or dash. */
  #begin(line: string): void {
    if (!/(?:^|[:-] )[|>][-+0-9]{0,2}$/.test(line.trimEnd().slice(-8))) return
    const column = columnOf(line)
    this.#blockIndent = line[column] === '|' || line[column] === '>' ? column - 2 : column
  }

  #keyed(line: string): string {
    const body = line.replace(/\r?\n$/, '')
    const column = columnOf(body)
    const from = column + this.#key.length
    if (!body.startsWith(this.#key, column)) return line
    if (from < body.length && body[from] !== ' ' && body[from] !== '\t') return line
    const rest = body.slice(from)
    const value = rest.trim()
    if (value === '' || value.startsWith('#')) {
      this.#column = column
      return line
    }
    if (!value.startsWith('[')) return line
    const shown = rest.replaceAll(ELEMENT, (item) => this.#scalar(item))
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

/** Where what a line says begins: behind blanks, and the dashes of lists. */
function columnOf(line: string): number {
  let at = 0
  while (line[at] === ' ' || line.startsWith('- ', at)) at += line[at] === ' ' ? 1 : 2
  return at
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
