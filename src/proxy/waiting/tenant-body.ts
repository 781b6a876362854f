import type { Reason } from '../../model/outcome.ts'
import { answerRefusal } from '../answers/own-answers.ts'
import type { Exchange } from '../exchange/exchange.ts'
import type { HeldBody } from './held-shares.ts'
import { WholeBody } from './whole-body.ts'

const NO_BODY = Buffer.alloc(0)

/** How the body of a request is read whose tenant is known. */
export interface TenantBody {
  /** What is held of it. */
  readonly held: HeldBody
  /** A longer one is answered 413, for the reason `tooLong`. */
  readonly maxBytes: number
  readonly tooLong: Reason | null
  /** Longest time from the head to the body's end; 0 for none. */
  readonly limitMs: number
  /** The whole body: at once when it came with the head, or there is none. */
  onBody(body: Buffer): void
  /** Ends the exchange after what `onBody` has thrown, unless that was at once. */
  fail(error: unknown): void
}

/** Has the whole body of a request; one that is too long, comes too slowly or has no room is answered so. */
export function readTenantBody(exchange: Exchange, owner: TenantBody): void {
  const { body } = exchange
  const { held, maxBytes, tooLong, limitMs } = owner
  const onTooLong = (): void => answerRefusal(exchange, 'body_too_large', tooLong)
  if (body === null || Buffer.isBuffer(body)) {
    if ((body?.length ?? 0) > maxBytes) onTooLong()
    else owner.onBody(body ?? NO_BODY)
    return
  }
  void new WholeBody(exchange, body, {
    maxBytes,
    limitMs,
    hold: (bytes) => held.take(bytes.length),
    onNoRoom: () => answerRefusal(exchange, 'overloaded', 'bodies_full'),
    onTooLong,
    onBody: (whole) => {
      exchange.body = whole
      try {
        owner.onBody(whole)
      } catch (error) {
        owner.fail(error)
      }
    },
  })
}
