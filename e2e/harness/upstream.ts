import { createHash } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { Test } from 'tap'
import { closeAtOnce, listenOnLoopback } from './loopback.ts'

/** Every generated body repeats it: the same on each request, and no short period that a shift would hide. */
const BLOCK = Buffer.from(Array.from({ length: 65_536 }, (_, i) => (i * 31 + (i >> 8)) & 0xff))

/** The generated body from byte `start` to before `end`. */
export function generated(start: number, end: number): Buffer {
  return Buffer.concat([...blocks(start, end)])
}

function* blocks(start: number, end: number): Generator<Buffer> {
  for (let at = start; at < end;) {
    const offset = at % BLOCK.length
    const length = Math.min(BLOCK.length - offset, end - at)
    yield BLOCK.subarray(offset, offset + length)
    at += length
  }
}

/** What `/echo` answers with. */
export interface Echo {
  readonly method: string
  readonly url: string
  /** Flat list: name, value, … as they arrived. */
  readonly rawHeaders: readonly string[]
  readonly bytes: number
  readonly sha256: string
}

export type UpstreamHandler = (req: IncomingMessage, res: ServerResponse, url: URL) => void | Promise<void>

/** A scripted HTTP server. */
export interface TestUpstream {
  /** Ends with a slash. */
  readonly url: string
  readonly port: number
  /** Requests received, by the value of their `id` query parameter, or by path without one. */
  readonly counts: ReadonlyMap<string, number>
  readonly requests: number
  /** Requests whose answer has neither ended nor been broken off. */
  readonly inFlight: number
  readonly openConnections: number
  close(): Promise<void>
}

/**
 * Starts an upstream on loopback, closed on teardown. It knows, and `handlers` adds or replaces by path:
 * `/ok` · `/status?code=` · `/bytes?size=[&chunked=1]` with ranges, HEAD and ETag · `/slow?ms=` · `/echo` · `/sink` (reads the body) ·
 * `/endless` (sends until the client leaves) · `/cut?size=` (promises twice what it sends, then resets).
 */
export async function startUpstream(
  t: Test,
  handlers: Readonly<Record<string, UpstreamHandler>> = {},
): Promise<TestUpstream> {
  const table: Readonly<Record<string, UpstreamHandler>> = { ...BUILT_IN, ...handlers }
  const counts = new Map<string, number>()
  const state = { requests: 0, inFlight: 0, openConnections: 0 }
  const server = createServer((req, res) => {
    const url = new URL(req.url ?? '/', 'http://upstream')
    const id = url.searchParams.get('id') ?? url.pathname
    counts.set(id, (counts.get(id) ?? 0) + 1)
    state.requests++
    state.inFlight++
    res.once('close', () => state.inFlight--)
    const handler = table[url.pathname]
    if (handler === undefined) {
      res.writeHead(404, { 'content-type': 'text/plain' }).end('no such script\n')
      return
    }
    // A client that leaves ends a stream early; that is a test's business, not a failure of the server.
    Promise.resolve(handler(req, res, url)).catch(() => res.destroy())
  })
  server.on('connection', (socket) => {
    state.openConnections++
    socket.once('close', () => state.openConnections--)
  })
  const port = await listenOnLoopback(t, server)
  return {
    url: `http://127.0.0.1:${port}/`,
    port,
    counts,
    close: () => closeAtOnce(server),
    get requests() {
      return state.requests
    },
    get inFlight() {
      return state.inFlight
    },
    get openConnections() {
      return state.openConnections
    },
  }
}

const BUILT_IN: Readonly<Record<string, UpstreamHandler>> = {
  '/ok': (_req, res) => void res.end('ok\n'),
  '/status': (req, res, url) => {
    req.resume()
    res.writeHead(Number(url.searchParams.get('code') ?? 200)).end()
  },
  '/slow': (_req, res, url) => {
    const timer = setTimeout(() => res.end('slow\n'), Number(url.searchParams.get('ms') ?? 100))
    res.once('close', () => clearTimeout(timer))
  },
  '/bytes': sendBytes,
  '/sink': async (req, res) => {
    let bytes = 0
    for await (const chunk of req as AsyncIterable<Buffer>) bytes += chunk.length
    res.end(JSON.stringify({ bytes }))
  },
  '/echo': async (req, res) => {
    const hash = createHash('sha256')
    let bytes = 0
    for await (const chunk of req as AsyncIterable<Buffer>) {
      hash.update(chunk)
      bytes += chunk.length
    }
    const { method = '', url = '', rawHeaders } = req
    const echo: Echo = { method, url, rawHeaders, bytes, sha256: hash.digest('hex') }
    res.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(echo))
  },
  '/endless': (_req, res) => pipeline(Readable.from(blocks(0, Infinity)), res),
  '/cut': (_req, res, url) => {
    const size = Number(url.searchParams.get('size') ?? 1000)
    res.writeHead(200, { 'content-length': size * 2 })
    res.write(generated(0, size), () => res.destroy())
  },
}

/** Answers with the generated body of `size` bytes, or the range of it that is asked for. */
export async function sendBytes(req: IncomingMessage, res: ServerResponse, url: URL): Promise<void> {
  const size = Number(url.searchParams.get('size') ?? 1024)
  const isChunked = url.searchParams.get('chunked') === '1'
  const range = /^bytes=(\d+)-(\d*)$/.exec(req.headers.range ?? '')
  let start = 0
  let end = size
  const fields: Record<string, string | number> = { etag: `"${size}"`, 'accept-ranges': 'bytes' }
  if (range !== null && !isChunked) {
    start = Number(range[1])
    if (start >= size) {
      res.writeHead(416, { 'content-range': `bytes */${size}` }).end()
      return
    }
    end = range[2] === '' ? size : Math.min(Number(range[2]) + 1, size)
    fields['content-range'] = `bytes ${start}-${end - 1}/${size}`
  }
  if (!isChunked) fields['content-length'] = end - start
  res.writeHead(range === null || isChunked ? 200 : 206, fields)
  if (req.method === 'HEAD') res.end()
  else await pipeline(Readable.from(blocks(start, end)), res)
}
