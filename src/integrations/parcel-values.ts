import { createHash } from 'node:crypto'
import { placeText, type DeliveryRules, type ValuePlace } from '../model/delivery/deliver-rules.ts'

/** What a request is read from. */
export interface ReadRequest {
  /** Name, value, …, as received. */
  readonly rawHeaders: readonly string[]
  /** '' for none. */
  readonly contentType: string
  /** '' for none. */
  readonly contentEncoding: string
  readonly body: Buffer
}

/** What a route's rules make of a request. */
export type ParcelValues =
  | {
      readonly kind: 'take'
      readonly lane: string
      readonly coalesceBy: string
      /** Null where duplicates are not told. */
      readonly senderKey: string | null
    }
  | { readonly kind: 'ignore' }
  /** `place`: what has no value, as the configuration writes it; '' for other reasons. */
  | { readonly kind: 'refuse'; readonly reason: ParcelFault; readonly place: string }

/** Why a request that was verified is not taken. */
export type ParcelFault = 'content_type' | 'content_encoding' | 'malformed_body' | 'missing_field'

/** Longer values are told by their digest: a lane is kept with every delivery. */
const MAX_VALUE = 256

/** Reads from a request what the rules ask for. Parses the body where, and only where, they look into it. */
export function readValues({ accept, deliver }: DeliveryRules, request: ReadRequest): ParcelValues {
  const mediaType = (request.contentType.split(';', 1)[0] ?? '').trim().toLowerCase()
  if (accept.contentTypes.length > 0 && !accept.contentTypes.includes(mediaType))
    return { kind: 'refuse', reason: 'content_type', place: '' }
  const reader = new ValueReader(request, mediaType)
  try {
    const { ignore } = accept
    if (ignore !== null && ignore.values.includes(reader.read(ignore.place) ?? '')) return { kind: 'ignore' }
    for (const place of accept.requires) reader.demand(place)
    const coalesceBy = joined((deliver.coalesce?.by ?? []).map((place) => reader.demand(place)))
    const lane = joined(deliver.orderBy.map((place) => reader.demand(place)))
    return {
      kind: 'take',
      // What becomes one call meets in one lane.
      lane: lane === '' ? coalesceBy : lane,
      coalesceBy,
      senderKey: deliver.dedupe === null ? null : reader.demand(deliver.dedupe.by),
    }
  } catch (error) {
    if (error instanceof ValueFault) return { kind: 'refuse', reason: error.reason, place: error.place }
    throw error
  }
}

class ValueFault extends Error {
  readonly reason: ParcelFault
  readonly place: string

  constructor(reason: ParcelFault, place = '') {
    super(reason)
    this.reason = reason
    this.place = place
  }
}

class ValueReader {
  readonly #request: ReadRequest
  readonly #mediaType: string
  #root: { readonly value: unknown } | null = null

  constructor(request: ReadRequest, mediaType: string) {
    this.#request = request
    this.#mediaType = mediaType
  }

  /** Null where there is no value. */
  read(place: ValuePlace): string | null {
    if (place.kind === 'body') return createHash('sha256').update(this.#request.body).digest('hex')
    if (place.kind === 'header') return bounded(this.#field(place.name))
    let value = this.#document()
    for (const step of place.steps) {
      if (typeof value !== 'object' || value === null || !Object.hasOwn(value, step)) return null
      value = (value as Record<string, unknown>)[step]
    }
    if (typeof value === 'string') return bounded(value)
    return typeof value === 'number' || typeof value === 'boolean' ? String(value) : null
  }

  demand(place: ValuePlace): string {
    const value = this.read(place)
    if (value === null || value === '') throw new ValueFault('missing_field', placeText(place))
    return value
  }

  /** A field that stands twice says nothing that could be relied on. */
  #field(name: string): string | null {
    const { rawHeaders } = this.#request
    let found: string | null = null
    for (let i = 0; i < rawHeaders.length; i += 2) {
      if (rawHeaders[i]?.toLowerCase() !== name) continue
      if (found !== null) return null
      found = rawHeaders[i + 1] ?? ''
    }
    return found
  }

  #document(): unknown {
    this.#root ??= { value: this.#parse() }
    return this.#root.value
  }

  /** A form's field `payload` is JSON, as GitHub and Slack send it; any other form is an object of its fields. */
  #parse(): unknown {
    const { contentEncoding, body } = this.#request
    // The signature is over the bytes as they came; what they unpack to nobody has bounded.
    if (contentEncoding !== '' && contentEncoding !== 'identity') throw new ValueFault('content_encoding')
    const text = body.toString()
    if (this.#mediaType !== 'application/x-www-form-urlencoded') return parseJson(text)
    const form = new URLSearchParams(text)
    const payload = form.get('payload')
    return payload === null ? Object.fromEntries(form) : parseJson(payload)
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw new ValueFault('malformed_body')
  }
}

function bounded(text: string | null): string | null {
  // PostgreSQL takes neither NUL nor half a surrogate pair in a text.
  const value = text === null ? null : Buffer.from(text.replaceAll('\0', '\uFFFD')).toString()
  if (value === null || value.length <= MAX_VALUE) return value
  return createHash('sha256').update(value).digest('hex')
}

/** Values with what no value holds between them. */
function joined(values: readonly string[]): string {
  return values.map((value) => value.replaceAll('\\', '\\\\').replaceAll('/', '\\/')).join('/')
}
