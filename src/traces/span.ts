/** Kinds of spans, by the numbers of OTLP (opentelemetry-proto, trace.proto, `Span.SpanKind`). */
export const SPAN_KIND = { internal: 1, server: 2, client: 3 } as const

/** Values of attributes. Those that are null or '' are left out. */
export type Attributes = Readonly<Record<string, string | number | null>>

/** Another span, of this or another trace. */
export interface SpanLink {
  readonly traceId: string
  readonly spanId: string
}

/** One span, ended. Ids are lower-case hex: 32 digits of a trace, 16 of a span. Times are epoch milliseconds, with a fraction. */
export interface Span extends SpanLink {
  /** '' for none. */
  readonly parentId: string
  readonly name: string
  readonly kind: (typeof SPAN_KIND)[keyof typeof SPAN_KIND]
  readonly startMs: number
  readonly endMs: number
  readonly attributes: Attributes
  readonly isError: boolean
  readonly links: readonly SpanLink[]
}
