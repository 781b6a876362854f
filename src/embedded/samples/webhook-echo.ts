import { isUtf8 } from 'node:buffer'
import { createHash } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { startListener, type SampleListener, type SampleListenerOptions } from './listener.ts'
import { jsonReply, requestPath, sendReply } from './replies.ts'

/** What the echo answers with, as JSON. */
export interface Echo {
  method: string
  /** The request target exactly as received, query included. */
  path: string
  /** Name and value pairs in the order, case and number in which they arrived. */
  headers: [name: string, value: string][]
  body: {
    bytes: number
    /** In hex, of the whole body. */
    sha256: string
    /** The body itself when it is UTF-8 and at most 64 KiB, otherwise null. */
    text: string | null
  }
}

const maxTextBytes = 64 * 1024

/**
 * Starts a webhook receiver that answers every method on every path with what it received (see {@link Echo}).
 * `/status/<200..599>` answers with that status. A body of any size is hashed as it streams, never held. Rejects when
 * the address cannot be bound.
 */
export function startWebhookEcho(options: SampleListenerOptions = {}): Promise<SampleListener> {
  return startListener(handle, options)
}

async function handle(req: IncomingMessage, res: ServerResponse): Promise<void> {
  const status = askedStatus(requestPath(req))
  const echo: Echo = {
    method: req.method ?? '',
    path: req.url ?? '',
    headers: headerPairs(req.rawHeaders),
    body: await digestBody(req),
  }
  if (status === undefined) {
    sendReply(req, res, jsonReply(400, { error: 'the status must be a number from 200 to 599' }))
  } else if (status === 204 || status === 304) {
    // Without a body and without a length (RFC 9110 §8.6): a 304's would describe the 200.
    res.writeHead(status).end()
  } else if (status === 205) {
    // The body of a 205 is always empty (RFC 9110 §15.3.6), and says so.
    res.writeHead(status, { 'Content-Length': 0 }).end()
  } else {
    const { type, body } = jsonReply(status, echo)
    // Not through sendReply: an answer that depends on the request alone must not turn into a 304.
    res.writeHead(status, {
      'Content-Type': type,
      'Content-Length': body.length,
      'Cache-Control': 'no-store',
    })
    res.end(req.method === 'HEAD' ? undefined : body)
  }
}

/** 200 for an ordinary path, the asked status for `/status/<code>`, undefined when that code cannot be sent. */
function askedStatus(path: string): number | undefined {
  const [, code] = /^\/status\/([^/]*)$/.exec(path) ?? []
  if (code === undefined) return 200
  return /^[2-5]\d\d$/.test(code) ? Number(code) : undefined
}

async function digestBody(req: IncomingMessage): Promise<Echo['body']> {
  const hash = createHash('sha256')
  let bytes = 0
  let kept: Buffer[] = []
  for await (const chunk of req as AsyncIterable<Buffer>) {
    hash.update(chunk)
    bytes += chunk.length
    if (bytes <= maxTextBytes) kept.push(chunk)
    else kept = []
  }
  const whole = Buffer.concat(kept)
  const text = bytes <= maxTextBytes && isUtf8(whole) ? whole.toString('utf8') : null
  return { bytes, sha256: hash.digest('hex'), text }
}

function headerPairs(rawHeaders: string[]): Echo['headers'] {
  const pairs: Echo['headers'] = []
  for (let i = 0; i < rawHeaders.length; i += 2) pairs.push([rawHeaders[i] ?? '', rawHeaders[i + 1] ?? ''])
  return pairs
}
