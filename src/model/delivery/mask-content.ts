import { placeText, type ValuePlace } from './deliver-rules.ts'

/** What stands in place of a value that is not shown. */
export const MASKED = '********'

/** Fields whose values are credentials, whatever the route says. */
const CREDENTIAL_FIELDS: ReadonlySet<string> = new Set(['authorization', 'proxy-authorization', 'cookie'])

/** A body as it may be shown: its text, or why it is not shown. */
export type ShownBody =
  | { readonly kind: 'text'; readonly text: string }
  /** No text: its bytes. */
  | { readonly kind: 'bytes'; readonly bytes: Buffer }
  | { readonly kind: 'hidden'; readonly why: string }

/**
 * A body without the values that are masked in it. Where there is something to be masked and the body is no JSON, nothing of it is shown: what
 * stands at these places cannot be told.
 */
export function maskBody(body: Buffer, masks: readonly ValuePlace[]): ShownBody {
  const text = textOf(body)
  const places = masks.filter((place) => place.kind !== 'header')
  if (places.length === 0) return text === null ? { kind: 'bytes', bytes: body } : { kind: 'text', text }
  const root = text === null ? undefined : parsed(text)
  if (root === undefined) {
    const names = places.map(placeText).join(', ')
    return { kind: 'hidden', why: `it is not JSON, so that deliver.mask (${names}) cannot be applied` }
  }
  const box = { root }
  for (const place of places) if (place.kind === 'json') maskAt(box, ['root', ...place.steps])
  return { kind: 'text', text: JSON.stringify(box.root, null, 2) }
}

/** Fields (name, value, …) without credentials, and without what is masked. */
export function maskFields(fields: readonly string[], masks: readonly ValuePlace[]): [string, string][] {
  const names = new Set(masks.flatMap((place) => (place.kind === 'header' ? [place.name] : [])))
  return pairsOf(fields).map(([name, value]) => {
    const key = name.toLowerCase()
    return [name, CREDENTIAL_FIELDS.has(key) || names.has(key) ? MASKED : value]
  })
}

/** Fields without credentials, and without others: `also`, lower case. */
export function withoutCredentials(fields: readonly string[], also: ReadonlySet<string>): [string, string][] {
  return pairsOf(fields).filter(([name]) => {
    const key = name.toLowerCase()
    return !CREDENTIAL_FIELDS.has(key) && !also.has(key)
  })
}

function pairsOf(fields: readonly string[]): [string, string][] {
  const pairs: [string, string][] = []
  for (let i = 0; i + 1 < fields.length; i += 2) pairs.push([fields[i] ?? '', fields[i + 1] ?? ''])
  return pairs
}

/** Replaces what is there; a place that the body does not have stays missing. */
function maskAt(root: object, steps: readonly string[]): void {
  let at: unknown = root
  for (const step of steps.slice(0, -1)) at = memberOf(at, step)
  const last = steps.at(-1) ?? ''
  if (memberOf(at, last) !== undefined)
    Object.defineProperty(at, last, { value: MASKED, enumerable: true, writable: true, configurable: true })
}

function memberOf(value: unknown, step: string): unknown {
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, step)) return undefined
  return (value as Readonly<Record<string, unknown>>)[step]
}

function textOf(body: Buffer): string | null {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(body)
  } catch {
    return null
  }
}

/** Undefined for what is no JSON. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown
  } catch {
    return undefined
  }
}
