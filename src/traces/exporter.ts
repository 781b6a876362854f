import { readBounded } from '../lib/bounded-body.ts'
import { systemClock } from '../lib/time/clock.ts'
import { Periodic, tellFailures } from '../lib/time/periodic.ts'
import { Seldom } from '../lib/time/seldom.ts'
import { endsWithin } from '../lib/time/within.ts'
import type { TraceStats } from '../model/stats.ts'
import { otlpBody, type Resource } from './otlp.ts'
import type { Span } from './span.ts'

/** Spans of a request to the collector: encoded in one go, in which no request is served. */
const MAX_SPANS = 256
/** They wait for so long, where the collector takes them. */
const INTERVAL_MS = 1000
/** A collector that does not answer is asked again. */
const TIMEOUT_MS = 10_000
const RETRY_MIN_MS = 1000
const RETRY_MAX_MS = 30_000

/** A refusal is told again after so long at the soonest: every batch may meet one. */
const REFUSAL_EVERY_MS = 3_600_000
/** What is read of an answer: one about a batch has a count and a text. */
const MAX_ANSWER_BYTES = 64 * 1024
/** What a log line has of the collector's reason. */
const MAX_REASON = 300

/** Answers after which the same spans may be sent again (OTLP specification, Retryable Response Codes). */
const RETRYABLE = new Set([429, 502, 503, 504])

export interface ExporterParts {
  /** Full address: `http://127.0.0.1:4318/v1/traces`. */
  readonly endpoint: string
  /** Value of the field Authorization; '' for none. */
  readonly authorization: string
  /** Spans that may wait. What comes beyond is dropped, and counted. */
  readonly maxSpans: number
  /** Who tells, as of now: a process may begin another life. */
  readonly resource: () => Resource
  readonly logger: {
    warn(fields: object, message: string): void
    info(fields: object, message: string): void
  }
}

/** Sends spans to a collector by OTLP/HTTP, in the background. Never throws at who hands them over, and never waits. */
export class Exporter {
  readonly #parts: ExporterParts
  readonly #runs: Periodic
  readonly #waiting: Span[] = []
  readonly #counts = { exported: 0, dropped: 0, rejected: 0 }
  readonly #refusals = new Seldom(REFUSAL_EVERY_MS)
  #isStopping = false

  constructor(parts: ExporterParts) {
    this.#parts = parts
    this.#runs = new Periodic({
      run: () => this.#run(),
      intervalMs: INTERVAL_MS,
      pace: 'rest',
      backoff: { minMs: RETRY_MIN_MS, maxMs: RETRY_MAX_MS },
      ...tellFailures(parts.logger, {
        failed: 'spans not sent; trying again',
        well: 'the collector takes spans again',
      }),
    })
  }

  get stats(): TraceStats {
    return { ...this.#counts, waiting: this.#waiting.length }
  }

  start(): void {
    this.#runs.start()
  }

  /** Takes spans; those for which there is no room are dropped. */
  add(spans: readonly Span[]): void {
    const room = this.#isStopping ? 0 : Math.max(0, this.#parts.maxSpans - this.#waiting.length)
    for (const span of spans.slice(0, room)) this.#waiting.push(span)
    this.#counts.dropped += Math.max(0, spans.length - room)
  }

  /** Sends what waits, within `ms`; the rest is dropped. */
  async stop(ms: number): Promise<void> {
    if (this.#waiting.length > 0)
      await endsWithin(
        this.#runs.now().catch(() => {}),
        ms,
      )
    this.#isStopping = true
    this.#counts.dropped += this.#waiting.splice(0).length
    void this.#runs.stop(0)
  }

  async #run(): Promise<void> {
    while (this.#waiting.length > 0) {
      const spans = this.#waiting.slice(0, MAX_SPANS)
      const rejected = await this.#send(spans)
      if (this.#isStopping) return
      this.#waiting.splice(0, spans.length)
      this.#counts.rejected += rejected
      this.#counts.exported += spans.length - rejected
    }
  }

  /** Resolves with the number of spans that the collector refused for good; rejects when they may be sent again. */
  async #send(spans: readonly Span[]): Promise<number> {
    const { endpoint, authorization, resource } = this.#parts
    const response = await fetch(endpoint, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        ...(authorization === '' ? {} : { authorization }),
      },
      body: otlpBody(spans, resource()),
      redirect: 'error',
      signal: AbortSignal.timeout(TIMEOUT_MS),
    })
    const { status } = response
    if (RETRYABLE.has(status)) {
      await response.body?.cancel()
      throw new Error(`the collector answered ${status}`)
    }
    const { bytes } = await readBounded(response, MAX_ANSWER_BYTES)
    const text = bytes.toString()
    const { rejected, reason } = response.ok
      ? rejectedIn(text, spans.length)
      : { rejected: spans.length, reason: text }
    if (rejected > 0) this.#tellRefusal({ status, rejected, reason })
    return rejected
  }

  #tellRefusal({ reason, ...fields }: { status: number; rejected: number; reason: string }): void {
    if (this.#refusals.occur('refused', systemClock.nowMs()) === 0) return
    this.#parts.logger.warn({ ...fields, reason: reason.slice(0, MAX_REASON) }, 'the collector refused spans')
  }
}

/** A collector may take a part (`partial_success`); of `sent` spans it can refuse no more than those, whatever it says. */
function rejectedIn(text: string, sent: number): { readonly rejected: number; readonly reason: string } {
  try {
    const answer = JSON.parse(text) as {
      partialSuccess?: { rejectedSpans?: number | string; errorMessage?: unknown }
    } | null
    const { rejectedSpans = 0, errorMessage = '' } = answer?.partialSuccess ?? {}
    return {
      rejected: Math.min(sent, Math.max(0, Math.trunc(Number(rejectedSpans)) || 0)),
      reason: typeof errorMessage === 'string' ? errorMessage : '',
    }
  } catch {
    return { rejected: 0, reason: '' }
  }
}
