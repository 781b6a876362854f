import { once } from 'node:events'
import { connect } from 'node:net'
import t from 'tap'
import { startListener } from './listener.ts'

t.test('answers 500 when a handler throws, tells onError, and goes on', async (t) => {
  const errors: unknown[] = []
  const listener = await startListener(
    (req, res) => {
      res.setHeader('Content-Encoding', 'gzip')
      if (req.url === '/throw') throw new Error('secret detail')
      res.removeHeader('Content-Encoding')
      res.end('fine')
    },
    { onError: (error) => errors.push(error) },
  )
  t.teardown(() => listener.close())

  const failed = await fetch(`${listener.url}throw`)
  t.equal(failed.status, 500)
  t.equal(failed.headers.get('content-encoding'), null)
  t.equal(await failed.text(), '{"error":"internal error"}\n')
  t.match(errors, [{ message: 'secret detail' }])
  t.equal(await (await fetch(listener.url)).text(), 'fine')
})

t.test('cuts the response short when a handler rejects after the head was sent', async (t) => {
  const errors: unknown[] = []
  const listener = await startListener(
    async (_req, res) => {
      res.writeHead(200, { 'Content-Length': 10 })
      await new Promise((resolve) => res.write('half', resolve))
      throw new Error('broke')
    },
    { onError: (error) => errors.push(error) },
  )
  t.teardown(() => listener.close())
  const response = await fetch(listener.url)
  t.equal(response.status, 200)
  await t.rejects(response.text())
  t.equal(errors.length, 1)
})

t.test('does not report a client that left as an error', async (t) => {
  const errors: unknown[] = []
  let settled = (): void => {}
  const handled = new Promise<void>((resolve) => (settled = resolve))
  const listener = await startListener(
    async (req) => {
      try {
        for await (const _ of req) socket.destroy()
      } finally {
        settled()
      }
    },
    { onError: (error) => errors.push(error) },
  )
  t.teardown(() => listener.close())
  const socket = connect(Number(new URL(listener.url).port), '127.0.0.1')
  socket.write('POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf')
  await handled
  await new Promise(setImmediate)
  t.same(errors, [])
})

t.test('close ends open connections, and closing again is the same promise', async (t) => {
  let arrived = (): void => {}
  const requested = new Promise<void>((resolve) => (arrived = resolve))
  const listener = await startListener(() => arrived())
  const socket = connect(Number(new URL(listener.url).port), '127.0.0.1')
  socket.on('error', () => {})
  socket.write('GET /never-answered HTTP/1.1\r\nHost: x\r\n\r\n')
  await requested
  const ended = once(socket, 'close')
  const closing = listener.close()
  t.equal(listener.close(), closing)
  await closing
  await ended
  await t.rejects(fetch(listener.url))
})

t.test('rejects when the address cannot be bound', async (t) => {
  // TEST-NET-1 (RFC 5737) belongs to no interface.
  await t.rejects(
    startListener(() => {}, { host: '192.0.2.1' }),
    { code: 'EADDRNOTAVAIL' },
  )
})
