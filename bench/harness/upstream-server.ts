import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'

// An upstream in Node, for uploads (read whole, then answered) and where nginx is missing: node upstream-server.js <port>

const BODIES: Readonly<Record<string, Buffer>> = {
  '/0': Buffer.alloc(0),
  '/1k': Buffer.alloc(1024, 'x'),
  '/64k': Buffer.alloc(65_536, 'x'),
}
const PIECE = Buffer.alloc(1024 * 1024, 'x')
const DOWNLOAD_PIECES = 256
const SLOW_PIECES = 20
const SLOW_PIECE_MS = 500

let count = 0

/** Writes as fast as the other side reads. */
function download(res: ServerResponse): void {
  res.writeHead(200, { 'content-length': PIECE.length * DOWNLOAD_PIECES })
  let left = DOWNLOAD_PIECES
  const more = (): void => {
    while (left > 0) {
      left--
      if (!res.write(PIECE)) return void res.once('drain', more)
    }
    res.end()
  }
  more()
}

/** A few bytes now and then. */
function slow(res: ServerResponse): void {
  res.writeHead(200, { 'content-length': SLOW_PIECES * 16 })
  let left = SLOW_PIECES
  const timer = setInterval(() => {
    res.write(PIECE.subarray(0, 16))
    if (--left === 0) res.end()
  }, SLOW_PIECE_MS)
  res.once('close', () => clearInterval(timer))
}

function answer(req: IncomingMessage, res: ServerResponse): void {
  const path = req.url ?? ''
  if (path === '/count') return void res.end(String(count))
  count++
  const body = BODIES[path]
  if (path === '/download') download(res)
  else if (path === '/slow') slow(res)
  else if (path === '/upload')
    req.resume().once('end', () => res.writeHead(200, { 'content-length': 0 }).end())
  else if (body === undefined) res.writeHead(404, { 'content-length': 0 }).end()
  else res.writeHead(200, { 'content-type': 'text/plain', 'content-length': body.length }).end(body)
}

const server = createServer({ keepAliveTimeout: 3_600_000 }, answer)
server.maxRequestsPerSocket = 0
server.listen(Number(process.argv[2]), '127.0.0.1', 4096)
