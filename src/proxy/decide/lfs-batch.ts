import type { IncomingMessage } from 'node:http'
import { ServerResponse } from 'node:http'
import type { Outcome, Reason } from '../../model/outcome.ts'
import type { Carrier, Exchange } from '../exchange/exchange.ts'

/** Git LFS asks for 100 objects at once, 12 KiB; some servers allow more. */
const MAX_BYTES = 1024 * 1024

/**
 * Whether the body of a Git LFS batch (specification "Batch API") asks for a download, beyond doubt: one `operation` in it, in whichever
 * case, as parsers differ in which of two they take; and no escapes, by which a second could be written.
 */
export function isLfsDownload(body: Buffer): boolean {
  const text = body.toString('utf8')
  if (text.includes('\\') || text.match(/"operation"\s*:/gi)?.length !== 1) return false
  try {
    const parsed: unknown = JSON.parse(text)
    return (
      typeof parsed === 'object' &&
      parsed !== null &&
      'operation' in parsed &&
      parsed.operation === 'download'
    )
  } catch {
    return false
  }
}

/** What is told when the body is there, or will not be. */
export interface WholeBodyOwner {
  onBody(body: Buffer): void
  onFailure(outcome: Outcome, reason: Reason | null): void
}

/** Holds a small body back until it is whole. One per exchange, and only where the body decides what the request does. */
export class WholeBody implements Carrier {
  readonly #owner: WholeBodyOwner
  readonly #chunks: Buffer[] = []
  #isDone = false

  constructor(exchange: Exchange, message: IncomingMessage, owner: WholeBodyOwner) {
    this.#owner = owner
    const { contentLength } = exchange.head
    if (contentLength > MAX_BYTES || contentLength < 0) {
      this.#isDone = true
      owner.onFailure('forbidden', 'scope')
      return
    }
    exchange.carrier = this
    exchange.enter('head', exchange.route?.idleTimeoutMs ?? 0, performance.now())
    if (exchange.expectsContinue) {
      exchange.expectsContinue = false
      if (exchange.res instanceof ServerResponse) exchange.res.writeContinue()
    }
    message.on('data', (chunk: Buffer) => {
      if (this.#isDone) return
      exchange.touch()
      this.#chunks.push(chunk)
    })
    message.once('end', () => {
      if (this.#isDone) return
      this.#isDone = true
      owner.onBody(Buffer.concat(this.#chunks))
    })
  }

  /** See Carrier. */
  cancel(): void {
    this.#isDone = true
  }

  /** See Carrier. */
  timeOut(): void {
    if (this.#isDone) return
    this.#isDone = true
    this.#owner.onFailure('bad_request', 'body_timeout')
  }

  /** See Carrier. */
  stop(outcome: Outcome, reason: Reason | null): void {
    if (this.#isDone) return
    this.#isDone = true
    this.#owner.onFailure(outcome, reason)
  }
}
