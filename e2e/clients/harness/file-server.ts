import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { join, normalize } from 'node:path'
import type { Test } from 'tap'
import { listenOnLoopback } from '../../harness/loopback.ts'
import { befall, type Fault, type Strike } from './fault.ts'

/** Of all files: apt goes on by date, where others go by ETag. */
const MODIFIED = 'Wed, 01 Jan 2020 00:00:00 GMT'

/** What a repository answers that is no file; false leaves the request to the files. */
export type Api = (request: IncomingMessage, response: ServerResponse, url: URL) => boolean | Promise<boolean>

/** A repository of files: GET and HEAD with ETag, Range and If-Range (RFC 9110), PUT to store. */
export interface FileServer {
  /** Ends with a slash. */
  readonly url: string
  /** By path, decoded. */
  readonly files: Map<string, Uint8Array>
  /** `GET /path`, of each request in turn. */
  readonly seen: string[]
  /** The next answer that would hold this file as a whole breaks off in its middle. */
  cutOnce(path: string): void
  /** Has something happen to the body of the next answer at this path, but for HEAD. Resolves when it has got so far. */
  strike(path: string, fault: Fault): Promise<void>
}

export interface FileServerOptions {
  readonly api?: Api
  /** A folder whose files are served as well. */
  readonly folder?: string
}

/** Starts a repository on loopback, closed on teardown. */
export async function startFileServer(t: Test, options: FileServerOptions = {}): Promise<FileServer> {
  const files = new Map<string, Uint8Array>()
  const seen: string[] = []
  const cuts = new Set<string>()
  const strikes = new Map<string, Strike>()
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const url = new URL(request.url ?? '/', 'http://upstream')
    seen.push(`${request.method} ${request.url}`)
    const path = decodeURIComponent(url.pathname)
    const strike = request.method === 'HEAD' ? undefined : strikes.get(path)
    if (strike !== undefined && strikes.delete(path)) befall(response, strike)
    if ((await options.api?.(request, response, url)) === true) return
    if (request.method === 'PUT') {
      files.set(path, await bodyOf(request))
      response.writeHead(201).end()
      return
    }
    request.resume()
    const bytes = files.get(path) ?? (await onDisk(options.folder, path))
    if (bytes === null) response.writeHead(404, { 'content-type': 'text/plain' }).end('no such file\n')
    else sendFile(request, response, bytes, cuts.delete(path))
  }
  const server = createServer((request, response) => {
    answer(request, response).catch(() => response.destroy())
  })
  const port = await listenOnLoopback(t, server)
  return {
    url: `http://127.0.0.1:${port}/`,
    files,
    seen,
    cutOnce: (path) => cuts.add(path),
    strike: (path, fault) => new Promise((resolve) => void strikes.set(path, { ...fault, reached: resolve })),
  }
}

/** The whole body of a request. */
export async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk)
  return Buffer.concat(chunks)
}

/** In hexadecimal. */
export function sha256(bytes: Uint8Array | string): string {
  return createHash('sha256').update(bytes).digest('hex')
}

async function onDisk(folder: string | undefined, path: string): Promise<Buffer | null> {
  if (folder === undefined || path.endsWith('/')) return null
  try {
    return await readFile(join(folder, normalize(path)))
  } catch {
    return null
  }
}

function sendFile(
  request: IncomingMessage,
  response: ServerResponse,
  bytes: Uint8Array,
  isCut: boolean,
): void {
  const etag = `"${sha256(bytes).slice(0, 16)}"`
  const { range, 'if-range': ifRange } = request.headers
  const found = /^bytes=(\d+)-(\d*)$/.exec(range ?? '')
  const isRanged = found !== null && (ifRange === undefined || ifRange === etag || ifRange === MODIFIED)
  const start = isRanged ? Number(found[1]) : 0
  const end = isRanged && found[2] !== '' ? Math.min(Number(found[2]) + 1, bytes.length) : bytes.length
  response.setHeader('etag', etag).setHeader('accept-ranges', 'bytes')
  response.setHeader('last-modified', MODIFIED)
  response.setHeader('content-length', end - start)
  if (isRanged) response.setHeader('content-range', `bytes ${start}-${end - 1}/${bytes.length}`)
  response.writeHead(isRanged ? 206 : 200)
  if (request.method === 'HEAD') response.end()
  else if (isCut) response.write(bytes.subarray(start, start + (end - start) / 2), () => response.destroy())
  else response.end(bytes.subarray(start, end))
}
