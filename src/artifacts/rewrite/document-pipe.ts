import type { Transform } from 'node:stream'
import { DocumentError } from '../../upstream/failure.ts'
import { decoderOf, encoderOf, type Coding } from './codings.ts'
import type { Rewriter } from './document-rule.ts'
import type { TurnBudget } from './turn-budget.ts'

/** Who gets what comes out of a pipe. */
export interface PipeOwner {
  /** Bytes of the rewritten document, the owner's from now on. False asks to hold back until `resume`. */
  onOutput(bytes: Buffer): boolean
  /** All has come out. */
  onFinish(): void
  /** It cannot go on. Nothing is called afterwards. */
  onFault(error: Error): void
  /** More input is welcome, after a `write` that returned false. */
  onWelcome(): void
}

/** How a document is taken apart and put together. */
export interface PipeSettings {
  /** The coding that it comes in, and that it goes out in; null for none. */
  readonly from: Coding | null
  readonly to: Coding | null
  /** Largest document, without coding. */
  readonly maxBytes: number
  readonly budget: TurnBudget
  /** Called once, for a fault that the document is passed on with; throws to refuse it. */
  readonly onFault: (fault: NonNullable<Rewriter['fault']>) => void
}

/** Leads a document through a rewriter, decoded before and encoded after it, with back pressure, and within a bound. */
export class DocumentPipe {
  readonly #rewriter: Rewriter
  readonly #settings: PipeSettings
  readonly #owner: PipeOwner
  #decoder: Transform | null = null
  readonly #encoder: Transform | null
  #bytes = 0
  /** What comes out is not taken, or this turn's share of the event loop is used up: nothing more is rewritten. */
  #isFull = false
  #isResting = false
  #isOver = false
  #isTold = false

  constructor(rewriter: Rewriter, settings: PipeSettings, owner: PipeOwner) {
    this.#rewriter = rewriter
    this.#settings = settings
    this.#owner = owner
    this.#encoder = settings.to === null ? null : this.#encode(settings.to)
  }

  /** Takes input, valid only during the call. False asks to hold back until `onWelcome`. */
  write(bytes: Buffer): boolean {
    if (this.#isOver) return true
    const { from } = this.#settings
    if (from === null) {
      this.#take(bytes)
      return !this.#isFull && !this.#isResting
    }
    const decoder = (this.#decoder ??= this.#decode(from, bytes))
    // A copy: it is read in another thread, later.
    return decoder.write(Buffer.from(bytes))
  }

  /** The input has ended. */
  end(): void {
    if (this.#isOver) return
    if (this.#decoder !== null) this.#decoder.end()
    else if (this.#settings.from === null) this.#finish()
    else this.#fail(new DocumentError('document_malformed'))
  }

  /** More output is welcome, after an `onOutput` that returned false. */
  resume(): void {
    if (this.#isOver) return
    if (this.#encoder === null) this.#takeMore()
    else this.#encoder.resume()
  }

  /** Stops all of it; nothing is called afterwards. */
  destroy(): void {
    this.#isOver = true
    this.#decoder?.destroy()
    this.#encoder?.destroy()
  }

  #decode(coding: Coding, first: Buffer): Transform {
    const decoder = decoderOf(coding, first)
    decoder.on('data', (bytes: Buffer) => {
      if (!this.#isOver) this.#take(bytes)
    })
    decoder.on('end', () => {
      if (!this.#isOver) this.#finish()
    })
    decoder.on('drain', () => {
      if (!this.#isOver) this.#owner.onWelcome()
    })
    decoder.on('error', () => this.#fail(new DocumentError('document_malformed')))
    return decoder
  }

  #encode(coding: Coding): Transform {
    const encoder = encoderOf(coding)
    encoder.on('data', (bytes: Buffer) => {
      if (!this.#isOver && !this.#owner.onOutput(bytes)) encoder.pause()
    })
    encoder.on('drain', () => this.#takeMore())
    encoder.on('end', () => this.#complete())
    encoder.on('error', (error) => this.#fail(error))
    return encoder
  }

  #take(bytes: Buffer): void {
    this.#bytes += bytes.length
    if (this.#bytes > this.#settings.maxBytes) this.#fail(new DocumentError('document_too_large'))
    else {
      this.#give(() => this.#rewriter.push(bytes))
      if (!this.#settings.budget.spend(bytes.length)) this.#rest()
    }
  }

  #rest(): void {
    if (this.#isOver || this.#isResting) return
    this.#isResting = true
    this.#decoder?.pause()
    this.#settings.budget.later(() => {
      this.#isResting = false
      this.#goOn()
    })
  }

  #finish(): void {
    this.#give(() => this.#rewriter.end())
    if (this.#isOver) return
    if (this.#encoder === null) this.#complete()
    else this.#encoder.end()
  }

  #give(rewrite: () => Buffer): void {
    let bytes: Buffer
    try {
      bytes = rewrite()
      this.#tell()
    } catch (error) {
      this.#fail(error as Error)
      return
    }
    if (bytes.length === 0) return
    const isWelcome = this.#encoder === null ? this.#owner.onOutput(bytes) : this.#encoder.write(bytes)
    if (isWelcome || this.#isOver) return
    this.#isFull = true
    this.#decoder?.pause()
  }

  #tell(): void {
    const { fault } = this.#rewriter
    if (fault === null || this.#isTold) return
    this.#isTold = true
    this.#settings.onFault(fault)
  }

  #takeMore(): void {
    if (!this.#isFull) return
    this.#isFull = false
    this.#goOn()
  }

  #goOn(): void {
    if (this.#isOver || this.#isFull || this.#isResting) return
    if (this.#settings.from === null) this.#owner.onWelcome()
    else this.#decoder?.resume()
  }

  #complete(): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#owner.onFinish()
  }

  #fail(error: Error): void {
    if (this.#isOver) return
    this.destroy()
    this.#owner.onFault(error)
  }
}
