import { once } from 'node:events'
import { createServer, get, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import { startFiles } from './files.ts'
import { generatedBytesAt } from './generated-bytes.ts'
import { sendEvents, sendSlowly } from './paced.ts'

type Send = (req: IncomingMessage, res: ServerResponse) => Promise<void>

/** Serves one handler; `done` settles as the handler does. */
async function serve(t: Test, send: Send): Promise<{ url: string; done: Promise<unknown> }> {
  const server = createServer()
  const done = once(server, 'request').then(([req, res]) => send(req, res).catch((error: unknown) => error))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close().closeAllConnections())
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`, done }
}

t.test('a slow body is exact, and slow', async (t) => {
  const { url } = await serve(t, (req, res) =>
    sendSlowly(req, res, new URLSearchParams({ kbps: '8000', size: '300001' })),
  )
  const startedAt = performance.now()
  const body = Buffer.from(await (await fetch(url)).arrayBuffer())
  t.ok(body.equals(generatedBytesAt(0, 300_001)))
  // 300,001 bytes at 1,000 bytes a millisecond, of which the first 100 ms are sent ahead; timers may be 1 ms early.
  t.ok(performance.now() - startedAt >= 195)
})

t.test('a slow body stops at once when the client leaves', async (t) => {
  const { url, done } = await serve(t, (req, res) =>
    sendSlowly(req, res, new URLSearchParams({ kbps: '1', size: '70000' })),
  )
  const request = get(url)
  const [response] = await once(request, 'response')
  response.on('error', () => {})
  response.destroy()
  t.match(await done, Error)
})

t.test('slow numbers out of bounds are 400', async (t) => {
  const server = await startFiles()
  t.teardown(() => server.close())
  for (const query of ['kbps=0', 'kbps=fast', 'size=-1', 'size=104857601', 'kbps=1&size=75001', 'size=']) {
    const response = await fetch(`${server.url}slow?${query}`)
    t.equal(response.status, 400, query)
    await response.text()
  }
  const empty = await fetch(`${server.url}slow?size=0`)
  t.equal(empty.headers.get('content-length'), '0')
  t.equal(await empty.text(), '')
  const head = await fetch(`${server.url}slow?kbps=1&size=75000`, { method: 'HEAD' })
  t.equal(head.headers.get('content-length'), '75000')
})

t.test('events count up, the first at once, and the timer ends with the client', async (t) => {
  const { url, done } = await serve(t, (req, res) => sendEvents(req, res, 5))
  const request = get(url)
  const [response] = await once(request, 'response')
  t.equal(response.headers['content-type'], 'text/event-stream')
  response.setEncoding('utf8')
  response.on('error', () => {})
  let text = ''
  for await (const chunk of response) {
    text += chunk
    if (text.includes('id: 3\n')) break
  }
  t.match(
    text,
    /^id: 1\nevent: tick\ndata: {"counter":1}\n\nid: 2\nevent: tick\ndata: {"counter":2}\n\nid: 3\n/,
  )
  t.equal(await done, undefined)
})

t.test('events go on from Last-Event-ID, and the first does not wait for the interval', async (t) => {
  const server = await startFiles({ eventIntervalMs: 3_600_000 })
  t.teardown(() => server.close())
  const response = await fetch(`${server.url}events`, { headers: { 'Last-Event-ID': '41' } })
  for await (const chunk of response.body ?? []) {
    t.equal(Buffer.from(chunk).toString(), 'id: 42\nevent: tick\ndata: {"counter":42}\n\n')
    break
  }
  const head = await fetch(`${server.url}events`, { method: 'HEAD' })
  t.equal(head.status, 200)
})
