import { RandomHex } from '../../lib/random-hex.ts'

/** Ids of the spans of one request: see `EntrySpan`. */
export interface SpanIds {
  readonly id: string
  readonly parentId: string
  readonly upstreamId: string
}

/** Of recorded requests alone: their ids are kept until their COPY. */
const random = new RandomHex()

/** Whether the caller records this trace: bit 0 of the flags (W3C Trace Context §3.2.2.5), in the last hex digit. */
function isSampled(traceparent: string): boolean {
  return '13579bdf'.includes(traceparent.charAt(54))
}

/** Which requests are in a trace that is recorded: those whose caller says so and, of those without a trace, one in so many. */
export class Sampling {
  readonly #beginOneIn: number
  #countdown = 0

  /** `beginOneIn`: 0 begins no trace. */
  constructor(beginOneIn: number) {
    this.#beginOneIn = beginOneIn
  }

  /** Ids for the spans of a request of this trace; null for one that is not recorded. `isBegun`: the client came without a trace. */
  spanOf(traceparent: string, isBegun: boolean): SpanIds | null {
    if (isBegun ? !this.#isChosen() : !isSampled(traceparent)) return null
    return {
      id: random.take(16),
      parentId: isBegun ? '' : traceparent.slice(36, 52),
      upstreamId: random.take(16),
    }
  }

  #isChosen(): boolean {
    if (this.#beginOneIn === 0) return false
    if (--this.#countdown > 0) return false
    this.#countdown = this.#beginOneIn
    return true
  }
}

/** The trace context that the upstream gets: the same trace, sampled, with the span that waits for it as the parent. */
export function sampledTraceparent(traceparent: string, { upstreamId }: SpanIds, isBegun: boolean): string {
  return `${traceparent.slice(0, 36)}${upstreamId}${isBegun ? '-01' : traceparent.slice(52)}`
}
