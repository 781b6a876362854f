import type { CallBook, Claimed, HeldCall } from '../../model/idempotency/kept-calls.ts'
import type { IdempotencyRules, RepeatableMethod } from '../../model/idempotency/idempotency-rules.ts'
import type { Route } from '../../model/route.ts'
import type { Dispatcher } from '../../upstream/dispatcher.ts'
import { answerRefusal } from '../answers/own-answers.ts'
import type { Exchange } from '../exchange/exchange.ts'
import type { HeldBody, HeldShares } from '../waiting/held-shares.ts'
import { UpstreamCarrier } from '../upstream-carrier.ts'
import { Pending } from '../waiting/pending.ts'
import { readTenantBody } from '../waiting/tenant-body.ts'
import { AnswerRecorder } from './answer-recorder.ts'
import { fingerprintOf } from './fingerprint.ts'
import { idempotencyKeyOf } from './idempotency-key.ts'
import { replaying } from './replay.ts'

/** What a client whose call is under way is asked to wait. */
const IN_USE_SECONDS = 1

export interface IdempotentCallsParts {
  readonly book: CallBook
  readonly shares: HeldShares
  readonly dispatcher: Dispatcher
  /** This gateway's pseudonym in Via fields. */
  readonly via: string
  /** Ends an exchange after what should never happen. */
  readonly fail: (exchange: Exchange, error: unknown) => void
}

/** Requests with an Idempotency-Key, of routes that heed it: their upstream sees each key once, and repetitions get the first answer. */
export class IdempotentCalls {
  readonly #parts: IdempotentCallsParts

  constructor(parts: IdempotentCallsParts) {
    this.#parts = parts
  }

  /** Takes a request that was let through and whose route has rules; false for one that the rules leave alone. */
  take(exchange: Exchange, route: Route, rules: IdempotencyRules): boolean {
    const { req } = exchange
    if (!rules.methods.includes(req.method as RepeatableMethod) || exchange.asksForTunnel) return false
    const key = idempotencyKeyOf(req.rawHeaders)
    if (key === null && !rules.required) return false
    if (key === null || key === '') {
      answerRefusal(exchange, 'bad_request', key === null ? 'idempotency_missing' : 'idempotency_malformed')
      return true
    }
    const bytes = this.#parts.shares.openFor(exchange.tenant?.slug ?? '')
    const taken = { exchange, route, rules, call: new CallUnderWay(exchange, bytes), bytes }
    readTenantBody(exchange, {
      held: bytes,
      maxBytes: rules.maxRequestBytes,
      tooLong: 'idempotency_body',
      limitMs: route.idleTimeoutMs,
      onBody: (body) => this.#claim(taken, key, body),
      fail: (error) => this.#parts.fail(exchange, error),
    })
    return true
  }

  #claim(taken: Taken, key: string, body: Buffer): void {
    const { exchange, route } = taken
    const { req, tenant, path, target } = exchange
    exchange.bytesReceived = body.length
    const pending = new Pending(exchange)
    this.#parts.book
      .claim({
        tenant: tenant?.slug ?? '',
        route: route.name,
        key,
        fingerprint: fingerprintOf(req.method ?? '', path + (target?.query ?? ''), body),
      })
      .then((claimed) => {
        if (claimed.kind === 'first') taken.call.held = claimed.held
        if (pending.isOver) taken.call.letGo()
        else this.#act(taken, claimed)
      })
      .catch((error: unknown) => this.#parts.fail(exchange, error))
  }

  #act({ exchange, rules, bytes }: Taken, claimed: Claimed): void {
    const { dispatcher, via, fail } = this.#parts
    switch (claimed.kind) {
      case 'first': {
        const recorded = AnswerRecorder.around(dispatcher, {
          call: claimed.held,
          rules,
          hold: (count) => bytes.take(count),
          touch: () => exchange.touch(),
          fail: (error) => fail(exchange, error),
        })
        new UpstreamCarrier(exchange, recorded, via).send()
        return
      }
      case 'answered': {
        // Its client may take it as slowly as it likes.
        if (!bytes.take(claimed.answer.body.length)) {
          answerRefusal(exchange, 'overloaded', 'bodies_full')
          return
        }
        const onHead = (): void => {
          exchange.outcome = 'answered'
          exchange.reason = 'replayed'
        }
        new UpstreamCarrier(exchange, replaying(claimed.answer, onHead), via).send()
        return
      }
      case 'unknown':
      case 'full': {
        const reason = claimed.kind === 'full' ? 'idempotency_full' : 'idempotency_unknown'
        if (rules.whenUnknown === 'forward') new UpstreamCarrier(exchange, dispatcher, via).send()
        else answerRefusal(exchange, 'overloaded', reason)
        return
      }
      case 'under_way':
        exchange.retryAfterSeconds = IN_USE_SECONDS
        answerRefusal(exchange, 'conflict', 'idempotency_in_use')
        return
      case 'unkept':
      case 'other':
        answerRefusal(
          exchange,
          'conflict',
          claimed.kind === 'unkept' ? 'idempotency_unkept' : 'idempotency_reused',
        )
    }
  }
}

/** A request that was taken, and what it is to go by. */
interface Taken {
  readonly exchange: Exchange
  readonly route: Route
  readonly rules: IdempotencyRules
  readonly call: CallUnderWay
  readonly bytes: HeldBody
}

/** What is to be given back at the end of a request with a key. */
class CallUnderWay {
  /** Its key, once it has it. */
  held: HeldCall | null = null

  constructor(exchange: Exchange, bytes: HeldBody) {
    const { held: before } = exchange
    exchange.held = {
      pass: (tenant) => before?.pass(tenant) ?? true,
      // The end of every exchange, however it comes: a key that was not answered by then is free again.
      release: () => {
        before?.release()
        bytes.release()
        this.letGo()
      },
    }
  }

  letGo(): void {
    void this.held?.release()
  }
}
