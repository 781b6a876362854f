import { createHmac, hash } from 'node:crypto'
import type { GatewayEvent } from './event.ts'

const PREFIX = 'whsec_'
/** Bytes of a key (Standard Webhooks, "Signature scheme"). */
const MIN_KEY = 24
const MAX_KEY = 64

/** The key of a secret: `whsec_` and 24 to 64 bytes in base64; null for what is none. */
export function webhookKey(secret: string): Buffer | null {
  const text = secret.startsWith(PREFIX) ? secret.slice(PREFIX.length) : ''
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(text)) return null
  const key = Buffer.from(text, 'base64')
  return key.length >= MIN_KEY && key.length <= MAX_KEY ? key : null
}

/**
 * The id of an event's messages, the same at each attempt. It has no full stop, which the signature separates by, and nothing that may
 * not stand in a field (Standard Webhooks, "Signature scheme").
 */
export function messageId({ id }: Pick<GatewayEvent, 'id'>): string {
  return `evt_${hash('sha256', id).slice(0, 32)}`
}

/** A message as it is sent. */
export interface WebhookMessage {
  readonly body: string
  readonly headers: Readonly<Record<string, string>>
}

/**
 * The message of an event, signed by HMAC-SHA-256 (Standard Webhooks 1.0.0): the signature covers id, time and body, so that none of
 * them can be exchanged. The time is that of this attempt: receivers refuse old ones.
 */
export function signedMessage(event: GatewayEvent, secret: string, nowMs: number): WebhookMessage {
  const { type, at, data } = event
  const id = messageId(event)
  const key = webhookKey(secret)
  if (key === null) throw new RangeError('not the secret of a webhook')
  const body = JSON.stringify({ type, timestamp: at.toISOString(), data })
  const timestamp = String(Math.floor(nowMs / 1000))
  const signature = createHmac('sha256', key).update(`${id}.${timestamp}.${body}`).digest('base64')
  const headers = {
    'content-type': 'application/json',
    'user-agent': 'waybill',
    'webhook-id': id,
    'webhook-timestamp': timestamp,
    'webhook-signature': `v1,${signature}`,
  }
  return { body, headers }
}
