import type { Attributes, Span, SpanLink } from './span.ts'

const STATUS_ERROR = 2

/** Who tells. */
export interface Resource {
  /** Version of the product. */
  readonly version: string
  /** Of the process life. */
  readonly instance: string
}

/**
 * The body of an OTLP/HTTP request in JSON (opentelemetry-proto, docs/specification.md, JSON Protobuf Encoding): names in
 * lowerCamelCase, ids in hex, 64-bit integers as texts, enums as numbers.
 */
export function otlpBody(spans: readonly Span[], { version, instance }: Resource): string {
  const resource = { 'service.name': 'waybill', 'service.version': version, 'service.instance.id': instance }
  return JSON.stringify({
    resourceSpans: [
      {
        resource: { attributes: attributesOf(resource) },
        scopeSpans: [{ scope: { name: 'waybill', version }, spans: spans.map(spanOf) }],
      },
    ],
  })
}

function spanOf(span: Span): object {
  return {
    traceId: span.traceId,
    spanId: span.spanId,
    ...(span.parentId === '' ? {} : { parentSpanId: span.parentId }),
    name: span.name,
    kind: span.kind,
    startTimeUnixNano: nanoseconds(span.startMs),
    endTimeUnixNano: nanoseconds(Math.max(span.startMs, span.endMs)),
    attributes: attributesOf(span.attributes),
    links: span.links.map(({ traceId, spanId }: SpanLink) => ({ traceId, spanId })),
    status: span.isError ? { code: STATUS_ERROR } : {},
  }
}

/** A double has no room for nanoseconds of today; microseconds it has. */
function nanoseconds(ms: number): string {
  return `${Math.round(ms * 1000)}000`
}

function attributesOf(attributes: Attributes): object[] {
  const list: object[] = []
  for (const [key, value] of Object.entries(attributes)) {
    if (value === null || value === '') continue
    if (typeof value === 'string') list.push({ key, value: { stringValue: value } })
    // For what is no whole number a collector would refuse the whole batch.
    else if (Number.isSafeInteger(value)) list.push({ key, value: { intValue: String(value) } })
  }
  return list
}
