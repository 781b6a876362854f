import { readFieldLines } from './field-lines.ts'
import { addTokens } from './request-head.ts'

/** A response's head as its connection needs to know it. */
export interface ResponseHead {
  status: number
  /** Reason phrase, latin1. */
  statusText: string
  /** Names and values in turn, latin1, as received. */
  readonly fields: string[]
  /** Declared length of the body; -1 when there is none. */
  contentLength: number
  isChunked: boolean
  /** The connection may serve another request (RFC 9112 §9.3). */
  isPersistent: boolean
  /** What `Keep-Alive: timeout=` says, in ms; -1 when it says nothing. */
  keepAliveMs: number
  /** The connection is being, or was, authenticated for one client: it is no other's. */
  isConnectionAuthenticated: boolean
}

// RFC 9112 §4, but for the space before an empty reason phrase, which many a server leaves out.
const STATUS_LINE = /^HTTP\/1\.([01]) ([1-9]\d\d)(?: ([\t\x20-\x7e\x80-\xff]*))?\r\n/
const LENGTH = /^\d{1,15}$/
const KEEP_ALIVE_TIMEOUT = /(?:^|[,\s])timeout=(\d{1,9})(?:$|[,\s])/i
/** Schemes that authenticate a connection and not a request (RFC 4559, MS-NTHT). */
const OF_CONNECTION = /(?:^|[\s,])(?:ntlm|negotiate|nego2|kerberos)(?:$|[\s,])/i
const SCHEME_OF_CONNECTION = /^\s*(?:ntlm|negotiate|nego2|kerberos)(?:$|\s)/i
const SWITCHING_PROTOCOLS = 101

/**
 * Parses a response head, its last line's CRLF included. null for what is none, and for what two readers could end in two
 * places (RFC 9112 §6.3): a length that is no number or stands twice, a coding but chunked, both, chunks in HTTP/1.0; and for
 * a 101, as nobody asked for it (RFC 9110 §7.8).
 */
export function parseResponseHead(text: string): ResponseHead | null {
  const line = STATUS_LINE.exec(text)
  if (line === null) return null
  const status = Number(line[2])
  const isOld = line[1] === '0'
  const head: ResponseHead = {
    status,
    statusText: line[3] ?? '',
    fields: [],
    contentLength: -1,
    isChunked: false,
    isPersistent: !isOld,
    keepAliveMs: -1,
    isConnectionAuthenticated: false,
  }
  if (status === SWITCHING_PROTOCOLS || !readFieldLines(text, line[0].length, head.fields)) return null
  const { fields } = head
  for (let i = 0; i < fields.length; i += 2) {
    if (!readFraming(head, fields[i] ?? '', fields[i + 1] ?? '')) return null
  }
  if (head.isConnectionAuthenticated) head.isPersistent = false
  if (head.isChunked && (isOld || head.contentLength !== -1)) return null
  return head
}

/** Reads a field of framing or connection; told by length first, as most are neither. False when it makes the head invalid. */
function readFraming(head: ResponseHead, name: string, value: string): boolean {
  switch (name.length) {
    case 10:
      readConnection(head, name.toLowerCase(), value)
      return true
    case 14:
      if (name.toLowerCase() !== 'content-length') return true
      if (head.contentLength !== -1 || !LENGTH.test(value)) return false
      head.contentLength = Number(value)
      return true
    case 15:
      if (name.toLowerCase() === 'persistent-auth') head.isConnectionAuthenticated = true
      return true
    case 16:
    case 18:
      readChallenge(head, name.toLowerCase(), value)
      return true
    case 17:
      if (name.toLowerCase() !== 'transfer-encoding') return true
      if (head.isChunked || value.toLowerCase() !== 'chunked') return false
      head.isChunked = true
      return true
    default:
      return true
  }
}

function readChallenge(head: ResponseHead, name: string, value: string): void {
  if (name !== 'www-authenticate' && name !== 'proxy-authenticate') return
  if (OF_CONNECTION.test(value)) head.isConnectionAuthenticated = true
}

/** Whether an Authorization field authenticates its connection and not its request. */
export function authenticatesConnection(authorization: string): boolean {
  return SCHEME_OF_CONNECTION.test(authorization)
}

function readConnection(head: ResponseHead, name: string, value: string): void {
  if (name === 'connection' && value === 'keep-alive') head.isPersistent = true
  else if (name === 'connection') {
    const tokens = new Set<string>()
    addTokens(tokens, value, Infinity)
    if (tokens.has('close')) head.isPersistent = false
    else if (tokens.has('keep-alive')) head.isPersistent = true
  } else if (name === 'keep-alive') {
    const timeout = KEEP_ALIVE_TIMEOUT.exec(value)?.[1]
    if (timeout !== undefined) head.keepAliveMs = Number(timeout) * 1000
  }
}
