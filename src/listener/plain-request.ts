import type { ClientRequest } from '../proxy/exchange/client.ts'
import { readFieldLines } from '../http/field-lines.ts'

/** A request of the common kind: in HTTP/1.1, with the whole of its body if it has one, and nothing about it that asks for more. */
export interface PlainRequest extends ClientRequest {
  readonly method: string
  readonly url: string
  readonly body: Buffer | null
  readonly complete: true
  /** The client wants no other answer on the connection (RFC 9112 §9.6). */
  readonly isLast: boolean
}

// RFC 9112 §3: method, origin-form target, version; single spaces, as a sender must write them.
const REQUEST_LINE = /^(GET|HEAD|POST|PUT|PATCH|DELETE) (\/[\x21-\x7e]*) HTTP\/1\.1\r\n/
const END = '\r\n\r\n'
const LENGTH = /^\d{1,9}$/

/** What a field makes of a request: more than a plain one, by coding, hop or expectation; or read here. Told by length first. */
const FIELDS = new Map<string, 'more' | 'length' | 'connection'>([
  ['content-length', 'length'],
  ['connection', 'connection'],
  ...['transfer-encoding', 'upgrade', 'expect', 'te', 'trailer', 'http2-settings', 'proxy-connection'].map(
    (name) => [name, 'more'] as const,
  ),
])
const LENGTHS_OF_FIELDS = new Set([...FIELDS.keys()].map((name) => name.length))

/**
 * Reads what one read of a connection brought. null unless it is exactly one whole plain request, strictly as RFC 9112
 * and RFC 9110 §5 write it: all else, malformed input first of all, is for Node's parser, which also decides how it is
 * refused; a head beyond `maxHeaderBytes` as well. So what is taken here is a small part of what that parser takes, and means the same to it.
 */
export function readPlainRequest(bytes: Buffer, maxHeaderBytes: number): PlainRequest | null {
  const end = bytes.indexOf(END, 0, 'latin1')
  if (end === -1 || end > maxHeaderBytes) return null
  const text = bytes.toString('latin1', 0, end + 2)
  const [start, method, url] = REQUEST_LINE.exec(text) ?? []
  if (start === undefined || method === undefined || url === undefined) return null
  const rawHeaders: string[] = []
  if (!readFieldLines(text, start.length, rawHeaders)) return null
  let isLast = false
  let length = -1
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] ?? ''
    if (!LENGTHS_OF_FIELDS.has(name.length)) continue
    const value = rawHeaders[i + 1] ?? ''
    switch (FIELDS.get(name.toLowerCase())) {
      case undefined:
        break
      case 'more':
        return null
      case 'length':
        // A tab behind the digits is space (RFC 9110 §5.6.3), and an error to Node's parser.
        if (length !== -1 || !LENGTH.test(value) || text.includes('\t')) return null
        length = Number(value)
        break
      case 'connection': {
        const option = value.toLowerCase()
        if (option === 'close') isLast = true
        else if (option !== 'keep-alive') return null
      }
    }
  }
  // Less is a body that is on its way, more is the next request (RFC 9112 §6.3).
  const body = bytes.subarray(end + END.length)
  if (body.length !== Math.max(0, length)) return null
  return {
    method,
    url,
    httpVersionMajor: 1,
    httpVersionMinor: 1,
    rawHeaders,
    body: body.length === 0 ? null : Buffer.from(body),
    complete: true,
    tunnel: null,
    isLast,
  }
}
