import { DocumentError, RequestGoneError } from '../../upstream/failure.ts'
import { HeldBytes } from '../../http/held-bytes.ts'
import type { ResponseReceiver, ResponseSource, UpstreamRequest } from '../../upstream/request.ts'
import {
  documentHead,
  fieldOf,
  taggedFields,
  type DocumentHead,
  type DocumentRequest,
} from './document-fields.ts'
import { DocumentPipe, type PipeOwner } from './document-pipe.ts'
import type { TurnBudget } from './turn-budget.ts'
import type { DocumentContext, DocumentFault, DocumentRule } from './document-rule.ts'

/** How documents are taken, as the options say. */
export interface DocumentSettings {
  /** Largest document, decoded; larger is answered 502. */
  readonly maxBytes: number
  /** What becomes of documents that are not what they say, and of those that lead past the gateway. */
  readonly malformed: 'refuse' | 'pass'
  readonly foreign: 'refuse' | 'pass'
}

/**
 * So much of a document, as it goes out, and for so long, is held back with its head: what ends within that, most documents, has its
 * length, and a fault in it is answered 502. Clients wait 15 s for a first byte at least (pip).
 */
const HELD_BYTES = 1024 * 1024
const HELD_MS = 2000

/** What a request for a document is answered by. */
export interface DocumentTask {
  readonly rule: DocumentRule
  readonly request: UpstreamRequest
  readonly asked: DocumentRequest
  readonly context: Omit<DocumentContext, 'translate'>
  readonly mark: string
  readonly settings: DocumentSettings
  readonly budget: TurnBudget
}

/**
 * Rewrites the answer to a request for a document, when it is one; all others pass, without a copy. One object per attempt.
 *
 *     head ──► not a document: passing                                          each byte as it came
 *          └─► document: holding ──► its end is here: one answer with its length
 *                                └─► too long, or too slow: streaming           in chunks
 */
export class DocumentReceiver implements ResponseReceiver, ResponseSource, PipeOwner {
  readonly #task: DocumentTask
  readonly #to: ResponseReceiver
  #source: ResponseSource | null = null
  #pipe: DocumentPipe | null = null
  /** The head that is held back, and what came out of the pipe since; null when it has been sent. */
  #head: { status: number; statusText: string; fields: string[] } | null = null
  readonly #held = new HeldBytes(HELD_BYTES)
  #headTick = 0
  /** The upstream has given all, or has failed. */
  #isReceived = false
  #isBlocked = false
  #isOver = false

  constructor(task: DocumentTask, to: ResponseReceiver) {
    this.#task = task
    this.#to = to
  }

  /** See ResponseSource. */
  get isUpstream(): boolean {
    return this.#source?.isUpstream ?? true
  }

  /** See ResponseReceiver. */
  onConnect(source: ResponseSource): boolean {
    this.#source = source
    return this.#to.onConnect(this)
  }

  /** See ResponseReceiver. */
  onHeaders(status: number, fields: string[], statusText: string): void {
    const { mark, asked, rule, request } = this.#task
    const type = mediaType(fieldOf(fields, 'content-type') ?? '')
    const mayBeDocument = status === 200 && rule.isOfType(type)
    if (!mayBeDocument) {
      const isTagged = status === 200 || status === 304
      const confirmed = status === 304 ? asked.condition.confirmed : null
      this.#to.onHeaders(status, isTagged ? taggedFields(fields, mark, confirmed) : fields, statusText)
      return
    }
    const head = documentHead(fields, asked.codings, mark)
    if (head === null) {
      if (this.#refuses('document_malformed')) this.#abort(new DocumentError('document_malformed'))
      else this.#to.onHeaders(status, taggedFields(fields, mark, null), statusText)
      return
    }
    if (request.method === 'HEAD') {
      this.#to.onHeaders(status, head.fields, statusText)
      return
    }
    this.#head = { status, statusText, fields: head.fields }
    this.#open(head, type, Number(fieldOf(fields, 'content-length') ?? 0))
  }

  #open({ from, to }: DocumentHead, type: string, length: number): void {
    const { rule, context, settings, budget } = this.#task
    if (from === null && length > settings.maxBytes) {
      this.#abort(new DocumentError('document_too_large'))
      return
    }
    this.#headTick = performance.now()
    const { addresses } = context
    let isForeign = false
    const rewriter = rule.open(
      {
        ...context,
        translate: (address) => {
          const shown = addresses.translate(address)
          if (settings.foreign === 'refuse') isForeign ||= addresses.isForeign(shown)
          return shown
        },
      },
      type,
    )
    const onFault = (fault: DocumentFault): void => {
      if (this.#refuses(fault)) throw new DocumentError(fault)
    }
    const watched = {
      push: (bytes: Buffer) => rewriter.push(bytes),
      end: () => rewriter.end(),
      get fault() {
        return rewriter.fault ?? (isForeign ? 'document_foreign' : null)
      },
    }
    this.#pipe = new DocumentPipe(watched, { from, to, maxBytes: settings.maxBytes, budget, onFault }, this)
  }

  /** Whether a fault costs the document; otherwise it is noted, and the document passes. */
  #refuses(fault: DocumentFault): boolean {
    const { settings, request } = this.#task
    if (fault !== 'document_malformed' || settings.malformed === 'refuse') return true
    if (request.notes !== null) request.notes.reason = fault
    return false
  }

