import { EVENT_TYPES, receiverName, type EventReceiver, type EventType } from '../../model/events/event.ts'
import { webhookKey } from '../../model/events/signature.ts'
import { row } from '../option-rows.ts'

/** Each is sent everything that it wants: more would be a list for a program that passes messages on. */
const MAX_RECEIVERS = 16
const FORM = `a list of up to ${MAX_RECEIVERS} { url: http(s) URL, secret: whsec_ and 24 to 64 bytes in base64, types: some of ${EVENT_TYPES.join(', ')}; all without it }; in a variable as JSON`

/** Where events are sent. */
export const EVENT_OPTIONS = {
  events: row<readonly EventReceiver[]>([], FORM, 'Receivers of events (webhooks)', readReceivers, {
    isSecret: true,
    actsOn: 'reload',
    secrets: (receivers) => receivers.flatMap(({ url, secret }) => [url, secret]),
    show: (receivers) => receivers.map((one) => ({ url: receiverName(one), types: one.types })),
  }),
} as const

function readReceivers(value: unknown): readonly EventReceiver[] | null {
  const list = typeof value === 'string' ? jsonOf(value) : value
  if (!Array.isArray(list) || list.length > MAX_RECEIVERS) return null
  const receivers = list.map(readReceiver)
  // Of two with one URL the database could not tell which has taken an event.
  if (new Set(receivers.map(({ url }) => url)).size < receivers.length)
    throw new RangeError('must have each url once')
  return receivers
}

/** Throws a RangeError that names the field, and nothing of what it holds. */
function readReceiver(value: unknown, index: number): EventReceiver {
  const fields = typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
  const { url, secret, types = EVENT_TYPES, ...more } = fields
  if (!isUrl(url)) throw problem(index, 'url must be an http(s) URL without user name, password and fragment')
  if (typeof secret !== 'string' || webhookKey(secret) === null)
    throw problem(index, 'secret must be whsec_ and 24 to 64 bytes in base64')
  if (!Array.isArray(types) || types.length === 0 || !types.every(isEventType))
    throw problem(index, `types must be some of ${EVENT_TYPES.join(', ')}`)
  if (Object.keys(more).length > 0) throw problem(index, 'has only url, secret and types')
  return { url, secret, types: [...new Set(types)] }
}

function problem(index: number, text: string): RangeError {
  return new RangeError(`receiver ${index + 1}: ${text}`)
}

function isUrl(value: unknown): value is string {
  return typeof value === 'string' && /^https?:\/\/[^\s@#\\]{1,2000}$/.test(value) && URL.canParse(value)
}

function isEventType(value: unknown): value is EventType {
  return EVENT_TYPES.some((type) => type === value)
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}
