import { ECOSYSTEMS, kindOfClient } from '../../artifacts/kinds.ts'
import type { OwnReply } from '../../artifacts/login/own-answer.ts'
import type { LimitRefusal } from '../../limits/limiter.ts'
import { statusOf, type Outcome, type Reason } from '../../model/outcome.ts'
import { scopeLacked } from '../decide/phases.ts'
import type { Exchange } from '../exchange/exchange.ts'
import { addCorsFields } from '../headers/cors.ts'
import { challengeFields } from './challenge-fields.ts'
import { replyOf, type Reply } from './reply.ts'
import { sentenceOf } from './sentence.ts'

/** Ends an exchange, whose response's head has not been sent, with the reason in a form that its client shows. */
export function answerRefusal(
  exchange: Exchange,
  outcome: Outcome,
  reason: Reason | null,
  limit: LimitRefusal | null = null,
): void {
  exchange.end(outcome, reason)
  const reply = refusalOf(exchange, outcome, reason, limit)
  exchange.status = reply.status
  // A client that waits for 100 and gets a refusal may send its body or not: the connection cannot go on.
  const { connection, head, res } = exchange
  const mustClose = exchange.expectsContinue || connection.isEnding || reason === 'framing' || head.isTooLarge
  if (mustClose) res.shouldKeepAlive = false
  const fields = [...reply.fields]
  addCorsFields(exchange, fields)
  if (res.shouldKeepAlive) fields.push('Keep-Alive', connection.keepAlive)
  res.writeHead(reply.status, reply.phrase, fields)
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

/** In the way of the kind that asks. */
function refusalOf(
  exchange: Exchange,
  outcome: Outcome,
  reason: Reason | null,
  limit: LimitRefusal | null,
): Reply {
  const { route, key, client, refusalContact, requestId, retryAfterSeconds } = exchange
  const kind = exchange.own?.kind ?? kindOfClient(route, exchange.rest)
  const ecosystem = ECOSYSTEMS[kind]
  const words = sentenceOf({
    outcome,
    reason,
    limit,
    key,
    scope: reason === 'scope' ? scopeLacked(exchange) : null,
    route: route?.name ?? '',
    place: exchange.lackedPlace,
    denied: exchange.rule === null ? null : { purl: exchange.deniedPurl, rule: exchange.rule.rule },
    clientIp: client.ip,
    retryAfterSeconds,
  })
  const sentence = refusalContact === '' ? words : `${words} ${refusalContact}`
  const form = ecosystem.refusalForm({ method: exchange.req.method ?? '', rest: exchange.rest })
  const isAsked = statusOf(outcome, reason) === 401
  const challenge = isAsked ? challengeFields(exchange, sentence, reason) : []
  const allow = allowedBy(exchange)
  return replyOf(
    { outcome, reason, limit },
    { sentence, form, challenge, requestId, retryAfterSeconds, allow },
  )
}

/** Methods that are served where the request went. */
function allowedBy({ route }: Exchange): string {
  const changing = 'POST, PUT, PATCH, DELETE'
  return route !== null && route.delivery !== null ? changing : `GET, HEAD, ${changing}, OPTIONS`
}

/** Ends an exchange with an answer of the gateway's own. */
export function answerWith(exchange: Exchange, reply: OwnReply): void {
  exchange.end('answered', null)
  exchange.status = reply.status
  const { connection, res } = exchange
  if (exchange.expectsContinue || connection.isEnding) res.shouldKeepAlive = false
  const body = Buffer.from(reply.body)
  const fields = [...reply.fields, 'Content-Length', String(body.length), 'X-Request-Id', exchange.requestId]
  addCorsFields(exchange, fields)
  if (res.shouldKeepAlive) fields.push('Keep-Alive', connection.keepAlive)
  res.writeHead(reply.status, fields)
  if (exchange.req.method === 'HEAD') {
    res.end()
    return
  }
  exchange.bytesSent = body.length
  res.end(body)
}
