import type { DocumentFault, Rewriter } from './document-rule.ts'

const NOTHING = Buffer.alloc(0)

/** Parses, changes and writes anew a document that is small by its nature: where members have to be added or left out. */
export class WholeJsonRewriter implements Rewriter {
  readonly #maxBytes: number
  readonly #change: (value: Record<string, unknown>) => DocumentFault | null
  fault: DocumentFault | null = null
  #pieces: Buffer[] = []
  #bytes = 0

  /** `change` changes the document's object in place, or says what is wrong with it. */
  constructor(maxBytes: number, change: (value: Record<string, unknown>) => DocumentFault | null) {
    this.#maxBytes = maxBytes
    this.#change = change
  }

  /** See Rewriter. */
  push(bytes: Buffer): Buffer {
    this.#bytes += bytes.length
    if (this.#bytes > this.#maxBytes) this.fault = 'document_too_large'
    else this.#pieces.push(Buffer.from(bytes))
    return NOTHING
  }

  /** See Rewriter. */
  end(): Buffer {
    const whole = Buffer.concat(this.#pieces)
    this.#pieces = []
    const value = objectOf(whole)
    this.fault ??= value === null ? 'document_malformed' : this.#change(value)
    return this.fault === null ? Buffer.from(JSON.stringify(value)) : whole
  }
}

/** A value as an object whose members can be asked for; null for all else. */
export function asObject(value: unknown): Record<string, unknown> | null {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : null
}

function objectOf(bytes: Buffer): Record<string, unknown> | null {
  try {
    return asObject(JSON.parse(bytes.toString()))
  } catch {
    return null
  }
}
