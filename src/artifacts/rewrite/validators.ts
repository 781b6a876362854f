import { createHash } from 'node:crypto'
import { zonedDateMs } from '../../lib/time/zoned-date.ts'

/** An entity tag (RFC 9110 §8.8.3) of a length that is worth to be kept. */
const TAG = /^(W\/)?"([\x21\x23-\x7e\x80-\xff]{0,512})"$/
const TAGS = /(?:W\/)?"([\x21\x23-\x7e\x80-\xff]{0,1024})"/g

/** Digits of a mark: no two configurations of one gateway have the same. */
const MARK_LENGTH = 12

/** Tells the documents of one gateway, route and rule from all others that were made of the same upstream document. */
export function markOf(seed: string): string {
  return createHash('sha256').update(seed).digest('base64url').slice(0, MARK_LENGTH)
}

/**
 * The tag of a rewritten document: the upstream's with a mark, or one made of its Last-Modified; null when it has neither. Weak, as the
 * bytes also depend on the coding.
 */
export function gatewayTag(
  upstreamTag: string | null,
  lastModified: string | null,
  mark: string,
): string | null {
  const [, weak, opaque] = TAG.exec(upstreamTag ?? '') ?? []
  if (opaque !== undefined) return `W/"${opaque}--${weak === undefined ? 's' : 'w'}${mark}"`
  // Of another zone it would be asked for by a time at which the document may not have been there yet.
  const modifiedMs = zonedDateMs(lastModified ?? '')
  return modifiedMs === null ? null : `W/"${Math.floor(modifiedMs / 1000)}--d${mark}"`
}

/** What the upstream is asked instead of what the client asked. */
export interface UpstreamCondition {
  /** Tags, as the upstream wrote them; '' for none. */
  readonly ifNoneMatch: string
  /** '' for none. */
  readonly ifModifiedSince: string
  /** The client's tag that a 304 confirms, where there is only one. */
  readonly confirmed: string | null
}

/** Reads an If-None-Match. A tag that is not of this mark is of another document, and counts for nothing. */
export function upstreamCondition(ifNoneMatch: string | null, mark: string): UpstreamCondition {
  const tags: string[] = []
  const own: string[] = []
  let ifModifiedSince = ''
  if (ifNoneMatch?.trim() === '*') return { ifNoneMatch: '*', ifModifiedSince, confirmed: null }
  for (const [tag, text = ''] of (ifNoneMatch ?? '').matchAll(TAGS)) {
    const at = text.length - mark.length - 3
    const kind = text[at + 2] ?? ''
    if (at < 0 || !text.endsWith(mark) || text.slice(at, at + 2) !== '--' || !'swd'.includes(kind)) continue
    const opaque = text.slice(0, at)
    own.push(tag)
    if (kind !== 'd') tags.push(`${kind === 'w' ? 'W/' : ''}"${opaque}"`)
    else if (/^\d{1,11}$/.test(opaque)) ifModifiedSince = new Date(Number(opaque) * 1000).toUTCString()
  }
  return {
    ifNoneMatch: tags.join(', '),
    ifModifiedSince: tags.length > 0 ? '' : ifModifiedSince,
    confirmed: own.length === 1 ? (own[0] ?? null) : null,
  }
}
