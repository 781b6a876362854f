import type { Route } from '../../model/route.ts'
import type { RouteAddresses } from '../../upstream/addresses/route-addresses.ts'

/** What can be wrong with a document: the reason of its request's entry. */
export type DocumentFault = 'document_malformed' | 'document_foreign' | 'document_too_large'

/** Rewrites one document while it passes. Bytes that it is given are valid only during the call; those that it gives are its receiver's. */
export interface Rewriter {
  /** Takes the next bytes of the document, and gives what of the rewritten one is known by now. */
  push(bytes: Buffer): Buffer
  /** The document has ended: gives the rest. */
  end(): Buffer
  /** What is wrong with the document, null for nothing yet. All that comes after a fault is given as it is. */
  readonly fault: DocumentFault | null
}

/** What a document is rewritten by. */
export interface DocumentContext {
  readonly route: Route
  readonly addresses: RouteAddresses
  /** An address as it has to stand in the document; the same for one that stays. */
  readonly translate: (address: string) => string
}

/** Documents of one form that an ecosystem's clients get addresses from. */
export interface DocumentRule {
  /** Names the rule in validators; a change of what it does changes the name. */
  readonly name: string
  /** Whether a request may be answered with such a document. The path is below the route's: it starts with '/', or is ''. Never throws. */
  isAskedBy(method: string, path: string): boolean
  /** Media type, without parameters and in lower case, of such documents. */
  isOfType(mediaType: string): boolean
  /** `mediaType` is one that `isOfType` has taken. */
  open(context: DocumentContext, mediaType: string): Rewriter
}

/** The media types of JSON (RFC 8259 §11, RFC 6839 §3.1). */
export function isJson(mediaType: string): boolean {
  return mediaType === 'application/json' || mediaType === 'text/json' || mediaType.endsWith('+json')
}
