import type { IncomingHttpHeaders } from 'node:http'

/** What a representation can be compared by. */
export interface Validators {
  /** A strong entity tag with its quotes. */
  etag: string
  /** Exact text of `Last-Modified`, when it is sent. */
  lastModified?: string
}

/** The part of a request that conditions are read from. */
export interface ConditionalRequest {
  method?: string | undefined
  headers: IncomingHttpHeaders
}

/** A byte range of a representation: first and last offset, both included. */
export interface ByteRange {
  first: number
  last: number
}

/** Decides what the request's preconditions make of a representation, in the order of RFC 9110 §13.2.2. */
export function evaluatePreconditions(
  req: ConditionalRequest,
  validators: Validators,
): 'proceed' | 'not_modified' | 'failed' {
  const ifMatch = req.headers['if-match']
  if (ifMatch !== undefined && !tagListMatches(ifMatch, validators.etag, 'strong')) return 'failed'
  const ifNoneMatch = req.headers['if-none-match']
  if (ifNoneMatch !== undefined) {
    return tagListMatches(ifNoneMatch, validators.etag, 'weak') ? 'not_modified' : 'proceed'
  }
  const since = Date.parse(req.headers['if-modified-since'] ?? '')
  const modified = Date.parse(validators.lastModified ?? '')
  // NaN compares false: a date that cannot be read is no condition.
  return modified <= since ? 'not_modified' : 'proceed'
}

/**
 * Reads a `Range` for a representation of `size` bytes (RFC 9110 §14.2). `whole` means "answer 200 with everything": no
 * range, a unit or syntax we do not know, several ranges, or an `If-Range` that no longer holds.
 */
export function selectRange(
  req: ConditionalRequest,
  size: number,
  validators: Validators,
): 'whole' | 'unsatisfiable' | ByteRange {
  const range = req.headers.range
  // Only GET defines ranges (RFC 9110 §14.2).
  if (range === undefined || req.method !== 'GET' || !ifRangeHolds(req.headers, validators)) return 'whole'
  const match = /^bytes=[ \t]*(\d*)-(\d*)[ \t]*$/i.exec(range)
  const [, from = '', to = ''] = match ?? []
  if (from === '' && to === '') return 'whole'
  if (from === '') {
    const length = Math.min(Number(to), size)
    return length === 0 ? 'unsatisfiable' : { first: size - length, last: size - 1 }
  }
  const first = Number(from)
  const last = to === '' ? size - 1 : Number(to)
  if (to !== '' && last < first) return 'whole'
  return first >= size ? 'unsatisfiable' : { first, last: Math.min(last, size - 1) }
}

function ifRangeHolds(headers: IncomingHttpHeaders, validators: Validators): boolean {
  const ifRange = headers['if-range']
  // A date must match exactly and a tag strongly (RFC 9110 §13.1.5): both are plain equality with what we sent.
  return ifRange === undefined || ifRange === validators.etag || ifRange === validators.lastModified
}

function tagListMatches(list: string, etag: string, comparison: 'strong' | 'weak'): boolean {
  if (list.trim() === '*') return true
  return list.split(',').some((item) => {
    const tag = item.trim()
    return tag === etag || (comparison === 'weak' && tag === `W/${etag}`)
  })
}
