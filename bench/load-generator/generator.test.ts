import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import { Generator } from './generator.ts'
import type { Job } from './job.ts'

async function serve(t: Test, listener: RequestListener): Promise<{ port: number; count: () => number }> {
  let count = 0
  const server = createServer((req, res) => {
    count++
    listener(req, res)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.close()
    server.closeAllConnections()
  })
  return { port: (server.address() as AddressInfo).port, count: () => count }
}

function job(port: number, changes: Partial<Job>): Job {
  const head = 'GET / HTTP/1.1\r\nHost: x\r\n\r\n'
  const closed = {
    connections: 4,
    seconds: 10,
    rate: null,
    maxRequests: 50,
    bodyBytes: 0,
    isNewConnections: false,
  }
  return { port, heads: [head], ...closed, ...changes }
}

const hello: RequestListener = (_req, res) => res.end('hello')

t.test('the closed model waits for every answer and counts as the server does', async (t) => {
  const { port, count } = await serve(t, hello)
  const result = await new Generator(job(port, {})).run()
  t.match(result, { sent: 50, completed: 50, refused: 0, broken: 0, bodyBytes: 250 })
  t.equal(count(), 50)
})

t.test('time ends a run as well, and what is on its way is waited for', async (t) => {
  const { port, count } = await serve(t, hello)
  const { sent, completed, broken } = await new Generator(
    job(port, { seconds: 0.1, maxRequests: null }),
  ).run()
  t.equal(completed, sent)
  t.equal(count(), sent)
  t.equal(broken, 0)
})

t.test('the open model counts the time for which a request waits for a connection', async (t) => {
  // One connection and an answer after 20 ms: 50 requests/s pass, 200 are due.
  const { port } = await serve(t, (_req, res) => void setTimeout(() => res.end(), 20))
  const result = await new Generator(
    job(port, { connections: 1, rate: 200, seconds: 0.25, maxRequests: null }),
  ).run()
  t.equal(result.completed, result.sent)
  // The last was due before 250 ms had passed, and is answered after 20 ms for each before it; timers may fire a little early.
  const least = result.sent * 19 - 260
  t.ok(
    result.latencyMs.max >= least,
    `of ${result.sent} the last took ${result.latencyMs.max} ms, at least ${least}`,
  )
})

t.test('a new connection for each request', async (t) => {
  const connections = new Set<unknown>()
  const { port, count } = await serve(t, (req, res) => {
    connections.add(req.socket)
    res.end('hello')
  })
  const heads = ['GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n']
  const result = await new Generator(job(port, { heads, isNewConnections: true, maxRequests: 20 })).run()
  t.match(result, { sent: result.sent, completed: result.sent, broken: 0 })
  t.equal(connections.size, count())
  t.equal(count(), result.sent)
})

t.test('heads are used in turn, bodies are sent whole', async (t) => {
  const seen = new Map<string, number>()
  const { port } = await serve(t, (req, res) => {
    let bytes = 0
    req.on('data', (piece: Buffer) => (bytes += piece.length))
    req.on('end', () => {
      seen.set(`${req.url} ${bytes}`, (seen.get(`${req.url} ${bytes}`) ?? 0) + 1)
      res.end()
    })
  })
  const heads = ['/a', '/b'].map(
    (path) => `POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n`,
  )
  await new Generator(job(port, { heads, bodyBytes: 100_000, maxRequests: 10 })).run()
  t.strictSame(Object.fromEntries(seen), { '/a 100000': 5, '/b 100000': 5 })
})

t.test('broken connections and refusals are counted, never as answers', async (t) => {
  let turn = 0
  const { port, count } = await serve(t, (req, res) => {
    turn++
    if (turn % 5 === 0) req.socket.destroy()
    else res.writeHead(turn % 2 === 0 ? 503 : 200).end('hello')
  })
  const result = await new Generator(job(port, {})).run()
  t.equal(result.completed + result.broken, result.sent)
  t.equal(result.broken, Math.floor(count() / 5))
  t.ok(result.refused > 0)
})
