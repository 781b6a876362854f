import { RandomHex } from '../lib/random-hex.ts'
import type { AccessEntry } from '../model/access-entry.ts'
import { type Span, SPAN_KIND } from './span.ts'

const random = new RandomHex()

/** A new id of a span. */
export function newSpanId(): string {
  return random.take(16)
}

/** A new id of a trace. */
export function newTraceId(): string {
  return random.take(32)
}

/**
 * The spans of one request, from its entry: the request itself, and its phases, one after the other. `decide` lasts until the request
 * is sent upstream, a client's span until the head of the answer, `relay` to the end. Names and attributes are those of OpenTelemetry's
 * conventions for HTTP (1.23 and newer), and `waybill.…` for what they do not have. [] for an entry that is in no trace.
 */
export function requestSpans(entry: AccessEntry): Span[] {
  const { span, startedAtMs: startMs, durationUs, upstreamUs, traceId } = entry
  if (span === null) return []
  const endMs = startMs + durationUs / 1000
  const at = { traceId, links: [] }
  const isError = entry.status >= 500
  const spans: Span[] = [
    {
      ...at,
      spanId: span.id,
      parentId: span.parentId,
      name: entry.route === '' ? entry.method : `${entry.method} ${entry.route}`,
      kind: SPAN_KIND.server,
      startMs,
      endMs,
      attributes: attributesOf(entry),
      isError,
    },
  ]
  const sentMs = span.sentUs < 0 ? endMs : startMs + span.sentUs / 1000
  const phase = (name: string, from: number, to: number): Span => ({
    ...at,
    spanId: newSpanId(),
    parentId: span.id,
    name,
    kind: SPAN_KIND.internal,
    startMs: from,
    endMs: to,
    attributes: {},
    isError: false,
  })
  spans.push(phase('decide', startMs, sentMs))
  if (span.sentUs < 0) return spans
  const headMs = upstreamUs < 0 ? endMs : sentMs + upstreamUs / 1000
  spans.push({ ...phase('', sentMs, headMs), ...upstreamPart(entry, span.upstreamId) })
  if (upstreamUs >= 0) spans.push(phase('relay', headMs, endMs))
  return spans
}

function upstreamPart(entry: AccessEntry, spanId: string): Partial<Span> {
  const { address, port } = placeOf(entry.upstream)
  const isFailed = entry.outcome.startsWith('upstream_')
  const isError = isFailed || entry.status >= 500
  return {
    // That which the upstream was told as its parent.
    spanId,
    name: entry.method,
    kind: SPAN_KIND.client,
    isError,
    attributes: {
      'http.request.method': entry.method,
      'server.address': address,
      'server.port': port,
      'http.response.status_code': isFailed ? null : entry.status,
      'error.type': isError ? errorType(entry) : null,
    },
  }
}

/** What went wrong; the status where the upstream said so itself (OpenTelemetry's conventions for HTTP spans, `error.type`). */
function errorType({ outcome, reason, status }: AccessEntry): string {
  return outcome === 'forwarded' ? String(status) : (reason ?? outcome)
}

/** Host and port of an upstream. The port of its scheme is not written down, and an entry does not know the scheme: null. */
function placeOf(upstream: string): { readonly address: string; readonly port: number | null } {
  const [written, digits] = /:([0-9]+)$/.exec(upstream) ?? []
  if (written === undefined) return { address: upstream, port: null }
  return { address: upstream.slice(0, -written.length), port: Number(digits) }
}

function attributesOf(entry: AccessEntry): Span['attributes'] {
  return {
    'http.request.method': entry.method,
    'http.response.status_code': entry.status,
    'url.path': entry.path,
    'server.address': entry.host,
    'client.address': entry.clientIp,
    'user_agent.original': entry.userAgent,
    'http.request.body.size': entry.bytesReceived,
    'http.response.body.size': entry.bytesSent,
    'error.type': entry.status >= 500 ? errorType(entry) : null,
    'waybill.tenant': entry.tenant,
    'waybill.key_id': entry.keyId,
    'waybill.route': entry.route,
    'waybill.outcome': entry.outcome,
    'waybill.reason': entry.reason,
    'waybill.request_id': entry.requestId,
    'waybill.package': entry.package,
    'waybill.version': entry.version,
  }
}
