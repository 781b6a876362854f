import type { LimitRefusal } from '../limits/limiter.ts'
import type { Outcome, Reason } from '../model/outcome.ts'
import type { Exchange } from './exchange/exchange.ts'
import { addCorsFields } from './headers/cors.ts'
import { problemReply } from './replies.ts'

/** Ends an exchange, whose response's head has not been sent, with a problem document. */
export function answerRefusal(
  exchange: Exchange,
  outcome: Outcome,
  reason: Reason | null,
  limit: LimitRefusal | null = null,
): void {
  exchange.end(outcome, reason)
  const reply = problemReply({ outcome, reason, limit }, exchange)
  exchange.status = reply.status
  // A client that waits for 100 and gets a refusal may send its body or not: the connection cannot go on.
  const { connection, head, res } = exchange
  const mustClose = exchange.expectsContinue || connection.isEnding || reason === 'framing' || head.isTooLarge
  if (mustClose) res.shouldKeepAlive = false
  const fields = [...reply.fields]
  addCorsFields(exchange, fields)
  if (res.shouldKeepAlive) fields.push('Keep-Alive', connection.keepAlive)
  res.writeHead(reply.status, fields)
  if (exchange.req.method !== 'HEAD') exchange.bytesSent = reply.body.length
  res.end(reply.body)
}

/** Ends an exchange with an answer of the gateway's own that has no body. */
export function answerEmpty(exchange: Exchange, status: number, fields: readonly string[]): void {
  exchange.end('answered', null)
  exchange.status = status
  const { connection, res } = exchange
  const all = [...fields, 'X-Request-Id', exchange.requestId]
  if (res.shouldKeepAlive) all.push('Keep-Alive', connection.keepAlive)
  res.writeHead(status, all)
  res.end()
}
