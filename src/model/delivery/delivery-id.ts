import { randomBytes } from 'node:crypto'

/** The text of an id. */
export const DELIVERY_ID = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/

/** A UUID of version 7 (RFC 9562 §5.7): it begins with the milliseconds since 1970, the rest is random. */
export function deliveryId(epochMs: number): string {
  const time = Math.trunc(epochMs).toString(16).padStart(12, '0')
  const random = randomBytes(10)
  random[0] = 0x70 | ((random[0] ?? 0) & 0x0f)
  random[2] = 0x80 | ((random[2] ?? 0) & 0x3f)
  const rest = random.toString('hex')
  return `${time.slice(0, 8)}-${time.slice(8)}-${rest.slice(0, 4)}-${rest.slice(4, 8)}-${rest.slice(8)}`
}

/** Epoch milliseconds at which the delivery of an id was received; null for what is no id of one. */
export function receivedMsOf(id: string): number | null {
  return DELIVERY_ID.test(id) ? Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16) : null
}
