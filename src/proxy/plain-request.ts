import type { ClientRequest } from './client-side.ts'
import { readFieldLines } from './field-lines.ts'

/** A request of the common kind: GET or HEAD in HTTP/1.1 without a body, and nothing about it that asks for more. */
export interface PlainRequest extends ClientRequest {
  readonly method: string
  readonly url: string
  readonly complete: true
  /** The client wants no other answer on the connection (RFC 9112 §9.6). */
  readonly isLast: boolean
}

// RFC 9112 §3: method, origin-form target, version; single spaces, as a sender must write them.
const REQUEST_LINE = /^(GET|HEAD) (\/[\x21-\x7e]*) HTTP\/1\.1\r\n/
const END = '\r\n\r\n'

/** Fields that make a request more than plain: of framing, of the hop, of expectations. Told by length first. */
const NOT_PLAIN = new Set([
  'content-length',
  'transfer-encoding',
  'upgrade',
  'expect',
  'te',
  'trailer',
  'http2-settings',
  'proxy-connection',
])
const NOT_PLAIN_LENGTHS = new Set([...NOT_PLAIN].map((name) => name.length))
const CONNECTION_LENGTH = 'connection'.length

/**
 * Reads what one read of a connection brought. null unless it is exactly one whole head of a plain request, strictly as RFC 9112
 * and RFC 9110 §5 write it: all else, malformed input first of all, is for Node's parser, which also decides how it is
 * refused. So what is taken here is a small part of what that parser takes, and means the same to it.
 */
export function readPlainRequest(bytes: Buffer): PlainRequest | null {
  const text = bytes.toString('latin1')
  // The first empty line must be the end: what follows it would be a body or the next request.
  if (text.indexOf(END) !== text.length - END.length) return null
  const line = REQUEST_LINE.exec(text)
  const rawHeaders: string[] = []
  const [start, method, url] = line ?? []
  if (start === undefined || method === undefined || url === undefined) return null
  if (!readFieldLines(text.slice(0, -2), start.length, rawHeaders)) return null
  let isLast = false
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] ?? ''
    if (name.length === CONNECTION_LENGTH && name.toLowerCase() === 'connection') {
      const option = (rawHeaders[i + 1] ?? '').toLowerCase()
      if (option === 'close') isLast = true
      else if (option !== 'keep-alive') return null
    } else if (NOT_PLAIN_LENGTHS.has(name.length) && NOT_PLAIN.has(name.toLowerCase())) {
      return null
    }
  }
  return { method, url, httpVersionMajor: 1, httpVersionMinor: 1, rawHeaders, complete: true, isLast }
}
