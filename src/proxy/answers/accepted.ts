import type { Exchange } from '../exchange/exchange.ts'
import { answerWith } from './own-answers.ts'

const JSON_FIELDS = ['Content-Type', 'application/json', 'Cache-Control', 'no-store'] as const

/** Answers 202: what was sent is durable, under this id. */
export function answerAccepted(
  exchange: Exchange,
  kept: { readonly id: string; readonly isDuplicate: boolean },
): void {
  exchange.end('accepted', kept.isDuplicate ? 'duplicate' : null)
  answerWith(exchange, {
    status: 202,
    fields: [...JSON_FIELDS, 'Waybill-Delivery-Id', kept.id],
    body: `${JSON.stringify({ id: kept.id })}\n`,
  })
}

/** Answers 200 to what the route ignores on purpose. */
export function answerIgnored(exchange: Exchange): void {
  exchange.end('answered', 'ignored')
  answerWith(exchange, { status: 200, fields: JSON_FIELDS, body: '{"ignored":true}\n' })
}