  /** See ResponseReceiver. */
  onData(bytes: Buffer, isLast: boolean): boolean {
    return this.#pipe === null ? this.#to.onData(bytes, isLast) : this.#pipe.write(bytes)
  }

  /** See ResponseReceiver. */
  onPause(): void {
    if (this.#pipe === null) this.#to.onPause()
  }

  /** See ResponseReceiver. */
  onEnd(trailers: string[], isCut: boolean): void {
    this.#isReceived = true
    if (this.#pipe === null) this.#to.onEnd(trailers, isCut)
    else if (!isCut) this.#pipe.end()
    else {
      this.#stop()
      this.#to.onEnd([], true)
    }
  }

  /** See ResponseReceiver. */
  onError(error: NodeJS.ErrnoException, isUnheard: boolean): void {
    this.#isReceived = true
    if (this.#isOver) return
    this.#stop()
    this.#to.onError(error, isUnheard)
  }

  /** See PipeOwner. */
  onOutput(bytes: Buffer): boolean {
    if (this.#head === null) return this.#send(bytes)
    const isShort = this.#held.length + bytes.length <= HELD_BYTES
    if (isShort && performance.now() - this.#headTick < HELD_MS) {
      this.#held.append(bytes, 0)
      return true
    }
    const { status, fields, statusText } = this.#head
    this.#head = null
    this.#to.onHeaders(status, fields, statusText)
    const held = this.#takeHeld()
    return this.#send(held.length === 0 ? bytes : Buffer.concat([held, bytes]))
  }

  #takeHeld(): Buffer {
    const held = this.#held.view()
    this.#held.clear()
    return held
  }

  #send(bytes: Buffer): boolean {
    this.#isBlocked = true
    if (this.#to.onData(bytes, false)) this.#isBlocked = false
    // It may resume within this.
    this.#to.onPause()
    return !this.#isBlocked
  }

  /** See PipeOwner. */
  onFinish(): void {
    const to = this.#to
    const source = this.#isReceived ? null : this.#source
    this.#isOver = true
    if (this.#head !== null) {
      const { status, fields, statusText } = this.#head
      const body = this.#takeHeld()
      to.onHeaders(status, [...fields, 'Content-Length', String(body.length)], statusText)
      if (body.length > 0) to.onData(body, true)
    }
    to.onEnd([], false)
    // Its coding has ended, and the answer has not: nobody waits for what may come behind.
    source?.abort(new RequestGoneError())
  }

  /** See PipeOwner. */
  onFault(error: Error): void {
    this.#abort(error)
  }

  /** See PipeOwner. */
  onWelcome(): void {
    if (!this.#isReceived) this.#source?.resume()
  }

  /** See ResponseSource. */
  resume(): void {
    this.#isBlocked = false
    if (this.#pipe === null) this.#source?.resume()
    else this.#pipe.resume()
  }

  /** See ResponseSource. What comes out of the pipe is nobody else's. */
  hold(bytes: Buffer): Buffer {
    return this.#pipe === null ? (this.#source?.hold(bytes) ?? bytes) : bytes
  }

  /** See ResponseSource. */
  abort(error: Error): void {
    this.#abort(error)
  }

  #abort(error: Error): void {
    if (this.#isOver) return
    // The upstream's connection, while the response is on it, tells of the end; and so is used for nothing else.
    if (!this.#isReceived) this.#source?.abort(error)
    if (this.#isOver) return
    this.#stop()
    this.#to.onError(error, false)
  }

  #stop(): void {
    this.#isOver = true
    this.#held.clear()
    this.#pipe?.destroy()
  }

  /** See Transfer. */
  moved(): number {
    return this.#to.moved()
  }

  /** See Transfer. */
  movingSince(): number {
    return this.#to.movingSince()
  }

  /** See Transfer. */
  giveWay(): void {
    this.#to.giveWay()
  }
}

/** Without parameters (RFC 9110 §8.3.1), in lower case. */
function mediaType(contentType: string): string {
  return (contentType.split(';', 1)[0] ?? '').trim().toLowerCase()
}
