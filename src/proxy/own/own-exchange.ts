import type { OwnAnswer, OwnReply } from '../../artifacts/login/own-answer.ts'
import type { DecisionContext } from '../decide/context.ts'
import { authenticateClient, takeLogPlace } from '../decide/phases.ts'
import type { Exchange } from '../exchange/exchange.ts'
import { answerRefusal, answerWith } from '../answers/own-answers.ts'
import { WholeBody } from '../waiting/whole-body.ts'
import { tokenReply } from './token-endpoint.ts'

/** Longest time for a body that says who its client is: some 100 bytes. */
const BODY_TIMEOUT_MS = 15_000
const NOTHING = Buffer.alloc(0)

/** Answers an exchange that was decided on as one of the gateway's own; `fail` is told of what should never happen. */
export function answerOwn(
  exchange: Exchange,
  answer: OwnAnswer,
  context: DecisionContext,
  fail: (error: unknown) => void,
): void {
  if (answer.by === 'anybody') answerWith(exchange, answer.reply)
  else if (answer.by === 'token') {
    whenWhole(exchange, answer.maxBytes, fail, (body) => {
      const reply = tokenReply(exchange, body, context)
      if ('body' in reply) answerWith(exchange, reply)
      else answerRefusal(exchange, reply.outcome, reply.reason, reply.limit)
    })
  } else if (answer.by === 'key') answerWith(exchange, replyTo(exchange, answer))
  else {
    whenWhole(exchange, answer.maxBytes, fail, (body) => {
      const text = answer.keyIn(body)
      exchange.credential = text === null ? null : { text, field: 'authorization' }
      const refusal = authenticateClient(exchange, context) ?? takeLogPlace(exchange, context)
      if (refusal === null) answerWith(exchange, replyTo(exchange, answer))
      else answerRefusal(exchange, refusal.outcome, refusal.reason, refusal.limit)
    })
  }
}

function replyTo(exchange: Exchange, answer: Extract<OwnAnswer, { by: 'key' | 'body' }>): OwnReply {
  return answer.reply({ tenant: exchange.tenant?.slug ?? '', text: exchange.credential?.text ?? '' })
}

/** Has all of a small body here. */
function whenWhole(
  exchange: Exchange,
  maxBytes: number,
  fail: (error: unknown) => void,
  then: (body: Buffer) => void,
): void {
  const { body } = exchange
  const onBody = (whole: Buffer): void => {
    exchange.bytesReceived = whole.length
    try {
      if (!exchange.isClosed) then(whole)
    } catch (error) {
      fail(error)
    }
  }
  if (exchange.head.contentLength > maxBytes || (Buffer.isBuffer(body) && body.length > maxBytes)) {
    answerRefusal(exchange, 'body_too_large', null)
    return
  }
  if (body === null) onBody(NOTHING)
  else if (Buffer.isBuffer(body)) onBody(body)
  else {
    void new WholeBody(exchange, body, {
      maxBytes,
      limitMs: BODY_TIMEOUT_MS,
      onBody,
      onTooLong: () => answerRefusal(exchange, 'body_too_large', null),
    })
  }
}
