import type { IncomingMessage, ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { sleep } from '../../lib/time/sleep.ts'
import { generatedBytesAt } from './generated-bytes.ts'
import { jsonReply, sendReply } from './replies.ts'

/** Time between two pieces of a slow body. */
const sliceMs = 100

const maxSlowBytes = 100 * 1024 ** 2
const maxSlowKbps = 1_000_000
const maxSlowSeconds = 600

/**
 * Answers with `size` bytes (default 65,536) at `kbps` kilobits per second (default 64), and no faster for a client that could take more.
 * Resolves when the last byte is written; 400 when a number is out of bounds or the whole would take over ten minutes.
 */
export async function sendSlowly(
  req: IncomingMessage,
  res: ServerResponse,
  query: URLSearchParams,
): Promise<void> {
  const kbps = boundedInteger(query.get('kbps') ?? '64', 1, maxSlowKbps)
  const size = boundedInteger(query.get('size') ?? '65536', 0, maxSlowBytes)
  if (kbps === undefined || size === undefined || (size * 8) / (kbps * 1000) > maxSlowSeconds) {
    const error =
      `kbps must be 1 to ${maxSlowKbps} kilobits per second, size 0 to ${maxSlowBytes} bytes, ` +
      `and both together at most ${maxSlowSeconds} seconds`
    sendReply(req, res, jsonReply(400, { error }))
    return
  }
  res.writeHead(200, {
    'Content-Type': 'application/octet-stream',
    'Content-Length': size,
    'Cache-Control': 'no-store',
  })
  if (req.method === 'HEAD') {
    res.end()
    return
  }
  res.flushHeaders()
  const signal = closeSignal(res)
  await pipeline(Readable.from(slowBytes(size, kbps / 8, signal), { objectMode: false }), res)
}

/** Yields `size` bytes at `bytesPerMs`, by the clock: a late timer is made up for in the next slice. */
async function* slowBytes(size: number, bytesPerMs: number, signal: AbortSignal): AsyncGenerator<Buffer> {
  const startedAt = performance.now()
  let sent = 0
  while (sent < size) {
    const due = Math.ceil((performance.now() - startedAt + sliceMs) * bytesPerMs)
    // One piece is bounded too: after a stall the rest follows in further pieces, as fast as it is taken.
    const length = Math.min(due - sent, size - sent, 1024 ** 2)
    if (length > 0) {
      yield generatedBytesAt(sent, length)
      sent += length
    }
    if (sent === size) return
    await sleep(sliceMs, { signal, isBackground: true })
    signal.throwIfAborted()
  }
}

/**
 * Answers with server-sent events, the first at once and then one every `intervalMs`, counted up from `Last-Event-ID`.
 * A client that does not read misses events rather than filling memory. Resolves when the client has left and the
 * timer is cleared.
 */
export async function sendEvents(
  req: IncomingMessage,
  res: ServerResponse,
  intervalMs: number,
): Promise<void> {
  res.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store' })
  if (req.method === 'HEAD') {
    res.end()
    return
  }
  let counter =
    boundedInteger(String(req.headers['last-event-id'] ?? ''), 0, Number.MAX_SAFE_INTEGER - 1) ?? 0
  const tick = (): void => {
    counter += 1
    if (!res.writableNeedDrain) res.write(`id: ${counter}\nevent: tick\ndata: {"counter":${counter}}\n\n`)
  }
  tick()
  const signal = closeSignal(res)
  while (!signal.aborted) {
    await sleep(intervalMs, { signal, isBackground: true })
    if (!signal.aborted) tick()
  }
}

/** Aborts when the response is closed, finished or not. */
function closeSignal(res: ServerResponse): AbortSignal {
  const controller = new AbortController()
  if (res.closed) controller.abort()
  else res.once('close', () => controller.abort())
  return controller.signal
}

/** The integer that `text` spells in decimal, or undefined when it is none or outside `min`..`max`. */
function boundedInteger(text: string, min: number, max: number): number | undefined {
  if (!/^\d{1,16}$/.test(text)) return undefined
  const value = Number(text)
  return value >= min && value <= max ? value : undefined
}
