import { createHash } from 'node:crypto'
import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http'
import { evaluatePreconditions } from './conditions.ts'

/** A complete answer that is small enough to hold in memory. */
export interface Reply {
  status: number
  /** Value of `Content-Type`. */
  type: string
  body: Buffer
  headers?: OutgoingHttpHeaders
}

/** A JSON reply; the text ends with a newline so that it reads well in a terminal. */
export function jsonReply(status: number, value: unknown, headers: OutgoingHttpHeaders = {}): Reply {
  return { status, type: 'application/json', body: Buffer.from(`${JSON.stringify(value)}\n`), headers }
}

/** The answer to a method that a read-only resource does not have (RFC 9110 §15.5.6). */
export function methodNotAllowed(allow: string): Reply {
  return jsonReply(405, { error: 'method not allowed' }, { Allow: allow })
}

/** The path part of the request target, still percent-encoded. */
export function requestPath(req: IncomingMessage): string {
  const target = req.url ?? '/'
  const end = target.indexOf('?')
  return end === -1 ? target : target.slice(0, end)
}

/** The query parameters of the request target; empty when there is none. */
export function requestQuery(req: IncomingMessage): URLSearchParams {
  const target = req.url ?? '/'
  const start = target.indexOf('?')
  return new URLSearchParams(start === -1 ? '' : target.slice(start + 1))
}

/**
 * Sends `reply` whole. A 200 to GET or HEAD carries an `ETag` of its bytes and turns into 304 or 412 when the request's
 * conditions say so. `HEAD` gets the same head without the body.
 */
export function sendReply(req: IncomingMessage, res: ServerResponse, reply: Reply): void {
  const headers: OutgoingHttpHeaders = { ...reply.headers }
  if (reply.status === 200 && (req.method === 'GET' || req.method === 'HEAD')) {
    const etag = `"${createHash('sha256').update(reply.body).digest('hex').slice(0, 32)}"`
    headers['ETag'] = etag
    const verdict = evaluatePreconditions(req, { etag })
    if (verdict !== 'proceed') {
      sendVerdict(res, verdict, headers)
      return
    }
  }
  headers['Content-Type'] = reply.type
  headers['Content-Length'] = reply.body.length
  res.writeHead(reply.status, headers)
  res.end(req.method === 'HEAD' ? undefined : reply.body)
}

/** Answers a request whose preconditions ended it: 304 with the validators, or 412. Neither has a body. */
export function sendVerdict(
  res: ServerResponse,
  verdict: 'not_modified' | 'failed',
  headers: OutgoingHttpHeaders,
): void {
  if (verdict === 'not_modified') res.writeHead(304, headers)
  else res.writeHead(412, { 'Content-Length': 0 })
  res.end()
}
