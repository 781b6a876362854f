/** What is wrong with the argument of a question about packages, and where. */
export class QueryError extends Error {
  readonly code = 'WAYBILL_PACKAGE_QUERY'
  /** Where in the argument, from 1. */
  readonly position: number
  /** What should stand there, in words. */
  readonly expected: string

  /** `offset`: from 0. */
  constructor(offset: number, expected: string) {
    super(`at character ${offset + 1}: expected ${expected}`)
    this.name = 'QueryError'
    this.position = offset + 1
    this.expected = expected
  }
}

/**
 * Decodes percent-escapes (RFC 3986 §2.1). Throws a QueryError for an escape that is none, for what is not UTF-8, and for control characters,
 * which no name and no version has. `offset`: where `text` stands in the argument.
 */
export function decodeEscapes(text: string, offset: number): string {
  const bad = /%(?![0-9a-f]{2})/i.exec(text)
  if (bad !== null) throw new QueryError(offset + bad.index, 'two hexadecimal digits after %')
  let decoded: string
  try {
    decoded = decodeURIComponent(text)
  } catch {
    throw new QueryError(offset + Math.max(0, text.search(/%[89a-f]/i)), 'percent-escapes of UTF-8')
  }
  if (/\p{Cc}/u.test(decoded)) {
    const place = text.search(/\p{Cc}|%[01]|%7f|%c2%[89]/iu)
    throw new QueryError(offset + Math.max(0, place), 'no control characters')
  }
  if (/\p{Cs}/u.test(decoded)) throw new QueryError(offset, 'no halves of surrogate pairs')
  return decoded
}
