import type { Clock } from '../../lib/time/clock.ts'
import type { Dispatcher } from '../dispatcher.ts'
import { RequestGoneError } from '../failure.ts'
import { NOT_QUEUED, type ResponseReceiver, type ResponseSource, type UpstreamRequest } from '../request.ts'

/** A whole answer to a request of the gateway's own. */
export interface WholeAnswer {
  readonly status: number
  /** Names and values in turn. */
  readonly fields: readonly string[]
  /** Latin-1. */
  readonly body: string
}

export interface AskBounds {
  readonly ms: number
  readonly maxBytes: number
  readonly clock: Clock
}

/** Sends a GET of the gateway's own. `done` is told once: the answer, or null for none that is whole, in time and not too large. */
export function ask(
  next: Dispatcher,
  request: UpstreamRequest,
  bounds: AskBounds,
  done: (answer: WholeAnswer | null) => void,
): void {
  new Question(next, request, bounds, done).send()
}

class Question implements ResponseReceiver {
  readonly #next: Dispatcher
  readonly #request: UpstreamRequest
  readonly #maxBytes: number
  readonly #done: (answer: WholeAnswer | null) => void
  readonly #cancelLimit: () => void
  #place = NOT_QUEUED
  #source: ResponseSource | null = null
  #status = 0
  #fields: readonly string[] = []
  #body = ''
  #isSecond = false
  #isOver = false

  constructor(
    next: Dispatcher,
    request: UpstreamRequest,
    { ms, maxBytes, clock }: AskBounds,
    done: (answer: WholeAnswer | null) => void,
  ) {
    this.#next = next
    this.#request = request
    this.#maxBytes = maxBytes
    this.#done = done
    this.#cancelLimit = clock.after(ms, () => this.#giveUp())
  }

  send(): void {
    const isSecond = this.#isSecond
    const place = this.#next.dispatch(this.#request, this)
    if (isSecond === this.#isSecond) this.#place = place
  }

  onConnect(source: ResponseSource): boolean {
    if (this.#isOver) return false
    this.#source = source
    return true
  }

  onHeaders(status: number, fields: string[]): void {
    if (status < 200) return
    this.#status = status
    this.#fields = fields
  }

  onData(bytes: Buffer): boolean {
    if (this.#isOver) return true
    if (this.#body.length + bytes.length > this.#maxBytes) this.#giveUp()
    else this.#body += bytes.toString('latin1')
    return true
  }

  onPause(): void {
    // All is kept as it comes.
  }

  onEnd(_trailers: string[], isCut: boolean): void {
    this.#end(isCut ? null : { status: this.#status, fields: this.#fields, body: this.#body })
  }

  onError(_error: NodeJS.ErrnoException, isUnheard: boolean): void {
    if (this.#isOver) return
    this.#source = null
    if (!isUnheard || this.#isSecond) return this.#end(null)
    this.#isSecond = true
    this.#place = NOT_QUEUED
    this.send()
  }

  /** See Transfer: it is bounded in time, and short. */
  moved(): number {
    return -1
  }

  movingSince(): number {
    return this.#request.tick
  }

  giveWay(): void {
    this.#giveUp()
  }

  #giveUp(): void {
    const source = this.#source
    this.#end(null)
    if (source === null) this.#place.leave()
    else source.abort(new RequestGoneError())
  }

  #end(answer: WholeAnswer | null): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#cancelLimit()
    this.#done(answer)
  }
}
