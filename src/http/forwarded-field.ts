/** One element of a Forwarded field: what a proxy says of the one in front of it. */
export interface ForwardedElement {
  /** Value of `for`, unquoted; '' when there is none, or more than one. */
  node: string
  proto: string | null
  host: string | null
}

/**
 * One pair and what ends it; a pair may be absent. Unquoted values may hold more than a token: addresses with their port are
 * written so.
 */
const PART = /(?:[ \t]*([!#$%&'*+.^_`|~0-9a-z-]+)=(?:"((?:[^"\\]|\\.)*)"|([^\s",;]*)))?[ \t]*([,;]|$)/iy

/**
 * Reads a Forwarded field, or several joined by commas (RFC 7239 §4). null unless all of it is well-formed: what stands in a
 * quoted text that a client opened and did not close must not pass for an element of a proxy's.
 */
export function readForwarded(text: string): ForwardedElement[] | null {
  const elements: ForwardedElement[] = []
  let element: ForwardedElement | null = null
  PART.lastIndex = 0
  for (;;) {
    const [whole, name, quoted, bare, end] = PART.exec(text) ?? []
    if (whole === undefined) return null
    if (name !== undefined) {
      element ??= { node: '', proto: null, host: null }
      add(
        element,
        name.toLowerCase(),
        quoted === undefined ? (bare ?? '') : quoted.replaceAll(/\\(.)/g, '$1'),
      )
    }
    if (end === ';') continue
    if (element !== null) elements.push(element)
    element = null
    if (end !== ',') return elements
  }
}

/** A second `for` in an element is malformed: then nobody is meant. */
const TWICE = ' '

function add(element: ForwardedElement, name: string, value: string): void {
  if (name === 'for') element.node = element.node === '' ? value || TWICE : TWICE
  else if (name === 'proto') element.proto ??= value
  else if (name === 'host') element.host ??= value
}
