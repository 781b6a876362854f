import type { DocumentFault, DocumentRule, Rewriter } from './document-rule.ts'
import { pathTree } from './json-paths.ts'
import { JsonRewriter } from './json-rewriter.ts'
import { YamlListRewriter } from './yaml-list-rewriter.ts'

/** Where the addresses of a chart are in an index that is JSON, as YAML may be. */
const ADDRESSES = pathTree(['entries.*.*.urls.*'])

/** `index.yaml` of a chart repository (Helm's "The index file"). */
export const helmIndex: DocumentRule = {
  name: 'helm1',
  isAskedBy: (method, path) => (method === 'GET' || method === 'HEAD') && path.endsWith('/index.yaml'),
  // Servers know no type for YAML, or several.
  isOfType: () => true,
  open: ({ translate }) => new HelmIndexRewriter(translate),
}

const NOTHING = Buffer.alloc(0)
const SPACE = 0x20
const OPEN_OBJECT = 0x7b
/** `<`, as of a page; and what no text begins with. */
const NO_YAML: ReadonlySet<number> = new Set([0, 0x3c, 0x1f, 0x50, 0x7f])

/** Told by its first byte: JSON, YAML or neither. */
class HelmIndexRewriter implements Rewriter {
  readonly #translate: (address: string) => string
  #inner: Rewriter | null = null
  #fault: DocumentFault | null = null

  constructor(translate: (address: string) => string) {
    this.#translate = translate
  }

  get fault(): DocumentFault | null {
    return this.#fault ?? this.#inner?.fault ?? null
  }

  /** See Rewriter. */
  push(bytes: Buffer): Buffer {
    if (this.#fault !== null) return Buffer.from(bytes)
    if (this.#inner === null) {
      const first = bytes.find((byte) => byte > SPACE || byte === 0)
      if (first === undefined) return Buffer.from(bytes)
      if (NO_YAML.has(first)) {
        this.#fault = 'document_malformed'
        return Buffer.from(bytes)
      }
      this.#inner =
        first === OPEN_OBJECT
          ? new JsonRewriter(ADDRESSES, this.#translate)
          : new YamlListRewriter('urls', this.#translate)
    }
    return this.#inner.push(bytes)
  }

  /** See Rewriter. An index without a byte is none. */
  end(): Buffer {
    if (this.#inner === null) this.#fault ??= 'document_malformed'
    return this.#inner?.end() ?? NOTHING
  }
}
