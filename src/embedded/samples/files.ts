import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http'
import { pipeline } from 'node:stream/promises'
import { evaluatePreconditions, selectRange } from './conditions.ts'
import { streamBytes, generatedBytesAt, type BytesAt } from './generated-bytes.ts'
import { startListener, type SampleListener, type SampleListenerOptions } from './listener.ts'
import { sendEvents, sendSlowly } from './paced.ts'
import {
  jsonReply,
  methodNotAllowed,
  requestPath,
  requestQuery,
  sendReply,
  sendVerdict,
  type Reply,
} from './replies.ts'

interface SampleFile {
  name: string
  sizeBytes: number
  type: string
  /** Of the whole file, in hex. A constant: the bytes never change, and a test recomputes each. */
  sha256: string
  bytesAt: BytesAt
}

/** Options of the file server. */
export interface FilesOptions extends SampleListenerOptions {
  /** Pause between two server-sent events of `/events`; default 1,000 ms. */
  eventIntervalMs?: number
}

const lastModified = 'Thu, 01 Jan 2026 00:00:00 GMT'

const helloText = Buffer.from('Hello from the other side of the gateway.\n')

const files: ReadonlyMap<string, SampleFile> = new Map(
  [
    {
      name: 'hello.txt',
      sizeBytes: helloText.length,
      type: 'text/plain; charset=utf-8',
      sha256: 'c3da813501e6c1e53f6a607370e54ced6af9984aeb9a6ba889ed86be7f942c65',
      bytesAt: (offset: number, length: number) => helloText.subarray(offset, offset + length),
    },
    generated('1kb.bin', 1024, '31a70a1078d2944cee08ad990be84a51f930ec93c354a8f440d514aaed31ff8b'),
    generated('64kb.bin', 64 * 1024, 'f090c82af093a46024d0b4d7ddae209d5c28908d5258daeb986a3d41969e3d0f'),
    generated('1mb.bin', 1024 ** 2, 'a24c493ef37838cc7c79a6c51d6b89ba6bf2adb0875d076b7f4dd0bbfb1962b9'),
    generated('10mb.bin', 10 * 1024 ** 2, '4d60a318fde6e4383ed1607c05b18754cceb04892ca68cecb42d28d03a8a1617'),
    generated(
      '100mb.bin',
      100 * 1024 ** 2,
      '04b9b587f1aa6cd86e6b96a25aa9ae85dfa9cf7d0b08df19cd323d4d6bd66d20',
    ),
  ].map((file) => [`/${file.name}`, file]),
)

/**
 * Starts a directory of generic files that are made on the fly: constant memory, byte ranges, conditional requests,
 * `/SHA256SUMS` to check a download with, `/slow` and `/events`. Read-only. Rejects when the address cannot be bound.
 */
export function startFiles(options: FilesOptions = {}): Promise<SampleListener> {
  const eventIntervalMs = options.eventIntervalMs ?? 1_000
  return startListener((req, res) => handle(req, res, eventIntervalMs), options)
}

async function handle(req: IncomingMessage, res: ServerResponse, eventIntervalMs: number): Promise<void> {
  if (req.method !== 'GET' && req.method !== 'HEAD') {
    sendReply(req, res, methodNotAllowed('GET, HEAD'))
    return
  }
  const path = requestPath(req)
  const file = files.get(path)
  if (file !== undefined) {
    await sendFile(req, res, file)
    return
  }
  switch (path) {
    case '/':
      sendReply(req, res, indexReply(req))
      return
    case '/SHA256SUMS':
      sendReply(req, res, checksumsReply())
      return
    case '/slow':
      await sendSlowly(req, res, requestQuery(req))
      return
    case '/events':
      await sendEvents(req, res, eventIntervalMs)
      return
    default:
      sendReply(req, res, jsonReply(404, { error: 'not found' }))
  }
}

async function sendFile(req: IncomingMessage, res: ServerResponse, file: SampleFile): Promise<void> {
  const validators = { etag: `"${file.sha256.slice(0, 32)}"`, lastModified }
  const headers: OutgoingHttpHeaders = {
    'Accept-Ranges': 'bytes',
    ETag: validators.etag,
    'Last-Modified': lastModified,
  }
  const verdict = evaluatePreconditions(req, validators)
  if (verdict !== 'proceed') {
    sendVerdict(res, verdict, headers)
    return
  }
  const range = selectRange(req, file.sizeBytes, validators)
  if (range === 'unsatisfiable') {
    const reply = jsonReply(416, { error: 'range not satisfiable' })
    sendReply(req, res, { ...reply, headers: { 'Content-Range': `bytes */${file.sizeBytes}` } })
    return
  }
  const { first, last } = range === 'whole' ? { first: 0, last: file.sizeBytes - 1 } : range
  const length = last - first + 1
  headers['Content-Type'] = file.type
  headers['Content-Length'] = length
  if (range !== 'whole') headers['Content-Range'] = `bytes ${first}-${last}/${file.sizeBytes}`
  res.writeHead(range === 'whole' ? 200 : 206, headers)
  if (req.method === 'HEAD') {
    res.end()
    return
  }
  await pipeline(streamBytes(file.bytesAt, first, length), res)
}

function indexReply(req: IncomingMessage): Reply {
  const headers = { Vary: 'Accept', 'Cache-Control': 'no-cache' }
  const rows: [name: string, what: string][] = [
    ...[...files.values()].map((file): [string, string] => [file.name, `${file.sizeBytes} bytes`]),
    ['SHA256SUMS', 'checksums of the files above'],
    ['slow?kbps=64&size=65536', 'size bytes at kbps kilobits per second'],
    ['events', 'server-sent events, one per second'],
  ]
  if (!(req.headers.accept ?? '').includes('text/html')) {
    const text = rows.map(([name, what]) => `${name.padEnd(28)}${what}\n`).join('')
    return { status: 200, type: 'text/plain; charset=utf-8', body: Buffer.from(text), headers }
  }
  // Links are relative, so that they work behind any route prefix.
  const items = rows.map(([name, what]) => {
    const safe = name.replaceAll('&', '&amp;')
    return `<li><a href="${safe}">${safe}</a> ${what}</li>\n`
  })
  const html = `<!doctype html>\n<title>Sample files</title>\n<h1>Sample files</h1>\n<ul>\n${items.join('')}</ul>\n`
  return { status: 200, type: 'text/html; charset=utf-8', body: Buffer.from(html), headers }
}

function checksumsReply(): Reply {
  const text = [...files.values()].map((file) => `${file.sha256}  ${file.name}\n`).join('')
  return { status: 200, type: 'text/plain; charset=utf-8', body: Buffer.from(text) }
}

function generated(name: string, sizeBytes: number, sha256: string): SampleFile {
  return { name, sizeBytes, type: 'application/octet-stream', sha256, bytesAt: generatedBytesAt }
}
