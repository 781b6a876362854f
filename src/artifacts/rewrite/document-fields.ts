import { acceptedCodings, codingOf, type Coding } from './codings.ts'
import { gatewayTag, upstreamCondition, type UpstreamCondition } from './validators.ts'

/** Fields of a request for a document that depend on its bytes, and are made anew or left out: RFC 9110 §12.5.3, §13.1, §14.2. */
const OF_REQUEST: ReadonlySet<string> = new Set([
  'accept-encoding',
  'range',
  'if-range',
  'if-none-match',
  'if-modified-since',
  // RFC 3229, RFC 3230: parts and digests of what the upstream has.
  'a-im',
  'want-digest',
  'want-content-digest',
  'want-repr-digest',
])
/** Fields of an answer that tell of the upstream's bytes. */
const OF_ANSWER: ReadonlySet<string> = new Set([
  'content-length',
  'transfer-encoding',
  'content-encoding',
  'etag',
  'accept-ranges',
  'content-md5',
  'digest',
  'content-digest',
  'repr-digest',
])

/** What a request for a document becomes on its way upstream. */
export interface DocumentRequest {
  /** Flat list: name, value, …. */
  readonly headers: string[]
  /** What the client takes, of what can be written. */
  readonly codings: readonly Coding[]
  readonly condition: UpstreamCondition
}

/** The value of a field in a flat list, several joined as a list; null without one. */
export function fieldOf(fields: readonly string[], wanted: string): string | null {
  let value: string | null = null
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i] ?? ''
    if (name.length !== wanted.length || name.toLowerCase() !== wanted) continue
    const own = fields[i + 1] ?? ''
    value = value === null ? own : `${value}, ${own}`
  }
  return value
}

/**
 * Has the upstream asked for a document as a whole, in codings that can be read here and that the client takes, and on condition of what
 * the upstream itself has told. A client without tags is not told that its copy is fresh: its date says nothing of how addresses were
 * written in it.
 */
export function askForDocument(headers: readonly string[], mark: string): DocumentRequest {
  const codings = acceptedCodings(fieldOf(headers, 'accept-encoding'))
  const condition = upstreamCondition(fieldOf(headers, 'if-none-match'), mark)
  const asked = without(headers, OF_REQUEST)
  asked.push('accept-encoding', codings.length === 0 ? 'identity' : codings.join(', '))
  if (condition.ifNoneMatch !== '') asked.push('if-none-match', condition.ifNoneMatch)
  if (condition.ifModifiedSince !== '') asked.push('if-modified-since', condition.ifModifiedSince)
  return { headers: asked, codings, condition }
}

/** What is known of a document by its head. */
export interface DocumentHead {
  /** Fields for the client, without any of the framing's. */
  readonly fields: string[]
  /** The coding that it comes in, and the one that it goes out in. */
  readonly from: Coding | null
  readonly to: Coding | null
}

/** The head of a rewritten document; null when its coding cannot be read. */
export function documentHead(
  upstreamFields: readonly string[],
  codings: readonly Coding[],
  mark: string,
): DocumentHead | null {
  const from = codingOf(fieldOf(upstreamFields, 'content-encoding'))
  if (from === 'unknown') return null
  const to = from === null ? null : codings.includes(from) ? from : (codings[0] ?? null)
  const fields = without(upstreamFields, OF_ANSWER)
  if (to !== null) fields.push('Content-Encoding', to)
  if (from !== null && !/(?:^|,)\s*(?:accept-encoding|\*)\s*(?:,|$)/i.test(fieldOf(fields, 'vary') ?? ''))
    fields.push('Vary', 'Accept-Encoding')
  addTag(fields, tagOf(upstreamFields, mark))
  return { fields, from, to }
}

/** The fields of a 304 (RFC 9110 §15.4.5), or of an answer that passes as it is, with the gateway's tag. `confirmed`: see UpstreamCondition. */
export function taggedFields(
  upstreamFields: readonly string[],
  mark: string,
  confirmed: string | null,
): string[] {
  const fields = without(upstreamFields, ONLY_TAG)
  addTag(fields, tagOf(upstreamFields, mark) ?? confirmed)
  return fields
}

const ONLY_TAG: ReadonlySet<string> = new Set(['etag'])

function tagOf(fields: readonly string[], mark: string): string | null {
  return gatewayTag(fieldOf(fields, 'etag'), fieldOf(fields, 'last-modified'), mark)
}

function addTag(fields: string[], tag: string | null): void {
  if (tag !== null) fields.push('ETag', tag)
}

function without(fields: readonly string[], names: ReadonlySet<string>): string[] {
  const kept: string[] = []
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i] ?? ''
    if (!names.has(name.toLowerCase())) kept.push(name, fields[i + 1] ?? '')
  }
  return kept
}
