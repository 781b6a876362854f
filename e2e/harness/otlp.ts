// oxlint-disable-next-line no-restricted-imports -- a folder of that package, not the product's
import otlp from '@opentelemetry/otlp-transformer/build/src/generated/root.js'

/** A message of the definitions, as protobufjs generates it. */
interface MessageType {
  fromObject(plain: unknown): object
  encode(message: object): { finish(): Uint8Array }
  decode(bytes: Uint8Array): object
  toObject(message: object, options: { longs: unknown; enums: unknown }): object
}

/** What is generated from the official definitions of OTLP (opentelemetry-proto); its types do not name the messages. */
const { opentelemetry } = otlp as unknown as {
  opentelemetry: { proto: { collector: { trace: { v1: { ExportTraceServiceRequest: MessageType } } } } }
}
const Request = opentelemetry.proto.collector.trace.v1.ExportTraceServiceRequest

/** A span as a collector reads it. Ids are hex. */
export interface ReadSpan {
  readonly traceId: string
  readonly spanId: string
  /** '' for none. */
  readonly parentSpanId: string
  readonly name: string
  readonly kind: string
  readonly startNs: bigint
  readonly endNs: bigint
  readonly isError: boolean
  readonly attributes: Readonly<Record<string, string>>
  readonly links: readonly { readonly traceId: string; readonly spanId: string }[]
  readonly resource: Readonly<Record<string, string>>
}

interface Attribute {
  readonly key: string
  readonly value: { readonly stringValue?: string; readonly intValue?: string }
}

interface Message {
  readonly resourceSpans: readonly {
    readonly resource: { readonly attributes: readonly Attribute[] }
    readonly scopeSpans: readonly {
      readonly spans: readonly {
        readonly traceId: Uint8Array
        readonly spanId: Uint8Array
        readonly parentSpanId?: Uint8Array
        readonly name: string
        readonly kind: string
        readonly startTimeUnixNano: string
        readonly endTimeUnixNano: string
        readonly attributes?: readonly Attribute[]
        readonly links?: readonly { readonly traceId: Uint8Array; readonly spanId: Uint8Array }[]
        readonly status?: { readonly code?: string }
      }[]
    }[]
  }[]
}

/**
 * Reads the body of a request in JSON: ids are hex there, which Protobuf's own JSON has in base64 (opentelemetry-proto,
 * docs/specification.md). It then goes through the binary form and back. Throws on fields and lengths that are not in the definitions.
 */
export function readSpans(body: string): ReadSpan[] {
  const plain: unknown = JSON.parse(body, (name, value: unknown) =>
    /^(traceId|spanId|parentSpanId)$/.test(name) ? bytesOf(name, value) : value,
  )
  const bytes = Request.encode(Request.fromObject(plain)).finish()
  const message = Request.toObject(Request.decode(bytes), { longs: String, enums: String })
  assertNothingLost(plain, message, '')
  return (message as unknown as Message).resourceSpans.flatMap(({ resource, scopeSpans }) =>
    scopeSpans.flatMap(({ spans }) =>
      spans.map((span) => ({
        traceId: hex(span.traceId),
        spanId: hex(span.spanId),
        parentSpanId: span.parentSpanId === undefined ? '' : hex(span.parentSpanId),
        name: span.name,
        kind: span.kind.replace('SPAN_KIND_', ''),
        startNs: BigInt(span.startTimeUnixNano),
        endNs: BigInt(span.endTimeUnixNano),
        isError: span.status?.code === 'STATUS_CODE_ERROR',
        attributes: textsOf(span.attributes ?? []),
        links: (span.links ?? []).map((link) => ({ traceId: hex(link.traceId), spanId: hex(link.spanId) })),
        resource: textsOf(resource.attributes),
      })),
    ),
  )
}

function bytesOf(name: string, value: unknown): Buffer {
  const digits = name === 'traceId' ? 32 : 16
  if (typeof value !== 'string' || !new RegExp(`^[0-9a-f]{${digits}}$`).test(value))
    throw new Error(`${name} is no id: ${JSON.stringify(value)}`)
  return Buffer.from(value, 'hex')
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}

function textsOf(attributes: readonly Attribute[]): Record<string, string> {
  return Object.fromEntries(
    attributes.map(({ key, value }) => [key, value.stringValue ?? value.intValue ?? '']),
  )
}

/** A reader leaves out what it does not know. */
function assertNothingLost(sent: unknown, read: unknown, at: string): void {
  if (typeof sent !== 'object' || sent === null || sent instanceof Uint8Array) return
  for (const [name, value] of Object.entries(sent)) {
    const found = (read as Record<string, unknown> | undefined)?.[name]
    // Empty lists and messages are not there in the binary form.
    const isEmpty = typeof value === 'object' && value !== null && Object.keys(value).length === 0
    if (found === undefined && !isEmpty) throw new Error(`OTLP has no ${at}.${name}`)
    assertNothingLost(value, found, `${at}.${name}`)
  }
}
