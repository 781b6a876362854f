import { ChunkedDecoder } from './chunked-decoder.ts'
import { HeldBytes } from './held-bytes.ts'
import { parseResponseHead, type ResponseHead } from './response-head.ts'

/** Who hears of a response as it is parsed; may call `stop` in any of these. */
export interface ParsedResponse {
  /** A head; 1xx ones come before the final one. */
  onHead(head: ResponseHead): void
  /** Bytes of the body, valid only during the call. `isLast` when they are known to be its last. */
  onBody(bytes: Buffer, isLast: boolean): void
}

/** `more` is to come · `done`: the response is complete · `malformed`: it is no response · `stopped` by who listens. */
export type ParseVerdict = 'more' | 'done' | 'malformed' | 'stopped'

type State = 'head' | 'length' | 'chunks' | 'untilClose' | 'done' | 'malformed' | 'stopped'

/** Longest head, and longest trailer section. */
const MAX_SECTION_BYTES = 65_536
/** All interim heads of one response: they are passed on without back pressure. */
const MAX_INTERIM_BYTES = 262_144
const HEAD_END = '\r\n\r\n'
const START = Buffer.from('HTTP/1.')
const LF = 0x0a
const CR = 0x0d

/**
 * Parses one response (RFC 9112), however its bytes are cut into pieces. Strict: what two readers could take differently is
 * malformed. One object per response; never throws on any input.
 */
export class ResponseParser {
  readonly #to: ParsedResponse
  readonly #isHead: boolean
  #state: State = 'head'
  #remaining = 0
  #interimBytes = 0
  #held: HeldBytes | null = null
  #chunks: ChunkedDecoder | null = null
  /** Bytes of the last `execute` that belong to the response; what is behind them is surplus. */
  consumed = 0

  /** `isHead`: it answers a HEAD, and so has no body (RFC 9112 §6.3). */
  constructor(to: ParsedResponse, isHead: boolean) {
    this.#to = to
    this.#isHead = isHead
  }

  /** Names and values in turn of the trailer section; empty before the end. */
  get trailers(): string[] {
    return this.#chunks?.trailers ?? []
  }

  /** Calls nobody any more. */
  stop(): void {
    this.#state = 'stopped'
  }

  /** Takes the next bytes of the connection. */
  execute(data: Buffer): ParseVerdict {
    let at = 0
    while (at < data.length && this.#state === 'head') at = this.#takeHead(data, at)
    if (at < data.length) at = this.#takeBody(data, at)
    this.consumed = at
    return this.#verdict()
  }

  /** The connection has ended: true when that is the end of the response. */
  end(): boolean {
    return this.#state === 'untilClose' || this.#state === 'done'
  }

  #verdict(): ParseVerdict {
    const state = this.#state
    return state === 'done' || state === 'malformed' || state === 'stopped' ? state : 'more'
  }

  #takeHead(data: Buffer, at: number): number {
    const held = this.#held
    if (held !== null && held.length > 0) return this.#takeRestOfHead(held, data, at)
    const end = data.indexOf(HEAD_END, at, 'latin1')
    if (end !== -1) {
      this.#onHeadText(end + 4 - at > MAX_SECTION_BYTES ? null : data.toString('latin1', at, end + 2))
      return end + 4
    }
    const next = (this.#held ??= new HeldBytes(MAX_SECTION_BYTES))
    next.append(data, at)
    if (!mayBecomeHead(next.view(), 0) || next.isFull) this.#state = 'malformed'
    return data.length
  }

  #takeRestOfHead(held: HeldBytes, data: Buffer, at: number): number {
    const before = held.length
    held.append(data, at)
    const view = held.view()
    const end = view.indexOf(HEAD_END, Math.max(0, before - 3), 'latin1')
    if (end !== -1) {
      const text = view.toString('latin1', 0, end + 2)
      held.clear()
      this.#onHeadText(text)
      return at + end + 4 - before
    }
    if (!mayBecomeHead(view, before) || held.isFull) this.#state = 'malformed'
    return data.length
  }

  #onHeadText(text: string | null): void {
    const head = text === null ? null : parseResponseHead(text)
    if (text === null || head === null) {
      this.#state = 'malformed'
      return
    }
    if (head.status < 200) {
      this.#interimBytes += text.length
      if (this.#interimBytes > MAX_INTERIM_BYTES) this.#state = 'malformed'
      else this.#to.onHead(head)
      return
    }
    // Before the call, which may stop it.
    this.#state = this.#bodyOf(head)
    this.#to.onHead(head)
  }

  /** RFC 9112 §6.3. */
  #bodyOf({ status, isChunked, contentLength }: ResponseHead): State {
    if (this.#isHead || status === 204 || status === 304) return 'done'
    if (isChunked) {
      this.#chunks = new ChunkedDecoder((bytes) => this.#onChunk(bytes), MAX_SECTION_BYTES)
      return 'chunks'
    }
    if (contentLength === -1) return 'untilClose'
    this.#remaining = contentLength
    return contentLength === 0 ? 'done' : 'length'
  }

  #onChunk(bytes: Buffer): void {
    if (this.#state === 'chunks') this.#to.onBody(bytes, false)
  }

  #takeBody(data: Buffer, at: number): number {
    switch (this.#state) {
      case 'length': {
        const end = Math.min(data.length, at + this.#remaining)
        this.#remaining -= end - at
        const isLast = this.#remaining === 0
        if (isLast) this.#state = 'done'
        this.#to.onBody(at === 0 && end === data.length ? data : data.subarray(at, end), isLast)
        return end
      }
      case 'chunks': {
        const chunks = this.#chunks
        const end = chunks?.decode(data, at) ?? at
        if (this.#state !== 'chunks') return end
        if (chunks?.isDone === true) this.#state = 'done'
        else if (chunks?.isMalformed === true) this.#state = 'malformed'
        return end
      }
      case 'untilClose':
        this.#to.onBody(at === 0 ? data : data.subarray(at), false)
        return data.length
      case 'head':
      case 'done':
      case 'malformed':
      case 'stopped':
        return at
    }
  }
}

/** Whether the beginning of a head may become one: what cannot is refused at once and not when its time is up. */
function mayBecomeHead(bytes: Buffer, from: number): boolean {
  const length = Math.min(bytes.length, START.length)
  if (bytes.compare(START, 0, length, 0, length) !== 0) return false
  for (let lf = bytes.indexOf(LF, from); lf !== -1; lf = bytes.indexOf(LF, lf + 1)) {
    if (bytes[lf - 1] !== CR) return false
  }
  return true
}
