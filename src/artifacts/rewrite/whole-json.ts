import { HeldBytes } from '../../http/held-bytes.ts'
import type { DocumentFault, Rewriter } from './document-rule.ts'

const NOTHING = Buffer.alloc(0)

/** Parses, changes and writes anew a document that is small by its nature: where members have to be added or left out. */
export class WholeJsonRewriter implements Rewriter {
  readonly #change: (value: Record<string, unknown>) => DocumentFault | null
  fault: DocumentFault | null = null
  readonly #held: HeldBytes

  /** `change` changes the document's object in place, or says what is wrong with it. */
  constructor(maxBytes: number, change: (value: Record<string, unknown>) => DocumentFault | null) {
    this.#held = new HeldBytes(maxBytes + 1)
    this.#change = change
  }

  /** See Rewriter. */
  push(bytes: Buffer): Buffer {
    this.#held.append(bytes, 0)
    if (this.#held.isFull) this.fault = 'document_too_large'
    return NOTHING
  }

  /** See Rewriter. */
  end(): Buffer {
    const whole = this.#held.view()
    this.#held.clear()
    if (this.fault !== null) return whole
    const value = objectOf(whole)
    this.fault = value === null ? 'document_malformed' : this.#change(value)
    const text = this.fault === null ? textOf(value) : null
    if (text === null) this.fault ??= 'document_malformed'
    return text === null ? whole : Buffer.from(text)
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

/** Null for what is nested too deep to be written, a hundred thousand levels or so: it can be parsed all the same. */
function textOf(value: unknown): string | null {
  try {
    return JSON.stringify(value)
  } catch {
    return null
  }
}
