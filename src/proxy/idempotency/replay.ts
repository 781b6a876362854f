import type { KeptAnswer } from '../../model/idempotency/kept-calls.ts'
import type { Dispatcher } from '../../upstream/dispatcher.ts'
import {
  NOT_QUEUED,
  type Dispatched,
  type ResponseReceiver,
  type UpstreamRequest,
} from '../../upstream/request.ts'

/** A source of which nothing more comes. */
const NO_UPSTREAM = {
  isUpstream: false,
  resume: (): void => {},
  hold: (bytes: Buffer): Buffer => bytes,
  abort: (): void => {},
}

/** Answers what was answered before, without an upstream. `onHead` is called when the head has been handed on. */
export function replaying(answer: KeptAnswer, onHead: () => void): Dispatcher {
  return {
    dispatch(_request: UpstreamRequest, receiver: ResponseReceiver): Dispatched {
      const { status, body } = answer
      if (!receiver.onConnect(NO_UPSTREAM)) return NOT_QUEUED
      const fields = [...answer.fields, 'Idempotent-Replayed', 'true']
      // RFC 9110 §8.6: not with 204, and with 304 it would be of another answer.
      if (status !== 204 && status !== 304) fields.push('Content-Length', String(body.length))
      receiver.onHeaders(status, fields, '')
      onHead()
      if (body.length > 0) receiver.onData(body, true)
      receiver.onEnd([], false)
      return NOT_QUEUED
    },
  }
}
